//! The numbers for those who watch.

use jobq_core::{Clock, SystemClock};
use program::Failure;
use serde::Serialize;

use crate::db::{Counts, Store};
use crate::job::queue_name;
use crate::queue::Opened;

/// How it stands. The names are a promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// The jobs; `None` if the driver has no queue, or another process has it in its memory.
    pub queue: Option<Jobs>,
    /// The customers.
    pub customers: Counts,
}

/// The jobs of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Jobs {
    /// Jobs that wait for a worker.
    pub waiting: u64,
    /// Jobs that wait for their next attempt.
    pub scheduled: u64,
    /// Jobs that run.
    pub running: u64,
    /// Jobs that have failed for good.
    pub failed: u64,
    /// How long the one that has waited longest has waited, in seconds.
    pub oldest_waiting_seconds: Option<u64>,
}

/// Takes the numbers.
///
/// # Errors
///
/// When the database or the queue fails.
pub async fn status(store: &Store, queue: Option<&Opened>) -> Result<Status, Failure> {
    let jobs = match queue {
        None => None,
        Some(queue) => {
            let stats = queue.inspect.queue(&queue_name()?).await?;
            let now = SystemClock::default().now();
            Some(Jobs {
                waiting: stats.ready,
                scheduled: stats.scheduled,
                running: stats.leased,
                failed: stats.dead,
                oldest_waiting_seconds: stats.oldest_ready_at.map(|at| now.since(at).as_secs()),
            })
        }
    };
    Ok(Status { queue: jobs, customers: store.counts().await? })
}

impl Status {
    pub(crate) fn text(&self) -> String {
        let Counts { pending, condensed, kept } = self.customers;
        let queue = self.queue.map_or_else(
            || "jobs: unknown, the queue is not shared".to_owned(),
            |Jobs { waiting, scheduled, running, failed, oldest_waiting_seconds }| {
                let oldest = oldest_waiting_seconds
                    .map_or_else(String::new, |seconds| format!(", the oldest for {seconds} s"));
                format!(
                    "jobs: {waiting} waiting{oldest}; {scheduled} scheduled, {running} running, {failed} failed"
                )
            },
        );
        format!(
            "{queue}\ncustomers: {pending} pending, {condensed} condensed, {kept} kept as they were"
        )
    }
}
