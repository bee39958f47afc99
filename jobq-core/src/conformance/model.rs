//! Random operations, on the backend and on a naive oracle side by side.
//!
//! After every step all answers and all that people can see must be the same. A failing run prints its
//! seed and its operations; `JOBQ_MODEL_SEED` repeats it, `JOBQ_MODEL_STEPS` makes all runs longer or
//! shorter. Wake-ups and several queues are not part of it.

use std::sync::Arc;

use super::chance::{Chance, LANES, Mix};
use super::oracle::Oracle;
use super::oracle_turns::Stop;
use super::scene::{MS, SECOND, lane_key};
use super::trace::{Trace, number_from};
use super::{DEAD_RETENTION, LEASE, Scene};
use crate::error::ErrorKind;
use crate::history::History;
use crate::id::{Token, WorkerId};
use crate::inspect::JobView;
use crate::lane::LaneKey;
use crate::lease::{Lease, LeaseRef, LeaseRequest, Next, Settlement};
use crate::limits::{LimitScope, LimitSource, Limits};
use crate::name::LimitName;
use crate::progress::{Progress, Report};
use crate::state::JobState;

/// Long enough to reach every kind of state with every kind of operation, short enough for every day.
const STEPS: usize = 400;

/// Random operations, the same in every run.
pub async fn random_operations_1(t: &Scene) {
    Run::new(t, 1, Mix::Plain).play().await;
}

/// Other random operations, the same in every run.
pub async fn random_operations_2(t: &Scene) {
    Run::new(t, 2, Mix::Plain).play().await;
}

/// Random operations with lanes, limits and all unique modes, the same in every run.
pub async fn random_flow_1(t: &Scene) {
    Run::new(t, 1, Mix::Flow).play().await;
}

/// Other random operations of this sort, the same in every run.
pub async fn random_flow_2(t: &Scene) {
    Run::new(t, 2, Mix::Flow).play().await;
}

/// Other random operations of this sort, the same in every run.
pub async fn random_flow_3(t: &Scene) {
    Run::new(t, 3, Mix::Flow).play().await;
}

/// Other random operations of this sort, the same in every run.
pub async fn random_flow_4(t: &Scene) {
    Run::new(t, 4, Mix::Flow).play().await;
}

/// Random operations that are new in every run.
pub async fn fresh_random_operations(t: &Scene) {
    Run::new(t, fresh_seed(), Mix::Plain).play().await;
}

/// Random operations with lanes, limits and all unique modes that are new in every run.
pub async fn fresh_random_flow(t: &Scene) {
    Run::new(t, fresh_seed(), Mix::Flow).play().await;
}

fn fresh_seed() -> u64 {
    number_from("JOBQ_MODEL_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32))
}

/// One run: the backend and the oracle, and what has been done to both.
struct Run<'a> {
    t: &'a Scene,
    oracle: Oracle,
    chance: Chance,
    trace: Trace,
    last_token: Option<Token>,
}

impl<'a> Run<'a> {
    fn new(t: &'a Scene, seed: u64, mix: Mix) -> Self {
        Self {
            t,
            oracle: Oracle::new(DEAD_RETENTION),
            chance: Chance::new(seed, mix),
            trace: Trace::new(seed),
            last_token: None,
        }
    }

    async fn play(mut self) {
        let steps = number_from("JOBQ_MODEL_STEPS").map_or(STEPS, |n| usize::try_from(n).unwrap());
        for _ in 0..steps {
            self.step().await;
            self.compare().await;
        }
        self.drain().await;
    }

    async fn step(&mut self) {
        match self.chance.below(100) {
            0..20 => self.enqueue().await,
            20..45 => {
                let settlements = self.chance.settlements(0..3, self.t.now());
                let limit = self.chance.below(6);
                self.exchange(&settlements, Some(limit)).await;
            }
            45..58 => {
                let settlements = self.chance.settlements(1..5, self.t.now());
                self.exchange(&settlements, None).await;
                if self.chance.below(4) == 0 {
                    self.trace.note("the reply is lost");
                    self.exchange(&settlements, None).await;
                }
            }
            58..65 => self.extend().await,
            65..76 => self.pass_time(),
            76..82 => self.maintain().await,
            82..86 => self.cancel().await,
            86..90 => self.requeue().await,
            90..92 => self.delete().await,
            92..94 => self.report().await,
            94..96 => self.forfeit().await,
            96 => self.pause().await,
            _ => self.resume().await,
        }
        if self.chance.mix == Mix::Flow {
            match self.chance.below(12) {
                0 => self.set_limits().await,
                1 => self.throttle_lane().await,
                2 => self.pause_lane().await,
                3 => self.resume_lane().await,
                _ => {}
            }
        }
    }

