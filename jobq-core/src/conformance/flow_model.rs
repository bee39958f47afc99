//! Random families and batches over two queues, on the backend and on a naive oracle side by side.
//!
//! After every step, and the moment that word takes from queue to queue, all states and all counts must
//! be the same; and no job may be leased before its parents have ended. A failing run prints its seed and
//! its operations; `JOBQ_MODEL_SEED` repeats it, `JOBQ_FLOW_STEPS` makes all runs longer or shorter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::flow_oracle::{Job, World};
use super::oracle_batches::Seen;
use super::scene::SECOND;
use super::trace::{Trace, number_from};
use super::{DEAD_RETENTION, LEASE, Scene};
use crate::batch::{BatchId, BatchRef, NewBatch};
use crate::clock::Timestamp;
use crate::id::JobId;
use crate::job_ref::JobRef;
use crate::lease::{Held, Lease, Next};
use crate::parents::{OnParentFailure, Parent};
use crate::record::{NewJob, When};
use crate::state::JobState;

/// Enough for some hundred jobs in some ten batches.
const STEPS: usize = 250;

/// Random families and batches, the same in every run.
pub async fn random_families_1(t: &Scene) {
    Run::new(t, 1).play().await;
}

/// Other random families and batches, the same in every run.
pub async fn random_families_2(t: &Scene) {
    Run::new(t, 2).play().await;
}

/// Other random families and batches, the same in every run.
pub async fn random_families_3(t: &Scene) {
    Run::new(t, 3).play().await;
}

/// Random families and batches that are new in every run.
pub async fn fresh_random_families(t: &Scene) {
    let seed = number_from("JOBQ_MODEL_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    Run::new(t, seed).play().await;
}

/// One run: the backend and the oracle, and what has been done to both.
struct Run<'a> {
    here: &'a Scene,
    other: Scene,
    world: World,
    random: fastrand::Rng,
    trace: Trace,
    /// Every job that was ever added.
    added: Vec<NewJob>,
    /// Jobs whose children, or parents, were enqueued before.
    to_come: Vec<NewJob>,
    batches: Vec<BatchRef>,
    leases: Vec<Arc<Lease>>,
}

impl<'a> Run<'a> {
    fn new(t: &'a Scene, seed: u64) -> Self {
        Self {
            here: t,
            other: t.elsewhere(),
            world: World::new(DEAD_RETENTION),
            random: fastrand::Rng::with_seed(seed),
            trace: Trace::new(seed),
            added: Vec::new(),
            to_come: Vec::new(),
            batches: Vec::new(),
            leases: Vec::new(),
        }
    }

    async fn play(mut self) {
        let steps = number_from("JOBQ_FLOW_STEPS").map_or(STEPS, |n| usize::try_from(n).unwrap());
        for _ in 0..steps {
            self.step().await;
            self.compare().await;
        }
        self.drain().await;
    }

    async fn step(&mut self) {
        match self.random.u32(..100) {
            0..6 => self.open().await,
            6..24 => self.enqueue().await,
            24..28 => self.enqueue_pair().await,
            28..32 => self.enqueue_what_is_to_come().await,
            32..36 => self.enqueue_again().await,
            36..54 => self.lease().await,
            54..76 => self.settle().await,
            76..79 => self.pass(LEASE).await,
            79..82 => self.pass(SECOND * 2).await,
            82..86 => self.cancel_or_delete().await,
            86..92 => self.requeue().await,
            92..99 => self.close().await,
            _ => self.call_off().await,
        }
    }

    // Operations

    async fn open(&mut self) {
        let home = self.scene().queue().clone();
        let id = BatchId::from_bytes(self.random.u128(..).to_be_bytes());
        let mut new = NewBatch::new(BatchRef::new(home, id), "random");
        new.retention = DEAD_RETENTION.max_age;
        new.call_off_on_failure = self.random.u32(..4) == 0;
        if self.random.u32(..3) == 0 {
            new.parent = self.newest_batch();
        }
        for callback in [&mut new.on_success, &mut new.on_failure, &mut new.on_complete] {
            if self.random.bool() {
                let scene = if self.random.bool() { self.here } else { &self.other };
                let mut job = scene.job();
                job.record.id = JobId::from_bytes(self.random.u128(..).to_be_bytes());
                *callback = Some(job);
            }
        }
        self.trace.note(("open", &new));
        let opened = self.here.store().open_batch(&new).await;
        let expected = self.world.open(&new);
        assert_eq!(opened.map_err(|error| error.kind()), expected.map(|()| true));
        if expected.is_ok() {
            self.batches.push(new.batch);
        }
    }

