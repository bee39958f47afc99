//! What a relay has done, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a relay has done: since it was made, or in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RelayCounts {
    /// Jobs that their queue has added.
    pub enqueued: u64,
    /// Jobs that were there already, under their id or unique key.
    pub duplicates: u64,
    /// Rows that were set aside.
    pub rejected: u64,
    /// How often a queue would not take a job for the moment: it is full, or cannot be reached.
    pub waits: u64,
    /// How often the database refused.
    pub failures: u64,
}

impl RelayCounts {
    /// How many rows have left the outbox.
    #[must_use]
    pub const fn moved(&self) -> u64 {
        self.enqueued + self.duplicates + self.rejected
    }

    pub(super) fn since(self, before: Self) -> Self {
        Self {
            enqueued: self.enqueued - before.enqueued,
            duplicates: self.duplicates - before.duplicates,
            rejected: self.rejected - before.rejected,
            waits: self.waits - before.waits,
            failures: self.failures - before.failures,
        }
    }
}

/// The counts, as they grow.
#[derive(Debug, Default)]
pub(super) struct Meter {
    enqueued: AtomicU64,
    duplicates: AtomicU64,
    rejected: AtomicU64,
    waits: AtomicU64,
    failures: AtomicU64,
}

impl Meter {
    pub(super) fn add(&self, counts: RelayCounts) {
        for (sum, count) in [
            (&self.enqueued, counts.enqueued),
            (&self.duplicates, counts.duplicates),
            (&self.rejected, counts.rejected),
            (&self.waits, counts.waits),
            (&self.failures, counts.failures),
        ] {
            sum.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> RelayCounts {
        RelayCounts {
            enqueued: self.enqueued.load(Ordering::Relaxed),
            duplicates: self.duplicates.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            waits: self.waits.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }
}
