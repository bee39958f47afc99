//! What a random run does next, and with which of the things it has met. The same seed, the same run.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::Scene;
use super::scene::{MS, SECOND, lane_key};
use crate::clock::Timestamp;
use crate::history::{Failure, FailureKind};
use crate::id::{JobId, WorkerId};
use crate::lane::LaneKey;
use crate::lease::{Lease, LeaseRef, Next, Settlement};
use crate::limits::{Breaker, LimitScope, LimitSource, Limits, Rate};
use crate::name::LimitName;
use crate::priority::Priority;
use crate::record::{JobRecord, NewJob, When};
use crate::unique::{Unique, UniqueKey, UniqueMode};

/// What a random run makes use of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mix {
    /// Priorities, and keys that are held until the job ends.
    Plain,
    /// Lanes, limits and all unique modes too.
    Flow,
}

/// The lanes of random jobs.
pub(super) const LANES: [&str; 4] = ["a", "b", "10", "9"];

/// A seeded source of choices, and what there is to choose from.
pub(super) struct Chance {
    pub(super) mix: Mix,
    random: fastrand::Rng,
    workers: [WorkerId; 3],
    /// Every id that was ever enqueued.
    pub(super) ids: Vec<JobId>,
    /// Those of jobs with a throttle: a key may outlast its holder, and should not be taken for that
    /// of another job under the same id.
    throttled: Vec<JobId>,
    /// Every lease that was ever given.
    pub(super) leases: Vec<Arc<Lease>>,
}

impl Chance {
    pub(super) fn new(seed: u64, mix: Mix) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        Self {
            mix,
            workers: std::array::from_fn(|_| WorkerId::from_u64(random.u64(1..))),
            random,
            ids: Vec::new(),
            throttled: Vec::new(),
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
            Some(known) if self.random.u32(..5) == 0 && !self.throttled.contains(known) => *known,
            _ => JobId::from_bytes(self.random.u128(..).to_be_bytes()),
        };
        let template = t.job().record;
        let mut record = JobRecord::new(id, template.queue, template.kind, template.payload);
        record.priority = Priority::constant([0, 0, 0, 1, 15][self.random.usize(..5)]);
        record.max_crashes = self.random.u32(1..4);
        if self.random.u32(..5) < 2 {
            record.unique = Some(self.unique(t));
        }
        if self.mix == Mix::Flow {
            let lane = self.random.choice(LANES).filter(|_| self.random.u32(..4) > 0);
            record.lane = lane.map(lane_key);
            record.cost = self.random.u32(1..4);
        }
        if self.random.u32(..3) == 0 {
            record.retention = Some(SECOND + self.seconds_below(120));
        }
        if record.unique.is_some_and(|u| matches!(u.mode, UniqueMode::Throttle { .. })) {
            self.throttled.push(id);
        }
        let when = match self.random.u32(..10) {
            0..6 => When::Now,
            6..9 => When::After(self.seconds_below(40)),
            _ => When::At(t.now() + self.seconds_below(40) - SECOND * 20),
        };
        NewJob::new(record, when)
    }

    /// One of few keys, in any mode, of this queue or of all: no other queue has these.
    fn unique(&mut self, t: &Scene) -> Unique {
        let key = UniqueKey::from_bytes([self.random.u8(..4); 16]);
        if self.mix == Mix::Plain {
            return key.into();
        }
        let mode = match self.random.u32(..7) {
            0 => UniqueMode::UntilFinished,
            1 => UniqueMode::UntilStarted,
            2 | 3 => UniqueMode::WhileRunning,
            4 => UniqueMode::Throttle { per: MS + self.seconds_below(40) },
            5 => {
                let delay = MS + self.seconds_below(15);
                let at_most = self.random.bool().then(|| delay + self.seconds_below(15));
                UniqueMode::Debounce { delay, at_most }
            }
            _ => UniqueMode::LatestWins,
        };
        if self.random.u32(..4) > 0 {
            return Unique::new(key, mode);
        }
        let everywhere = UniqueKey::new(t.queue().as_str(), &self.random.u8(..2)).unwrap();
        let unique = Unique::new(everywhere, mode).everywhere();
        if unique.check().is_ok() { unique } else { Unique::new(key, mode) }
    }

    /// One of the keys that random jobs have.
    pub(super) fn key(&mut self, t: &Scene) -> UniqueKey {
        self.unique(t).key
    }

    /// Limits for one of the scopes there are, often none.
    pub(super) fn limits(&mut self, t: &Scene) -> (LimitScope, LimitSource, Limits) {
        let queue = t.queue().clone();
        let shared = LimitName::new(t.queue().as_str()).unwrap();
        let scope = match self.random.u32(..6) {
            0 => LimitScope::Queue(queue),
            1 | 2 => LimitScope::Lanes(queue),
            3 => LimitScope::Shared(shared.clone()),
            _ => LimitScope::Lane(queue, self.lane()),
        };
        let is_lane = matches!(scope, LimitScope::Lanes(_) | LimitScope::Lane(..));
        let source = *self.random.choice(&[LimitSource::Code, LimitSource::Operator]).unwrap();
        let mut limits = Limits::new();
        if self.random.u32(..4) == 0 {
            limits.concurrency = Some(self.random.u32(1..5));
        }
        if self.random.u32(..3) == 0 {
            limits.rate = Some(self.rate());
        }
        if !matches!(scope, LimitScope::Shared(_)) && self.random.u32(..6) == 0 {
            limits.max_size = Some(self.random.u64(1..30));
        }
        if is_lane && self.random.u32(..3) == 0 {
            limits.weight = Some(self.random.u16(1..9));
        }
        if is_lane && self.random.u32(..4) == 0 {
            limits.breaker = Some(Breaker::new(self.random.u32(1..4), SECOND * 5));
        }
        if matches!(scope, LimitScope::Queue(_)) && self.random.bool() {
            limits.shared = Some(shared);
        }
        (scope, source, limits)
    }

    pub(super) fn lane(&mut self) -> LaneKey {
        lane_key(self.random.choice(LANES).unwrap())
    }

    fn rate(&mut self) -> Rate {
        let count = self.random.u32(1..8);
        let per = [SECOND, SECOND * 7, SECOND * 60][self.random.usize(..3)];
        match self.random.u32(..3) {
            0 => Rate::fixed(count, per),
            1 => Rate::sliding(count, per),
            // Full again, at whatever rate, before its lane may be forgotten: a changed rate keeps its counts
            // until then.
            _ => Rate::bucket(count, per.min(SECOND * 7), self.random.u32(1..6)),
        }
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