    /// Brings every job to its end: nothing may be left.
    async fn drain(&mut self) {
        self.resume().await;
        if self.chance.mix == Mix::Flow {
            self.lift_limits().await;
        }
        while self.live() > 0 {
            self.t.advance(SECOND * 3_600);
            let leases = self.exchange(&[], Some(1_000)).await;
            let done = |lease| Settlement::new(lease, Next::Complete { result: None });
            let all: Vec<_> = leases.into_iter().map(done).collect();
            self.exchange(&all, None).await;
            self.compare().await;
        }
        self.t.advance(DEAD_RETENTION.max_age);
        self.maintain_up_to(10_000).await;
        self.compare().await;
        self.t.assert_pristine().await;
    }

    fn live(&self) -> usize {
        let states = JobState::ALL.into_iter().filter(|state| state.is_live());
        states.map(|state| self.oracle.jobs(state).len()).sum()
    }

    // Operations. Each does the same on both sides, and compares the answers.

    async fn enqueue(&mut self) {
        let count = self.chance.below(4) + 1;
        let jobs: Vec<_> = (0..count).map(|_| self.chance.job(self.t)).collect();
        self.trace.note(("enqueue", &jobs));
        let now = self.t.now();
        if self.oracle.would_refuse(&jobs, now) {
            let refused = self.t.store().enqueue_jobs(&jobs).await;
            assert_eq!(refused.unwrap_err().kind(), ErrorKind::Limited, "the size");
            return;
        }
        let expected: Vec<_> = jobs.iter().map(|j| self.oracle.enqueue(j, now)).collect();
        assert_eq!(self.t.add_all(&jobs).await, expected);
        self.chance.ids.extend(jobs.iter().map(|job| job.record.id));
    }

    async fn exchange(
        &mut self,
        settlements: &[Settlement],
        limit: Option<usize>,
    ) -> Vec<Arc<Lease>> {
        let worker = self.chance.worker();
        let told: Vec<_> = settlements.iter().map(|s| (s.lease.proof(), &s.next)).collect();
        self.trace.note(("exchange", told, worker, limit));
        let now = self.t.now();
        let request = limit.map(|limit| LeaseRequest::new(worker, limit, LEASE));
        let store = self.t.store();
        let answer = store.exchange(self.t.queue(), settlements, request).await;
        let answer = answer.unwrap();

        let settle = |s: &Settlement| self.oracle.settle(s.lease.proof(), &s.next, now);
        let held: Vec<_> = settlements.iter().map(settle).collect();
        self.oracle.promote(500, now);
        self.oracle.reclaim(100, now);
        let limit = limit.filter(|_| !self.oracle.paused).unwrap_or(0);
        let mut expected = Vec::new();
        let mut stop = None;
        while expected.len() < limit && stop.is_none() {
            match self.oracle.lease_next(now + LEASE, now) {
                Ok(view) => expected.push(view),
                Err(reason) => stop = Some(reason),
            }
        }
        assert_eq!(answer.held, held, "settlements");
        let ids = |views: &[JobView]| views.iter().map(|v| v.record.id).collect::<Vec<_>>();
        let leased: Vec<_> = answer.leases.iter().map(|lease| lease.job.id).collect();
        assert_eq!(leased, ids(&expected), "I11, I12, I13: leased jobs, in their order");
        for (lease, view) in answer.leases.iter().zip(&expected) {
            self.assert_fits(lease, view, worker);
            self.oracle.give(lease.proof());
            self.assert_has_slot(lease);
        }
        let next_in = stop.and_then(|Stop(at)| self.oracle.next_at().into_iter().chain(at).min());
        assert_eq!(answer.next_in, next_in.map(|at| at.since(now)), "next in");
        self.chance.leases.extend_from_slice(&answer.leases);
        answer.leases
    }

    fn assert_fits(&mut self, lease: &Lease, view: &JobView, worker: WorkerId) {
        assert!(Some(lease.token) > self.last_token, "tokens grow");
        self.last_token = Some(lease.token);
        assert_eq!(lease.worker, worker);
        assert_eq!(lease.job, view.record);
        assert_eq!(lease.failed_attempts, view.failed_attempts);
        assert_eq!(lease.crashes, view.crashes);
        assert_eq!(lease.history, view.history);
        assert_eq!(lease.expires_at, self.t.now() + LEASE);
    }

    /// No lane has more leases than it may when it is given another one.
    fn assert_has_slot(&self, lease: &Lease) {
        if let Some(lane) = &lease.job.lane
            && let Some(limit) = self.oracle.most_leased(lane)
        {
            assert!(self.oracle.leased(lane) <= limit.into(), "I3: slots of lane {lane}");
        }
    }

