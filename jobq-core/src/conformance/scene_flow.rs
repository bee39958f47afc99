//! More verbs: families, batches, checkpoints, and watching.

use super::Scene;
use super::scene::{A_MOMENT, PATIENCE, SECOND};
use crate::batch::{BatchId, BatchRef, BatchView, NewBatch};
use crate::error::ErrorKind;
use crate::id::JobId;
use crate::job_ref::JobRef;
use crate::lease::{Held, Lease};
use crate::parents::{OnParentFailure, Parent, ParentOutcome};
use crate::record::{Enqueued, NewJob, When};
use crate::sighting::Sighting;

impl Scene {
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
