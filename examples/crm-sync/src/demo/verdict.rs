//! What the demonstration has shown.

use std::time::Duration;

use jobq_core::{Rate, Timestamp};
use jobq_worker::Summary as Worked;
use serde::Serialize;

use super::count::Count;
use crate::report::RunSummary;
use crate::stub::{Fault, Request, Summary};

/// What all workers did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    pub(super) began_at: Timestamp,
    /// When they were told to stop.
    pub(super) ended_at: Timestamp,
    pub(super) elapsed: Duration,
    processed: u64,
    errors: u64,
    dead: u64,
}

impl Ran {
    pub(super) const fn new(began_at: Timestamp, ended_at: Timestamp) -> Self {
        Self { began_at, ended_at, elapsed: Duration::ZERO, processed: 0, errors: 0, dead: 0 }
    }

    pub(super) const fn add(&mut self, worker: &Worked) {
        self.processed += worker.completed + worker.dead;
        self.errors += worker.failed;
        self.dead += worker.dead;
    }
}

/// What the demonstration has shown. The names and their order are a promise.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Verdict {
    stores: Vec<Count>,
    /// Records in the CRM beyond the first that a store calls the same.
    duplicates: u64,
    /// Creations that reached the CRM again and added nothing.
    repeated_creations: u64,
    rate: String,
    limit: u64,
    /// Whether every full window has brought as many requests as the limit allows, and none more.
    exact: bool,
    requests: u64,
    records: u64,
    faults: Faults,
    #[serde(flatten)]
    run: RunSummary,
    dead: u64,
}

/// How many requests went wrong.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Faults {
    fail: u64,
    slow: u64,
    throttle: u64,
    cut: u64,
}

impl Verdict {
    pub(super) fn new(
        rate: Rate,
        stores: Vec<Count>,
        requests: &[Request],
        summary: Summary,
        ran: &Ran,
    ) -> Self {
        let limit = u64::from(rate.count);
        let of =
            |fault| requests.iter().filter(|request| request.fault == Some(fault)).count() as u64;
        Self {
            exact: stores.iter().all(|store| {
                store.max_in_window <= limit
                    && store.full_windows.iter().all(|requests| *requests == limit)
            }),
            stores,
            duplicates: summary.duplicates,
            repeated_creations: summary.repeated_creations,
            rate: rate.to_string(),
            limit,
            requests: summary.requests,
            records: summary.records,
            faults: Faults {
                fail: of(Fault::Fail),
                slow: of(Fault::Slow),
                throttle: of(Fault::Throttle),
                cut: of(Fault::Cut),
            },
            run: RunSummary::new(ran.processed, ran.errors, ran.elapsed),
            dead: ran.dead,
        }
    }

    /// Whether no window had a request too many, and no record was created twice.
    pub(super) fn is_kept(&self) -> bool {
        self.duplicates == 0 && self.stores.iter().all(|store| store.max_in_window <= self.limit)
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for store in &self.stores {
            text.push_str(&store.text());
        }
        let Self { duplicates, repeated_creations, faults, .. } = self;
        let Faults { fail, slow, throttle, cut } = faults;
        text.push_str(&format!(
            "faults: {fail} failed, {slow} slow, {throttle} throttled, {cut} cut\n\
             {duplicates} records created twice, {repeated_creations} creations repeated\n\
             {}",
            self.run.text()
        ));
        text
    }
}

impl Count {
    fn text(&self) -> String {
        let list = |counts: &[u64]| counts.iter().map(u64::to_string).collect::<Vec<_>>().join(" ");
        format!(
            "store {} ({}): {} requests by window, of which full: {}; never more than {}\n",
            self.store,
            self.provider,
            list(&self.windows),
            list(&self.full_windows),
            self.max_in_window
        )
    }
}
