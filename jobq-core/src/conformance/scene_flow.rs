//! More verbs: lanes, limits, families, batches, checkpoints, and watching.

use std::time::Duration;

use super::Scene;
use super::scene::{A_MOMENT, PATIENCE, SECOND, lane_key, lane_of};
use crate::batch::{BatchId, BatchRef, BatchView, NewBatch};
use crate::error::ErrorKind;
use crate::id::JobId;
use crate::inspect::LaneView;
use crate::job_ref::JobRef;
use crate::lease::{Held, Lease};
use crate::limits::{LimitScope, LimitSource, Limits};
use crate::parents::{OnParentFailure, Parent, ParentOutcome};
use crate::record::{Enqueued, NewJob, When};
use crate::sighting::Sighting;

impl Scene {
    // Lanes and limits

    /// A ready job of a lane.
    pub async fn enqueue_laned(&self, lane: &str) -> JobId {
        self.enqueue_with(|record| record.lane = Some(lane_key(lane))).await
    }

    /// Ready jobs of a lane.
    pub async fn fill(&self, lane: &str, count: usize) -> Vec<JobId> {
        let one = |_| self.job_with(|record| record.lane = Some(lane_key(lane)));
        let jobs: Vec<NewJob> = (0..count).map(one).collect();
        self.add_all(&jobs).await;
        jobs.iter().map(|job| job.record.id).collect()
    }

    /// Leases up to `limit` jobs, and says only of which lanes; `-` is a job without one.
    pub async fn lease_lanes(&self, limit: usize) -> Vec<String> {
        let leases = self.lease(limit).await;
        leases.iter().map(|lease| lane_of(lease)).collect()
    }

    /// How long until there may be more to lease, now that there is nothing.
    pub async fn next_in(&self) -> Option<Duration> {
        let exchanged = self.exchange(&[], 1).await;
        assert_eq!(exchanged.leases, [], "nothing may be leased now");
        exchanged.next_in
    }

    /// Sets limits of the queue in the program's name.
    pub async fn limit_queue(&self, limits: Limits) {
        self.set_limits(LimitScope::Queue(self.queue().clone()), LimitSource::Code, limits).await;
    }

    /// Sets limits of each lane in the program's name.
    pub async fn limit_lanes(&self, limits: Limits) {
        self.set_limits(LimitScope::Lanes(self.queue().clone()), LimitSource::Code, limits).await;
    }

    /// Sets limits of one lane in the program's name.
    pub async fn limit_lane(&self, lane: &str, limits: Limits) {
        let scope = LimitScope::Lane(self.queue().clone(), lane_key(lane));
        self.set_limits(scope, LimitSource::Code, limits).await;
    }

    /// Sets limits.
    pub async fn set_limits(&self, scope: LimitScope, source: LimitSource, limits: Limits) {
        self.store().set_limits(&scope, source, &limits).await.unwrap();
    }

    /// What people see of a lane.
    pub async fn lane(&self, lane: &str) -> LaneView {
        self.store().lane(self.queue(), &lane_key(lane)).await.unwrap()
    }

    /// Lets a lane rest.
    pub async fn throttle(&self, lane: &str, rest: Duration) {
        self.store().throttle_lane(self.queue(), &lane_key(lane), rest).await.unwrap();
    }

    /// Pauses a lane.
    pub async fn pause_lane(&self, lane: &str) {
        self.store().pause_lane(self.queue(), &lane_key(lane)).await.unwrap();
    }

    /// Resumes a lane.
    pub async fn resume_lane(&self, lane: &str) {
        self.store().resume_lane(self.queue(), &lane_key(lane)).await.unwrap();
    }

    // Families and batches

    /// Where a job of this queue is found.
    #[must_use]
    pub fn at(&self, id: JobId) -> JobRef {
        JobRef::new(self.queue().clone(), id)
    }

    /// A job that waits for others, not yet enqueued.
    #[must_use]
    pub fn child(&self, parents: &[JobRef]) -> NewJob {
        let mut job = self.job();
        job.parents = parents.iter().cloned().map(Parent::known).collect();
        job
    }

    /// The same, with what becomes of it if one of them fails.
    #[must_use]
    pub fn child_with(&self, parents: &[JobRef], policy: OnParentFailure) -> NewJob {
        let mut job = self.child(parents);
        job.on_parent_failure = policy;
        job
    }

    /// A job that waits for others.
    pub async fn enqueue_after(&self, parents: &[JobRef]) -> JobId {
        let job = self.child(parents);
        assert_eq!(self.add(&job).await, Enqueued::Created(job.record.id));
        job.record.id
    }