    async fn enqueue(&mut self) {
        let mut job = self.job();
        let known: Vec<JobRef> = self.world.all().iter().map(Job::found_at).collect();
        for _ in 0..[0, 0, 1, 2, 3][self.random.usize(..5)] {
            if let Some(parent) = self.random.choice(&known)
                && job.parents.iter().all(|other| other.job != *parent)
            {
                job.parents.push(Parent::known(parent.clone()));
            }
        }
        self.add(job).await;
    }

    /// A job and its child, one of them now and the other one later.
    async fn enqueue_pair(&mut self) {
        let (mut parent, mut child) = (self.job(), self.job());
        let at = |job: &NewJob| JobRef::new(job.record.queue.clone(), job.record.id);
        parent.children.push(at(&child));
        child.parents.push(Parent::to_come(at(&parent)));
        if self.random.bool() {
            std::mem::swap(&mut parent, &mut child);
        }
        self.add(parent).await;
        self.to_come.push(child);
    }

    async fn enqueue_what_is_to_come(&mut self) {
        if !self.to_come.is_empty() {
            let nth = self.random.usize(..self.to_come.len());
            let job = self.to_come.swap_remove(nth);
            self.add(job).await;
        }
    }

    /// A repeated enqueue of a job that is known, or that names no parent that might be gone.
    async fn enqueue_again(&mut self) {
        let newest = &self.added[self.added.len().saturating_sub(20)..];
        let Some(job) = self.random.choice(newest).cloned() else {
            return;
        };
        let is_known = self.world.job(job.record.id).is_some();
        if is_known || job.parents.iter().all(|parent| parent.is_to_come) {
            self.add(job).await;
        }
    }

    async fn add(&mut self, job: NewJob) {
        self.trace.note(("enqueue", &job));
        let answer = self.here.store().enqueue_jobs(std::slice::from_ref(&job)).await;
        let expected = self.world.add(&job, self.now());
        let is_created = |answers: Vec<crate::Enqueued>| answers[0].is_created();
        assert_eq!(answer.map(is_created).map_err(|error| error.kind()), expected);
        if expected == Ok(true) {
            self.added.push(job);
        }
    }

    async fn lease(&mut self) {
        let limit = self.random.usize(1..4);
        let is_other = self.random.bool();
        let scene = if is_other { &self.other } else { self.here };
        self.trace.note(("lease", scene.queue(), limit));
        let in_the_way = self.called_off(scene);
        let leases = scene.lease(limit).await;
        if leases.len() < limit {
            for job in &in_the_way {
                assert_ne!(scene.state(job.id).await, Some(JobState::Ready), "{job}");
            }
        }
        let leased: Vec<JobId> = leases.iter().map(|lease| lease.job.id).collect();
        assert!(!in_the_way.iter().any(|job| leased.contains(&job.id)), "leased, and called off");
        self.end_called_off(is_other, &leased).await;
        for lease in &leases {
            self.assert_may_run(lease).await;
            self.world.lease(lease.job.id, self.now() + LEASE);
        }
        self.leases.extend(leases);
    }

    /// How many jobs that are called off were in the way of those leased depends on their order.
    async fn end_called_off(&mut self, is_other: bool, leased: &[JobId]) {
        loop {
            let scene = if is_other { &self.other } else { self.here };
            let mut ended = Vec::new();
            for job in self.called_off(scene) {
                let is_leased = leased.contains(&job.id);
                if !is_leased && scene.state(job.id).await != Some(JobState::Ready) {
                    ended.push(job);
                }
            }
            if ended.is_empty() {
                return;
            }
            for job in ended {
                self.world.end(&job, JobState::Cancelled, self.now());
            }
        }
    }

    /// The ready jobs of a queue that would be called off.
    fn called_off(&self, scene: &Scene) -> Vec<JobRef> {
        let jobs = self.world.all().iter().filter(|job| job.state == JobState::Ready);
        let called_off = jobs.filter(|job| self.world.is_called_off(job)).map(Job::found_at);
        called_off.filter(|job| job.queue == *scene.queue()).collect()
    }

    async fn assert_may_run(&self, lease: &Lease) {
        let job = self.world.job(lease.job.id).expect("only known jobs are leased");
        assert_eq!(job.state, JobState::Ready, "{job:?}");
        let has_ended = |(_, end): &&(JobRef, Option<JobState>)| end.is_some();
        let ends: Vec<_> = job.parents.iter().filter(has_ended).cloned().collect();
        assert!(job.was_requeued || ends.len() == job.parents.len(), "too early: {job:?}");
        let told = self.scene_of(&lease.job.queue).parents(lease.job.id).await;
        let told: Vec<_> = told.into_iter().map(|end| (end.job, Some(end.state))).collect();
        assert_eq!(told, ends, "the ends of its parents");
    }

