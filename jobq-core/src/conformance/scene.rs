//! Short verbs for behaviours: a store, a queue of its own, a worker, and a clock that stands still.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{Fixture, Store};
use crate::backend::Maintained;
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::history::{Failure, FailureKind};
use crate::id::{JobId, WorkerId};
use crate::inspect::{CancelOutcome, DeleteOutcome, JobView, QueueStats, RequeueOutcome};
use crate::lane::LaneKey;
use crate::lease::{Exchanged, Extended, Held, Lease, LeaseRequest, Next, Settlement};
use crate::name::{Kind, QueueName};
use crate::payload::Payload;
use crate::record::{Enqueued, JobRecord, NewJob, When};
use crate::retention::DeadRetention;
use crate::state::JobState;

/// How long leases last.
pub const LEASE: Duration = Duration::from_secs(30);

/// How the store of a [`Scene`] bounds its dead jobs: tightly, so that a behaviour can go beyond.
pub const DEAD_RETENTION: DeadRetention = DeadRetention::new(Duration::from_secs(7 * 24 * 3600), 5);

/// No delay.
pub(super) const AT_ONCE: Duration = Duration::ZERO;

/// One second, and one millisecond: the clock's step.
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MS: Duration = Duration::from_millis(1);

/// How long to wait for what must happen. Only a failing test waits that long.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait for what must not happen.
pub(super) const A_MOMENT: Duration = Duration::from_millis(50);

/// A fresh store with one queue in use.
pub struct Scene {
    fixture: Arc<dyn Fixture>,
    clock: ManualClock,
    queue: QueueName,
    worker: WorkerId,
}

impl Scene {
    /// A scene on a fresh store of `F`.
    pub async fn create<F: Fixture>() -> Self {
        let clock = ManualClock::starting_at(Timestamp::from_millis(1_800_000_000_000));
        Self {
            fixture: Arc::new(F::create(clock.clone(), DEAD_RETENTION).await),
            clock,
            queue: fresh_queue(),
            worker: WorkerId::generate(),
        }
    }