    /// The kind of error by which a job is refused.
    pub async fn refusal(&self, jobs: &[NewJob]) -> ErrorKind {
        self.store().enqueue_jobs(jobs).await.unwrap_err().kind()
    }

    /// How the parents of a job have ended.
    pub async fn parents(&self, id: JobId) -> Vec<ParentOutcome> {
        self.store().parents(self.queue(), id).await.unwrap()
    }

    /// A batch at home in this queue, not yet opened.
    #[must_use]
    pub fn new_batch(&self) -> NewBatch {
        let id = BatchId::from_bytes(fastrand::u128(..).to_be_bytes());
        NewBatch::new(BatchRef::new(self.queue().clone(), id), "a batch")
    }

    /// An open batch at home in this queue.
    pub async fn open(&self) -> BatchRef {
        self.open_with(|_| {}).await
    }

    /// An open batch with choices of its own.
    pub async fn open_with(&self, choose: impl FnOnce(&mut NewBatch)) -> BatchRef {
        let mut batch = self.new_batch();
        choose(&mut batch);
        assert!(self.store().open_batch(&batch).await.unwrap(), "the batch is new");
        batch.batch
    }

    /// Closes a batch.
    pub async fn close(&self, batch: &BatchRef) -> BatchView {
        self.store().close_batch(batch).await.unwrap()
    }

    /// How far a batch has come, which adds up.
    pub async fn batch(&self, batch: &BatchRef) -> BatchView {
        let view = self.store().batch_view(batch).await.unwrap().expect("the batch is known");
        assert!(view.done + view.failed + view.cancelled <= view.total, "more than all: {view:?}");
        assert_eq!(view.state.has_ended(), view.ended_at.is_some(), "{view:?}");
        view
    }

    /// What a batch has counted: total, done, failed, cancelled.
    pub async fn counts(&self, batch: &BatchRef) -> (u64, u64, u64, u64) {
        let view = self.batch(batch).await;
        (view.total, view.done, view.failed, view.cancelled)
    }

    /// A ready job that a batch counts.
    pub async fn enqueue_in(&self, batch: &BatchRef) -> JobId {
        self.enqueue_with(|record| record.batch = Some(batch.clone())).await
    }

    /// A job for later that a batch counts.
    pub async fn schedule_in(&self, batch: &BatchRef) -> JobId {
        let mut job = self.job_with(|record| record.batch = Some(batch.clone()));
        job.when = When::After(SECOND * 60);
        assert_eq!(self.add(&job).await, Enqueued::Created(job.record.id));
        job.record.id
    }

    /// Does what is due in queues until something holds, which it must a moment after what led to it.
    pub async fn until(&self, others: &[&Self], what: &str, holds: impl AsyncFn() -> bool) {
        for _ in 0..100 {
            if holds().await {
                return;
            }
            for scene in [self].iter().chain(others) {
                scene.settle_all(&[]).await;
                scene.maintain().await;
            }
        }
        panic!("{what}: it never is so, whatever is done in the queues");
    }

    /// Does what is due in queues a few times, after which nothing else may have happened.
    pub async fn calm_down(&self, others: &[&Self]) {
        for _ in 0..3 {
            for scene in [self].iter().chain(others) {
                scene.settle_all(&[]).await;
                scene.maintain().await;
            }
        }
    }

    // Checkpoints and watching

    /// Saves where a leased job has got to.
    pub async fn save(&self, lease: &Lease, cursor: &[u8]) -> Held {
        let store = self.store();
        store.checkpoint(self.queue(), lease.proof(), cursor).await.unwrap()
    }

    /// What can be seen of a job right now.
    pub async fn sight(&self, id: JobId) -> Sighting {
        let looked = tokio::time::timeout(PATIENCE, self.store().watch(self.queue(), id, None));
        looked.await.expect("the first look is answered at once").unwrap()
    }

    /// What can be seen of a job as soon as it differs from `seen`; that it never does is a failure.
    pub async fn sight_after(&self, id: JobId, seen: &Sighting) -> Sighting {
        let watch = self.store().watch(self.queue(), id, Some(seen));
        let told = tokio::time::timeout(PATIENCE, watch).await;
        let sighting = told.expect("who watches a job is told of its change").unwrap();
        assert_ne!(sighting, *seen, "nothing has changed");
        sighting
    }

    /// Whether somebody who has seen this of a job is told of a change within a moment.
    pub async fn sight_in_vain(&self, id: JobId, seen: &Sighting) -> bool {
        let watch = self.store().watch(self.queue(), id, Some(seen));
        tokio::time::timeout(A_MOMENT, watch).await.is_ok()
    }
}