    async fn settle(&mut self) {
        let newest = self.leases.len().saturating_sub(8);
        if self.leases.is_empty() {
            return;
        }
        let lease = Arc::clone(&self.leases[self.random.usize(newest..self.leases.len())]);
        let scene = self.scene_of(&lease.job.queue);
        let failure = scene.failure(&lease, "no");
        let after = SECOND * self.random.u32(..3);
        let next = match self.random.u32(..10) {
            0..5 => Next::Complete { result: Some(vec![1]) },
            5..7 => Next::Dead { failure },
            7 => Next::Retry { after, failure },
            8 => Next::Cancel,
            _ => [Next::Snooze { after }, Next::Release][self.random.usize(..2)].clone(),
        };
        self.trace.note(("settle", lease.proof(), &next));
        let scene = self.scene_of(&lease.job.queue);
        let held = scene.settle(&lease, next.clone()).await;
        let is_current = self.world.job(lease.job.id).is_some_and(|job| {
            job.state == JobState::Leased
                && self.leases.iter().rfind(|other| other.job.id == lease.job.id) == Some(&lease)
        });
        assert_eq!(held == Held::Yes, is_current);
        if is_current {
            let job = JobRef::new(lease.job.queue.clone(), lease.job.id);
            self.world.settle(&job, &next, self.now());
        }
    }

    async fn pass(&mut self, time: Duration) {
        self.trace.note(("advance", time));
        self.other.advance(time);
        // In the order of the queues' maintenance nothing is told that matters to another.
        for scene in [self.here, &self.other] {
            scene.maintain().await;
        }
        self.world.pass_time(self.now());
    }

    async fn cancel_or_delete(&mut self) {
        let newest = &self.added[self.added.len().saturating_sub(30)..];
        let Some(job) = self.random.choice(newest) else {
            return;
        };
        let job = JobRef::new(job.record.queue.clone(), job.record.id);
        if self.random.bool() {
            self.trace.note(("cancel", &job));
            self.scene_of(&job.queue).cancel(job.id).await;
            self.world.cancel(&job, self.now());
        } else {
            self.trace.note(("delete", &job));
            self.scene_of(&job.queue).delete(job.id).await;
            self.world.delete(&job, self.now());
        }
    }

    async fn requeue(&mut self) {
        let dead = self.world.all().iter().filter(|job| job.state == JobState::Dead);
        let dead: Vec<JobRef> = dead.map(Job::found_at).collect();
        if let Some(job) = self.random.choice(&dead) {
            self.trace.note(("requeue", job));
            self.scene_of(&job.queue).requeue(job.id).await;
            self.world.requeue(job, self.now());
        }
    }

    async fn close(&mut self) {
        if let Some(batch) = self.newest_batch() {
            self.trace.note(("close", &batch));
            let closed = self.here.store().close_batch(&batch).await;
            let expected = self.world.close(&batch, self.now());
            assert_eq!(closed.map(drop).map_err(|error| error.kind()), expected);
        }
    }

    async fn call_off(&mut self) {
        if let Some(batch) = self.newest_batch() {
            self.trace.note(("call off", &batch));
            assert!(self.here.store().call_off_batch(&batch).await.unwrap());
            self.world.call_off(&batch);
        }
    }

    /// Brings everything to its end: nothing may be left.
    async fn drain(&mut self) {
        while !self.to_come.is_empty() {
            self.enqueue_what_is_to_come().await;
        }
        self.compare().await;
        for batch in self.batches.clone() {
            let closed = self.here.store().close_batch(&batch).await;
            let expected = self.world.close(&batch, self.now());
            assert_eq!(closed.map(drop).map_err(|error| error.kind()), expected);
            self.compare().await;
        }
        loop {
            while self.world.all().iter().any(|job| is_moving(job.state)) {
                self.work_off().await;
            }
            let waiting = self.world.all().iter().find(|job| job.state == JobState::Waiting);
            let Some(job) = waiting.map(Job::found_at) else {
                break;
            };
            // It has lost a parent that never came, or that had told its end before.
            self.scene_of(&job.queue).delete(job.id).await;
            self.world.delete(&job, self.now());
            self.compare().await;
        }
        for (batch, (state, ..)) in self.world.batches() {
            assert!(state.has_ended(), "{batch} has nothing pending");
        }
        for _ in 0..2 {
            // What is kept, then what was kept for those that did not come.
            self.other.advance(DEAD_RETENTION.max_age + SECOND * 600);
            self.here.calm_down(&[&self.other]).await;
        }
        for scene in [self.here, &self.other] {
            scene.assert_pristine().await;
        }
    }

