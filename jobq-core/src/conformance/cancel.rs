//! Jobs that people call off.

use std::sync::Arc;

use super::scene::SECOND;
use super::{LEASE, Scene};
use crate::id::JobId;
use crate::inspect::CancelOutcome;
use crate::lease::{Held, Lease, Next};
use crate::limits::Limits;
use crate::state::JobState;

/// A job that waits for a worker ends at once, and leaves nothing behind.
pub async fn a_ready_job_ends_at_once(t: &Scene) {
    let id = t.enqueue().await;

    assert_eq!(t.cancel(id).await, CancelOutcome::Cancelled);
    assert_eq!(t.lease_ids(1).await, []);
    t.assert_pristine().await;
}

/// So does a job that waits for its time.
pub async fn a_scheduled_job_ends_at_once(t: &Scene) {
    let id = t.schedule(SECOND).await;

    assert_eq!(t.cancel(id).await, CancelOutcome::Cancelled);
    t.advance(SECOND);
    assert_eq!(t.lease_ids(1).await, []);
    t.assert_pristine().await;
}

/// And a job that waits for its retry, with all that went wrong.
pub async fn a_retried_job_ends_at_once(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.retry(&lease, SECOND).await;

    assert_eq!(t.cancel(id).await, CancelOutcome::Cancelled);
    t.assert_pristine().await;
}

/// A cancelled job with a retention is kept for that time.
pub async fn a_cancelled_job_is_kept_with_a_retention(t: &Scene) {
    let id = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    t.cancel(id).await;

    let view = t.view(id).await;
    assert_eq!(view.state, JobState::Cancelled);
    assert_eq!(view.at, Some(t.now() + SECOND * 60));
    assert_eq!(t.stats().await.cancelled, 1);
}

/// A job that comes back under its id is leased in its new place, also long after its old one was passed.
pub async fn a_cancelled_job_that_comes_back_is_leased(t: &Scene) {
    for limits in [Limits::new(), Limits::new().concurrency(9)] {
        t.limit_queue(limits).await;
        let job = t.job();
        t.add(&job).await;
        t.cancel(job.record.id).await;
        let other = t.enqueue().await;
        t.add(&job).await;

        for id in [other, job.record.id] {
            let lease = t.lease_one().await;
            assert_eq!(lease.job.id, id);
            t.ack(&lease).await;
        }
    }
}

/// A running job is only asked to end.
pub async fn a_leased_job_is_asked_to_end(t: &Scene) {
    let id = t.enqueue().await;
    t.lease_one().await;

    assert_eq!(t.cancel(id).await, CancelOutcome::Requested);
    let view = t.view(id).await;
    assert_eq!(view.state, JobState::Leased);
    assert!(view.cancel_requested);
}

/// Asking twice is asking once.
pub async fn a_request_may_be_repeated(t: &Scene) {
    let id = t.enqueue().await;
    t.lease_one().await;

    assert_eq!(t.cancel(id).await, CancelOutcome::Requested);
    assert_eq!(t.cancel(id).await, CancelOutcome::Requested);
}

/// A job that fails after the request is not tried again.
pub async fn a_retry_after_a_request_cancels(t: &Scene) {
    let lease = asked_to_end(t).await;

    assert_eq!(t.retry(&lease, SECOND).await, Held::Yes);
    t.assert_pristine().await;
}

/// A job that snoozes after the request does not come back.
pub async fn a_snooze_after_a_request_cancels(t: &Scene) {
    let lease = asked_to_end(t).await;

    assert_eq!(t.snooze(&lease, SECOND).await, Held::Yes);
    t.assert_pristine().await;
}

/// A job that is given back after the request is not run again.
pub async fn a_release_after_a_request_cancels(t: &Scene) {
    let lease = asked_to_end(t).await;

    assert_eq!(t.release(&lease).await, Held::Yes);
    t.assert_pristine().await;
}

/// A job that would die after the request is cancelled instead: nobody wants it back.
pub async fn a_death_after_a_request_cancels(t: &Scene) {
    let lease = asked_to_end(t).await;

    assert_eq!(t.bury(&lease).await, Held::Yes);
    t.assert_pristine().await;
}

/// A job that ends as it was asked to is cancelled.
pub async fn a_cancel_after_a_request_cancels(t: &Scene) {
    let lease = asked_to_end(t).await;

    assert_eq!(t.settle(&lease, Next::Cancel).await, Held::Yes);
    t.assert_pristine().await;
}