    async fn extend(&mut self) {
        let proofs = self.chance.proofs(1..4);
        let duration = self.chance.seconds_below(60);
        self.trace.note(("extend", &proofs, duration));
        let now = self.t.now();
        let extend = |lease: &LeaseRef| self.oracle.extend(*lease, duration, now);
        let expected: Vec<_> = proofs.iter().map(extend).collect();
        let store = self.t.store();
        let answer = store.extend(self.t.queue(), &proofs, duration).await;
        assert_eq!(answer.unwrap(), expected);
    }

    async fn report(&mut self) {
        for proof in self.chance.proofs(1..2) {
            let report = Report {
                progress: Some(Progress::new(9, 10, format!("{proof:?}"))),
                ..Report::default()
            };
            self.trace.note(("report", proof, &report));
            let expected = self.oracle.report(proof, &report);
            let answer = self.t.store().report(self.t.queue(), proof, &report).await;
            assert_eq!(answer.unwrap(), expected);
        }
    }

    async fn forfeit(&mut self) {
        let worker = self.chance.worker();
        let keep = self.chance.proofs(0..3);
        self.trace.note(("forfeit", worker, &keep));
        let expected = self.oracle.forfeit(worker, &keep, self.t.now());
        let answer = self.t.store().forfeit(self.t.queue(), worker, &keep).await;
        assert_eq!(answer.unwrap(), expected);
    }

    fn pass_time(&mut self) {
        let by = match self.chance.below(20) {
            0 => DEAD_RETENTION.max_age / 3,
            1..4 => LEASE,
            4..8 => MS,
            _ => self.chance.millis_below(8_000),
        };
        self.trace.note(("advance", by));
        self.t.advance(by);
    }

    async fn maintain(&mut self) {
        // Which jobs go first when pruning is cut short is left to the backend.
        let any = self.oracle.is_due_for_pruning(self.t.now());
        let limit = if any { 1_000 } else { self.chance.below(4) + 1 };
        self.maintain_up_to(limit).await;
    }

    async fn maintain_up_to(&mut self, limit: usize) {
        self.trace.note(("maintain", limit));
        let now = self.t.now();
        let answer = self.t.store().maintain(self.t.queue(), limit).await.unwrap();
        assert_eq!(answer.promoted, self.oracle.promote(limit, now), "promoted");
        let (ready, dead) = self.oracle.reclaim(limit, now);
        assert_eq!((answer.reclaimed, answer.poisoned), (ready, dead), "expired");
        assert_eq!(answer.pruned, self.oracle.prune(now), "pruned");
        if self.oracle.next_at().is_some_and(|at| at <= now) {
            assert!(answer.more, "something is still due");
        }
    }

    async fn cancel(&mut self) {
        let ids = self.chance.known_ids();
        self.trace.note(("cancel", &ids));
        let now = self.t.now();
        let expected: Vec<_> = ids.iter().map(|id| self.oracle.cancel(*id, now)).collect();
        let answer = self.t.store().cancel(self.t.queue(), &ids).await;
        assert_eq!(answer.unwrap(), expected);
    }

    async fn requeue(&mut self) {
        let mut ids = self.chance.known_ids();
        let dead = self.oracle.jobs(JobState::Dead);
        ids.extend(self.chance.one_of(&dead).map(|view| view.record.id));
        self.trace.note(("requeue", &ids));
        let now = self.t.now();
        let expected: Vec<_> = ids.iter().map(|id| self.oracle.requeue(*id, now)).collect();
        let answer = self.t.store().requeue(self.t.queue(), &ids).await;
        assert_eq!(answer.unwrap(), expected);
    }

    async fn delete(&mut self) {
        let ids = self.chance.known_ids();
        // Mostly the state in which one of them is; the others may be elsewhere.
        let first = ids.first().and_then(|id| self.oracle.find(*id)).map(|job| job.state);
        let seen = first.unwrap_or(JobState::Dead);
        self.trace.note(("delete", seen, &ids));
        let now = self.t.now();
        let expected: Vec<_> = ids.iter().map(|id| self.oracle.delete(*id, seen, now)).collect();
        let answer = self.t.store().delete(self.t.queue(), seen, &ids).await;
        assert_eq!(answer.unwrap(), expected);
    }

    async fn pause(&mut self) {
        self.trace.note("pause");
        self.oracle.paused = true;
        self.t.pause().await;
    }

    async fn resume(&mut self) {
        self.trace.note("resume");
        self.oracle.paused = false;
        self.t.resume().await;
    }

    async fn set_limits(&mut self) {
        let (scope, source, limits) = self.chance.limits(self.t);
        self.set(&scope, source, &limits).await;
    }