    async fn work_off(&mut self) {
        self.pass(LEASE).await;
        self.compare().await;
        for _ in 0..5 {
            self.lease().await;
            self.compare().await;
        }
        for lease in std::mem::take(&mut self.leases) {
            let job = JobRef::new(lease.job.queue.clone(), lease.job.id);
            let done = Next::Complete { result: None };
            if self.scene_of(&job.queue).settle(&lease, done.clone()).await == Held::Yes {
                self.world.settle(&job, &done, self.now());
            }
            self.compare().await;
        }
    }

    // Comparison

    /// All that can be seen is the same on both sides, as soon as word has come to all queues, and stays
    /// so.
    async fn compare(&mut self) {
        let mut seen = self.seen().await;
        for _ in 0..50 {
            self.world.agree_on_called_off(&seen.1);
            if seen == (self.world.states(), self.world.batches()) {
                break;
            }
            self.here.calm_down(&[&self.other]).await;
            seen = self.seen().await;
        }
        assert_eq!(difference(&seen.0, &self.world.states()), [], "jobs, seen and expected");
        assert_eq!(difference(&seen.1, &self.world.batches()), [], "batches, seen and expected");
        assert!(self.seen().await == seen, "something goes on by itself");
    }

    async fn seen(
        &self,
    ) -> (BTreeMap<JobRef, (JobState, Option<Timestamp>)>, BTreeMap<BatchRef, Seen>) {
        let mut states = BTreeMap::new();
        for scene in [self.here, &self.other] {
            for state in JobState::ALL {
                let jobs = scene.store().jobs(scene.queue(), state, 0, 10_000).await.unwrap();
                for view in jobs {
                    let job = JobRef::new(scene.queue().clone(), view.record.id);
                    assert_eq!(states.insert(job, (view.state, view.at)), None, "in two states");
                }
            }
        }
        let mut batches = BTreeMap::new();
        for batch in &self.batches {
            let view = self.here.batch(batch).await;
            let mut dead = self.here.store().failed_of_batch(batch, 0, 10_000).await.unwrap();
            dead.sort();
            let counts = [view.total, view.done, view.failed, view.cancelled];
            batches.insert(batch.clone(), (view.state, counts, view.is_called_off, dead));
        }
        (states, batches)
    }

    // Choices

    fn now(&self) -> Timestamp {
        self.other.now()
    }

    fn scene(&mut self) -> &Scene {
        if self.random.bool() { self.here } else { &self.other }
    }

    fn scene_of(&self, queue: &crate::QueueName) -> &Scene {
        if self.here.queue() == queue { self.here } else { &self.other }
    }

    /// One of the newest, so that the others come to their end.
    fn newest_batch(&mut self) -> Option<BatchRef> {
        let newest = &self.batches[self.batches.len().saturating_sub(4)..];
        self.random.choice(newest).cloned()
    }

    fn job(&mut self) -> NewJob {
        let mut job = self.scene().job();
        job.record.id = JobId::from_bytes(self.random.u128(..).to_be_bytes());
        job.record.max_crashes = self.random.u32(1..3);
        job.record.retention = [None, Some(SECOND * 5), Some(SECOND * 600)][self.random.usize(..3)];
        if self.random.u32(..3) > 0 {
            job.record.batch = self.newest_batch();
        }
        if self.random.u32(..8) == 0 {
            job.when = When::After(SECOND * 2);
        }
        let policies = [OnParentFailure::Fail, OnParentFailure::Skip, OnParentFailure::Continue];
        job.on_parent_failure = policies[self.random.usize(..3)];
        job
    }
}

/// Whether time and workers bring a job in this state to its end.
const fn is_moving(state: JobState) -> bool {
    matches!(state, JobState::Scheduled | JobState::Ready | JobState::Leased)
}

type Difference<K, V> = (K, Option<V>, Option<V>);

/// What is not the same in two maps.
fn difference<K: Ord + Clone, V: PartialEq + Clone>(
    seen: &BTreeMap<K, V>,
    expected: &BTreeMap<K, V>,
) -> Vec<Difference<K, V>> {
    let mut keys: Vec<&K> = seen.keys().chain(expected.keys()).collect();
    keys.sort();
    keys.dedup();
    let differ = keys.into_iter().filter(|key| seen.get(key) != expected.get(key));
    differ.map(|key| (key.clone(), seen.get(key).cloned(), expected.get(key).cloned())).collect()
}
