//! What a random run does next, and with which of the things it has met. The same seed, the same run.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::Scene;
use super::scene::{MS, SECOND};
use crate::clock::Timestamp;
use crate::history::{Failure, FailureKind};
use crate::id::{JobId, WorkerId};
use crate::lease::{Lease, LeaseRef, Next, Settlement};
use crate::priority::Priority;
use crate::record::{JobRecord, NewJob, When};
use crate::unique::UniqueKey;

/// A seeded source of choices, and what there is to choose from.
pub(super) struct Chance {
    random: fastrand::Rng,
    workers: [WorkerId; 3],
    /// Every id that was ever enqueued.
    pub(super) ids: Vec<JobId>,
    /// Every lease that was ever given.
    pub(super) leases: Vec<Arc<Lease>>,
}

impl Chance {
    pub(super) fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        Self {
            workers: std::array::from_fn(|_| WorkerId::from_u64(random.u64(1..))),
            random,
            ids: Vec::new(),
            leases: Vec::new(),
        }
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.random.usize(..limit)
    }

    pub(super) fn seconds_below(&mut self, limit: u32) -> Duration {
        SECOND * self.random.u32(..limit)
    }

    pub(super) fn millis_below(&mut self, limit: u32) -> Duration {
        MS * self.random.u32(..limit)
    }

    pub(super) fn worker(&mut self) -> WorkerId {
        self.workers[self.random.usize(..3)]
    }

    pub(super) fn one_of<'a, T>(&mut self, things: &'a [T]) -> Option<&'a T> {
        self.random.choice(things)
    }

    /// A job for the queue of `t`: one in five under an id that was used before, two in five with a
    /// unique key of few.
    pub(super) fn job(&mut self, t: &Scene) -> NewJob {
        let id = match self.random.choice(&self.ids) {
            Some(known) if self.random.u32(..5) == 0 => *known,
            _ => JobId::from_bytes(self.random.u128(..).to_be_bytes()),
        };
        let template = t.job().record;
        let mut record = JobRecord::new(id, template.queue, template.kind, template.payload);
        record.priority = Priority::constant([0, 0, 0, 1, 15][self.random.usize(..5)]);
        record.max_crashes = self.random.u32(1..4);
        if self.random.u32(..5) < 2 {
            record.unique = Some(UniqueKey::from_bytes([self.random.u8(..4); 16]).into());
        }
        if self.random.u32(..3) == 0 {
            record.retention = Some(SECOND + self.seconds_below(120));
        }
        let when = match self.random.u32(..10) {
            0..6 => When::Now,
            6..9 => When::After(self.seconds_below(40)),
            _ => When::At(t.now() + self.seconds_below(40) - SECOND * 20),
        };
        NewJob::new(record, when)
    }

    pub(super) fn settlements(&mut self, count: Range<usize>, now: Timestamp) -> Vec<Settlement> {
        let leases = self.some_leases(count).into_iter();
        let settle = |lease: Arc<Lease>| {
            let next = self.next(&lease, now);
            Settlement::new(lease, next)
        };
        leases.map(settle).collect()
    }

    pub(super) fn proofs(&mut self, count: Range<usize>) -> Vec<LeaseRef> {
        self.some_leases(count).iter().map(|lease| lease.proof()).collect()
    }

    /// Ids of newer jobs, many of them ended.
    pub(super) fn known_ids(&mut self) -> Vec<JobId> {
        let count = self.random.usize(1..4);
        let newest = &self.ids[self.ids.len().saturating_sub(30)..];
        (0..count).filter_map(|_| self.random.choice(newest).copied()).collect()
    }

    /// Leases as a worker might have them: mostly new ones, some of them long lost.
    fn some_leases(&mut self, count: Range<usize>) -> Vec<Arc<Lease>> {
        let count = self.random.usize(count);
        let newest = &self.leases[self.leases.len().saturating_sub(12)..];
        (0..count).filter_map(|_| self.random.choice(newest).cloned()).collect()
    }

    fn next(&mut self, lease: &Lease, now: Timestamp) -> Next {
        let (kind, attempt) = (FailureKind::Error, lease.attempt());
        let failure = Failure::new(kind, attempt, now, lease.worker, "no");
        let after = self.seconds_below(40);
        match self.random.u32(..10) {
            0..3 => Next::Complete { result: self.random.bool().then(|| vec![0xc0]) },
            3..5 => Next::Retry { after, failure },
            5 => Next::Snooze { after },
            6 => Next::Release,
            7..9 => Next::Dead { failure },
            _ => Next::Cancel,
        }
    }
}