    async fn set(&mut self, scope: &LimitScope, source: LimitSource, limits: &Limits) {
        self.trace.note(("limit", scope, source, limits));
        self.oracle.told.set(scope, source, limits);
        self.t.store().set_limits(scope, source, limits).await.unwrap();
    }

    async fn throttle_lane(&mut self) {
        let (lane, rest) = (self.chance.lane(), self.chance.seconds_below(20));
        self.trace.note(("throttle", &lane, rest));
        self.oracle.told.throttle(&lane, self.t.now() + rest);
        self.t.throttle(lane.as_str(), rest).await;
    }

    async fn pause_lane(&mut self) {
        let lane = self.chance.lane();
        self.trace.note(("pause", &lane));
        self.oracle.told.pause(&lane);
        self.t.pause_lane(lane.as_str()).await;
    }

    async fn resume_lane(&mut self) {
        let lane = self.chance.lane();
        self.resume_one(&lane).await;
    }

    async fn resume_one(&mut self, lane: &LaneKey) {
        self.trace.note(("resume", lane));
        self.oracle.told.resume(lane);
        self.t.resume_lane(lane.as_str()).await;
    }

    /// Takes away all limits, so that every job can come to its end.
    async fn lift_limits(&mut self) {
        let queue = self.t.queue().clone();
        let mut scopes = vec![
            LimitScope::Queue(queue.clone()),
            LimitScope::Lanes(queue.clone()),
            LimitScope::Shared(LimitName::new(queue.as_str()).unwrap()),
        ];
        for lane in LANES.map(lane_key) {
            self.resume_one(&lane).await;
            scopes.push(LimitScope::Lane(queue.clone(), lane));
        }
        for scope in &scopes {
            for source in [LimitSource::Code, LimitSource::Operator] {
                self.set(scope, source, &Limits::new()).await;
            }
        }
    }

    /// All that people can see of lanes and keys is the same on both sides.
    async fn compare_flow(&mut self) {
        let (store, queue, now) = (self.t.store(), self.t.queue(), self.t.now());
        let settings = store.limits(queue, 100).await.unwrap();
        assert_eq!(settings, self.oracle.told.settings(), "limits");
        let mut lanes: Vec<LaneKey> = LANES.map(lane_key).to_vec();
        lanes.sort_unstable();
        let listed = lanes.iter().filter(|lane| self.oracle.is_listed(lane));
        let expected: Vec<_> = listed.map(|lane| self.oracle.lane_view(lane, now)).collect();
        assert_eq!(store.lanes(queue, None, 100).await.unwrap(), expected, "lanes");
        let lane = self.chance.lane();
        let view = store.lane(queue, &lane).await.unwrap();
        assert_eq!(view, self.oracle.lane_view(&lane, now), "one lane");
        let key = self.chance.key(self.t);
        let holders = store.unique(queue, key).await.unwrap();
        let holders: Vec<_> = holders.iter().map(|job| job.id).collect();
        assert_eq!(holders, self.oracle.holders(key, now), "I4: who holds a key");
    }

    /// All that people can see is the same on both sides, and adds up.
    async fn compare(&mut self) {
        if self.chance.mix == Mix::Flow {
            self.compare_flow().await;
        }
        let stats = self.t.stats().await;
        assert_eq!(stats.paused, self.oracle.paused);
        assert_eq!(stats.oldest_ready_at, self.oracle.oldest_ready_at());
        let mut seen = Vec::new();
        for state in JobState::ALL {
            let mut jobs = self.t.store().jobs(self.t.queue(), state, 0, 10_000).await;
            let jobs = jobs.as_mut().unwrap();
            let count = usize::try_from(stats.count(state)).unwrap();
            assert_eq!(jobs.len(), count, "the count of {state} jobs");
            assert!(jobs.is_sorted_by_key(|view| view.at), "{state} jobs by time");
            // In which order those are listed that are held back is left to the backend.
            let in_order = match state {
                JobState::Ready => count.saturating_sub(self.oracle.held_back()),
                _ => 0,
            };
            jobs[in_order..].sort_by_key(|view| (view.at, view.record.id));
            let expected = self.oracle.jobs(state);
            assert_eq!(jobs.len(), expected.len(), "the number of {state} jobs");
            for (job, expected) in jobs.iter().zip(expected) {
                assert_eq!(comparable(job.clone()), comparable(expected), "{state}");
            }
            seen.extend(jobs.iter().map(|view| view.record.id));
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all, "every job is in one state");
    }
}

/// A cancelled job's past is of no use to anybody: how much of it is kept is left to the backend.
fn comparable(mut view: JobView) -> JobView {
    if view.state == JobState::Cancelled {
        view.failed_attempts = 0;
        view.crashes = 0;
        view.history = History::new();
    }
    view
}