    /// Another queue of the same store, with the same clock.
    #[must_use]
    pub fn elsewhere(&self) -> Self {
        Self {
            fixture: Arc::clone(&self.fixture),
            clock: self.clock.clone(),
            queue: fresh_queue(),
            worker: self.worker,
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        self.fixture.store()
    }

    /// The queue in use.
    #[must_use]
    pub const fn queue(&self) -> &QueueName {
        &self.queue
    }

    /// The worker that leases unless another is named.
    #[must_use]
    pub const fn worker(&self) -> WorkerId {
        self.worker
    }

    /// The time, which goes on only by [`advance`](Self::advance).
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Puts the store's clock back.
    pub fn put_back(&self, by: Duration) {
        self.clock.put_back(by);
    }

    // Jobs

    /// A job for now, not yet enqueued.
    #[must_use]
    pub fn job(&self) -> NewJob {
        self.job_with(|_| {})
    }

    /// A job for now with choices of its own, not yet enqueued.
    pub fn job_with(&self, choose: impl FnOnce(&mut JobRecord)) -> NewJob {
        let kind = Kind::new("conformance").unwrap();
        let payload = Payload::encode("payload").unwrap();
        let id = JobId::from_bytes(fastrand::u128(..).to_be_bytes());
        let mut record = JobRecord::new(id, self.queue.clone(), kind, payload);
        choose(&mut record);
        NewJob::new(record, When::Now)
    }

    /// Enqueues a job whatever the answer is.
    pub async fn add(&self, job: &NewJob) -> Enqueued {
        self.add_all(std::slice::from_ref(job)).await.remove(0)
    }

    /// Enqueues jobs whatever the answers are.
    pub async fn add_all(&self, jobs: &[NewJob]) -> Vec<Enqueued> {
        let answers = self.store().enqueue_jobs(jobs).await.unwrap();
        assert_eq!(answers.len(), jobs.len(), "one answer for each job");
        answers
    }

    /// A ready job.
    pub async fn enqueue(&self) -> JobId {
        self.enqueue_with(|_| {}).await
    }

    /// A ready job with choices of its own.
    pub async fn enqueue_with(&self, choose: impl FnOnce(&mut JobRecord)) -> JobId {
        let job = self.job_with(choose);
        assert_eq!(self.add(&job).await, Enqueued::Created(job.record.id));
        job.record.id
    }

    /// A job that is due after a delay.
    pub async fn schedule(&self, after: Duration) -> JobId {
        let mut job = self.job();
        job.when = When::After(after);
        assert_eq!(self.add(&job).await, Enqueued::Created(job.record.id));
        job.record.id
    }

    /// A dead job.
    pub async fn dead(&self) -> JobId {
        self.dead_with(|_| {}).await
    }

    /// A dead job with choices of its own. No other job may be ready.
    pub async fn dead_with(&self, choose: impl FnOnce(&mut JobRecord)) -> JobId {
        let id = self.enqueue_with(choose).await;
        let lease = self.lease_one().await;
        assert_eq!(self.bury(&lease).await, Held::Yes);
        id
    }

    /// A job that is completed and kept for `retention`. No other job may be ready.
    pub async fn kept(&self, retention: Duration) -> JobId {
        let id = self.enqueue_with(|record| record.retention = Some(retention)).await;
        let lease = self.lease_one().await;
        assert_eq!(self.ack(&lease).await, Held::Yes);
        id
    }

    // Leases

    /// Leases up to `limit` jobs.
    pub async fn lease(&self, limit: usize) -> Vec<Arc<Lease>> {
        self.lease_as(self.worker, limit).await
    }

    /// Leases up to `limit` jobs for another worker.
    pub async fn lease_as(&self, worker: WorkerId, limit: usize) -> Vec<Arc<Lease>> {
        let request = LeaseRequest::new(worker, limit, LEASE);
        let store = self.store();
        let exchanged = store.exchange(&self.queue, &[], Some(request)).await;
        exchanged.unwrap().leases
    }

    /// Leases the job that goes first.
    pub async fn lease_one(&self) -> Arc<Lease> {
        let leases = self.lease(1).await;
        assert_eq!(leases.len(), 1, "one job was ready");
        Arc::clone(&leases[0])
    }

    /// Leases up to `limit` jobs, and says only which.
    pub async fn lease_ids(&self, limit: usize) -> Vec<JobId> {
        let leases = self.lease(limit).await;
        leases.iter().map(|lease| lease.job.id).collect()
    }

    /// Settles leases and leases up to `limit` jobs in one step.
    pub async fn exchange(&self, settlements: &[Settlement], limit: usize) -> Exchanged {
        let request = LeaseRequest::new(self.worker, limit, LEASE);
        let store = self.store();
        let exchanged = store.exchange(&self.queue, settlements, Some(request)).await.unwrap();
        assert_eq!(exchanged.held.len(), settlements.len(), "one answer each");
        assert!(exchanged.leases.len() <= limit, "more than asked for");
        exchanged
    }

    /// Settles leases and leases nothing.
    pub async fn settle_all(&self, settlements: &[Settlement]) -> Vec<Held> {
        let store = self.store();
        let exchanged = store.exchange(&self.queue, settlements, None).await;
        exchanged.unwrap().held
    }

    /// Settles a lease.
    pub async fn settle(&self, lease: &Arc<Lease>, next: Next) -> Held {
        self.settle_all(&[Settlement::new(Arc::clone(lease), next)]).await[0]
    }

    /// Settles a lease as done, without a result.
    pub async fn ack(&self, lease: &Arc<Lease>) -> Held {
        self.settle(lease, Next::Complete { result: None }).await
    }

    /// Settles a lease as failed, to be tried again.
    pub async fn retry(&self, lease: &Arc<Lease>, after: Duration) -> Held {
        let failure = self.failure(lease, "no");
        self.settle(lease, Next::Retry { after, failure }).await
    }

    /// Settles a lease as not to be run now.
    pub async fn snooze(&self, lease: &Arc<Lease>, after: Duration) -> Held {
        self.settle(lease, Next::Snooze { after }).await
    }

    /// Gives a lease back.
    pub async fn release(&self, lease: &Arc<Lease>) -> Held {
        self.settle(lease, Next::Release).await
    }

    /// Puts a leased job aside for people.
    pub async fn bury(&self, lease: &Arc<Lease>) -> Held {
        let failure = self.failure(lease, "never");
        self.settle(lease, Next::Dead { failure }).await
    }

    /// The failure of an attempt.
    #[must_use]
    pub fn failure(&self, lease: &Lease, message: &str) -> Failure {
        let kind = FailureKind::Error;
        Failure::new(kind, lease.attempt(), self.now(), lease.worker, message)
    }

    /// Makes a lease last `duration` from now.
    pub async fn extend(&self, lease: &Lease, duration: Duration) -> Extended {
        let store = self.store();
        let answers = store.extend(&self.queue, &[lease.proof()], duration).await;
        answers.unwrap()[0]
    }

    /// One round of maintenance with room for everything.
    pub async fn maintain(&self) -> Maintained {
        self.store().maintain(&self.queue, 1_000).await.unwrap()
    }

    /// Lets all leases expire and takes the jobs back, as if their workers had died.
    pub async fn crash(&self) -> Maintained {
        self.advance(LEASE);
        self.maintain().await
    }

    // People

    /// All that is known of a job.
    pub async fn view(&self, id: JobId) -> JobView {
        let view = self.store().job(&self.queue, id).await.unwrap();
        view.expect("the queue knows the job")
    }

    /// The state of a job; `None` if the queue does not know it.
    pub async fn state(&self, id: JobId) -> Option<JobState> {
        let view = self.store().job(&self.queue, id).await.unwrap();
        view.map(|view| view.state)
    }

    /// The counts of the queue.
    pub async fn stats(&self) -> QueueStats {
        let store: &dyn Store = self.store();
        store.queue(&self.queue).await.unwrap()
    }

    /// The jobs in a state, in order.
    pub async fn ids(&self, state: JobState) -> Vec<JobId> {
        let jobs = self.store().jobs(&self.queue, state, 0, 1_000).await;
        jobs.unwrap().iter().map(|view| view.record.id).collect()
    }

    /// Calls a job off.
    pub async fn cancel(&self, id: JobId) -> CancelOutcome {
        self.store().cancel(&self.queue, &[id]).await.unwrap()[0]
    }

    /// Makes a dead job ready again.
    pub async fn requeue(&self, id: JobId) -> RequeueOutcome {
        self.store().requeue(&self.queue, &[id]).await.unwrap()[0]
    }

    /// Deletes a job, whatever its state.
    pub async fn delete(&self, id: JobId) -> DeleteOutcome {
        let seen = self.state(id).await.unwrap_or(JobState::Ready);
        self.delete_seen(id, seen).await
    }

    /// Deletes a job that was seen in a state.
    pub async fn delete_seen(&self, id: JobId, seen: JobState) -> DeleteOutcome {
        self.store().delete(&self.queue, seen, &[id]).await.unwrap()[0]
    }

    /// Pauses the queue.
    pub async fn pause(&self) {
        self.store().pause(&self.queue).await.unwrap();
    }

    /// Resumes the queue.
    pub async fn resume(&self) {
        self.store().resume(&self.queue).await.unwrap();
    }

    /// Panics if anything is left of any job.
    pub async fn assert_pristine(&self) {
        let mut empty = QueueStats::empty(self.queue.clone());
        empty.paused = self.stats().await.paused;
        assert_eq!(self.stats().await, empty, "no job is left");
        for state in JobState::ALL {
            assert_eq!(self.ids(state).await, [], "no {state} job is left");
        }
        self.fixture.assert_pristine(&self.queue).await;
    }

    // Wake-ups

    /// Waits until a waiter of the queue is woken; that it is not is a failure.
    pub async fn woken(&self) {
        let woken = self.woken_by(std::slice::from_ref(&self.queue)).await;
        assert_eq!(woken, self.queue, "the queue that was waited for");
    }

    /// Waits until one of several queues wakes a waiter, and says which.
    pub async fn woken_by(&self, queues: &[QueueName]) -> QueueName {
        let woken = tokio::time::timeout(PATIENCE, self.store().wait(queues)).await;
        woken.expect("a waiting worker is woken").unwrap()
    }

    /// Takes the wake-ups that are left over from what happened before, and says how many there were.
    ///
    /// There is no event for "no more", so the last of them is waited for in vain, for a moment.
    pub async fn calm(&self) -> usize {
        let queues = [self.queue.clone()];
        for taken in 0..100 {
            let wait = self.store().wait(&queues);
            if tokio::time::timeout(A_MOMENT, wait).await.is_err() {
                return taken;
            }
        }
        panic!("idle workers are woken again and again");
    }
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scene")
            .field("store", &self.store())
            .field("queue", &self.queue)
            .finish_non_exhaustive()
    }
}

/// The name of a queue that nobody else uses: backends may share a server.
pub(super) fn fresh_queue() -> QueueName {
    QueueName::new(format!("conformance-{:016x}", fastrand::u64(..))).unwrap()
}

/// The key of a lane.
pub(super) fn lane_key(lane: &str) -> LaneKey {
    LaneKey::new(lane).unwrap()
}

/// The lane of a leased job; `-` if it has none.
pub(super) fn lane_of(lease: &Lease) -> String {
    lease.job.lane.as_ref().map_or_else(|| "-".to_owned(), LaneKey::to_string)
}