/// A job that was done before it heard of the request is done.
pub async fn a_success_after_a_request_is_a_success(t: &Scene) {
    let id = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    let lease = t.lease_one().await;
    t.cancel(id).await;

    assert_eq!(t.ack(&lease).await, Held::Yes);
    let view = t.view(id).await;
    assert_eq!(view.state, JobState::Completed);
    assert!(!view.cancel_requested);
}

/// A job cancelled by its settlement is kept with a retention.
pub async fn a_settlement_after_a_request_keeps_with_a_retention(t: &Scene) {
    let id = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    let lease = t.lease_one().await;
    t.cancel(id).await;
    t.retry(&lease, SECOND).await;

    let view = t.view(id).await;
    assert_eq!(view.state, JobState::Cancelled);
    assert_eq!(view.at, Some(t.now() + SECOND * 60));
    assert_eq!(view.held_by, None);
}

/// A request outlives the worker: the job is not run again when its lease expires.
pub async fn a_reclaim_after_a_request_cancels(t: &Scene) {
    let lease = asked_to_end(t).await;
    t.advance(LEASE);

    assert_eq!(t.lease_ids(1).await, []);
    assert_eq!(t.ack(&lease).await, Held::Lost);
    t.assert_pristine().await;
}

/// A cancelled job is neither reclaimed nor a poison pill, whatever its crashes.
pub async fn a_reclaim_after_a_request_makes_no_dead_job(t: &Scene) {
    let id = t
        .enqueue_with(|record| {
            record.max_crashes = 1;
            record.retention = Some(SECOND * 60);
        })
        .await;
    t.lease_one().await;
    t.cancel(id).await;

    let done = t.crash().await;
    assert_eq!((done.reclaimed, done.poisoned), (0, 0));
    assert_eq!(t.state(id).await, Some(JobState::Cancelled));
}

/// A job that is forfeited after the request is not run again.
pub async fn a_forfeit_after_a_request_cancels(t: &Scene) {
    asked_to_end(t).await;
    let forfeited = t.store().forfeit(t.queue(), t.worker(), &[]).await;

    assert_eq!(forfeited.unwrap(), 1);
    t.assert_pristine().await;
}

/// What has ended is not cancelled.
pub async fn an_ended_job_has_ended(t: &Scene) {
    let completed = t.kept(SECOND * 60).await;
    let dead = t.dead().await;
    let cancelled = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    t.cancel(cancelled).await;

    for (id, state) in
        [(completed, JobState::Completed), (dead, JobState::Dead), (cancelled, JobState::Cancelled)]
    {
        assert_eq!(t.cancel(id).await, CancelOutcome::AlreadyEnded, "{state}");
        assert_eq!(t.state(id).await, Some(state));
    }
}

/// A job that the queue does not know cannot be cancelled.
pub async fn an_unknown_job_is_not_found(t: &Scene) {
    let unknown = JobId::from_bytes([7; 16]);

    assert_eq!(t.cancel(unknown).await, CancelOutcome::NotFound);
}

/// A job that is gone is not found.
pub async fn a_job_that_is_gone_is_not_found(t: &Scene) {
    let id = t.enqueue().await;
    assert_eq!(t.cancel(id).await, CancelOutcome::Cancelled);

    assert_eq!(t.cancel(id).await, CancelOutcome::NotFound);
}

/// Answers are matched to ids by their position.
pub async fn answers_are_in_the_order_of_the_ids(t: &Scene) {
    let leased = t.enqueue().await;
    t.lease_one().await;
    let ready = t.enqueue().await;
    let unknown = JobId::from_bytes([7; 16]);

    let ids = [unknown, ready, leased];
    assert_eq!(
        t.store().cancel(t.queue(), &ids).await.unwrap(),
        [CancelOutcome::NotFound, CancelOutcome::Cancelled, CancelOutcome::Requested]
    );
    assert_eq!(t.store().cancel(t.queue(), &[]).await.unwrap(), []);
}

/// A request is about the running attempt: other jobs of the worker are not asked.
pub async fn a_request_is_about_one_job(t: &Scene) {
    t.enqueue().await;
    t.enqueue().await;
    let leases = t.lease(2).await;
    t.cancel(leases[0].job.id).await;
    t.release(&leases[1]).await;

    assert_eq!(t.lease_ids(1).await, [leases[1].job.id]);
}

/// A leased job that somebody has asked to end.
async fn asked_to_end(t: &Scene) -> Arc<Lease> {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    assert_eq!(t.cancel(id).await, CancelOutcome::Requested);
    lease
}
