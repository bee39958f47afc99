//! The numbers for those who watch the system.

use jobq_core::{Inspect, LaneKey, Timestamp};
use program::Failure;
use serde::Serialize;

use crate::db::{LogNumbers, Store};
use crate::ids::StoreId;
use crate::limits::queue_name;

/// How things stand. The names are a promise.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// Jobs that wait: for a worker, for their store's budget, or for their next attempt. `None` if the
    /// queue cannot be seen from here.
    pub pending: Option<u64>,
    /// Jobs that are being done.
    pub running: Option<u64>,
    /// Jobs that were put aside for people.
    pub dead: Option<u64>,
    #[serde(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub log: LogNumbers,
    /// By store.
    pub stores: Vec<StoreStatus>,
}

/// How things stand for a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreStatus {
    /// The store.
    pub store: StoreId,
    /// What people call it.
    pub name: String,
    /// Its CRM.
    pub provider: String,
    /// How many requests its CRM allows; `None` if nothing limits them, or the queue cannot be seen.
    pub rate: Option<String>,
    /// Jobs that are ready and wait for a worker or the budget.
    pub pending: Option<u64>,
    /// Jobs that are being done.
    pub running: Option<u64>,
    /// When the next request may leave, if the budget is used up or the CRM has asked for a rest.
    pub held_until: Option<String>,
}

/// Looks how things stand; with `inspect` also at the queue.
///
/// # Errors
///
/// When the database or the queue fails.
pub async fn status(
    store: &Store,
    inspect: Option<&dyn Inspect>,
    now: Timestamp,
) -> Result<Status, Failure> {
    let queue = match inspect {
        Some(inspect) => Some(inspect.queue(&queue_name()?).await?),
        None => None,
    };
    let mut stores = Vec::new();
    for account in store.accounts().await? {
        let lane = match inspect {
            Some(inspect) => {
                Some(inspect.lane(&queue_name()?, &LaneKey::new(account.store)?).await?)
            }
            None => None,
        };
        let lane = lane.as_ref();
        stores.push(StoreStatus {
            store: account.store,
            name: account.name,
            provider: account.provider,
            rate: lane.and_then(|lane| Some(lane.limits.rate?.to_string())),
            pending: lane.map(|lane| lane.ready),
            running: lane.map(|lane| lane.leased),
            held_until: lane
                .and_then(|lane| lane.until)
                .filter(|until| *until > now)
                .map(|until| until.to_string()),
        });
    }
    let queue = queue.as_ref();
    Ok(Status {
        pending: queue.map(|queue| queue.ready + queue.scheduled + queue.waiting),
        running: queue.map(|queue| queue.leased),
        dead: queue.map(|queue| queue.dead),
        log: store.log_numbers(now).await?,
        stores,
    })
}

impl Status {
    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let unknown = || "unknown: the queue is in the memory of another process".to_owned();
        let number = |number: Option<u64>| number.map_or_else(unknown, |n| n.to_string());
        let mut text = String::new();
        let mut line = |what: &str, value: String| text.push_str(&format!("{what:<22} {value}\n"));
        line("pending", number(self.pending));
        line("running", number(self.running));
        line("dead", number(self.dead));
        line("processed today", self.log.processed_today.to_string());
        line("errors in 24 h", self.log.errors_24h.to_string());
        let mean = self.log.mean_processing_ms.map_or("–".to_owned(), |ms| format!("{ms} ms"));
        line("mean processing time", mean);
        let rate = self.log.success_rate_24h;
        let rate = rate.map_or("–".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
        line("success rate in 24 h", rate);
        for count in self.log.counts.iter().filter(|count| count.synced + count.errors > 0) {
            let what = format!("{} {}", count.entity, count.direction);
            let (synced, failed, errors) = (count.synced, count.failed, count.errors);
            line(&what, format!("{synced} synced, {failed} failed, {errors} errors"));
        }
        for store in &self.stores {
            let what = format!("store {} ({})", store.store, store.provider);
            let rate = store.rate.as_deref().unwrap_or("rate unknown");
            let pending = store.pending.map_or("?".to_owned(), |n| n.to_string());
            let held = store.held_until.as_ref();
            let held = held.map_or_else(String::new, |until| format!(", held until {until}"));
            line(&what, format!("{rate}, {pending} pending{held}"));
        }
        text.truncate(text.trim_end().len());
        text
    }
}
