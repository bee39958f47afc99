//! When a batch ends, and how long it is known.

use std::time::Duration;

use super::Scene;
use super::scene::{MS, SECOND, fresh_queue};
use crate::batch::BatchState;
use crate::error::ErrorKind;
use crate::inspect::RequeueOutcome;
use crate::record::Enqueued;

/// How long batches are known after their end, unless they say otherwise.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3_600);

/// An open batch does not end, whatever its jobs do.
pub async fn an_open_batch_does_not_end(t: &Scene) {
    let batch = t.open().await;
    t.enqueue_in(&batch).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.batch(&batch).await.state, BatchState::Open);
}

/// A closed batch ends with its last job.
pub async fn a_closed_batch_ends_with_its_last_job(t: &Scene) {
    let batch = t.open().await;
    t.enqueue_in(&batch).await;
    t.enqueue_in(&batch).await;
    let closed = t.close(&batch).await;
    assert_eq!((closed.state, closed.total, closed.pending()), (BatchState::Closed, 2, 2));
    let leases = t.lease(2).await;
    t.ack(&leases[0]).await;
    assert_eq!(t.batch(&batch).await.state, BatchState::Closed);
    t.advance(SECOND);
    t.ack(&leases[1]).await;

    let ended = t.batch(&batch).await;
    assert_eq!((ended.state, ended.ended_at), (BatchState::Succeeded, Some(t.now())));
}

/// A batch whose jobs have ended before ends when it is closed.
pub async fn a_batch_may_end_with_its_closing(t: &Scene) {
    let batch = t.open().await;
    t.enqueue_in(&batch).await;
    let cancelled = t.enqueue_in(&batch).await;
    t.cancel(cancelled).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    let ended = t.close(&batch).await;
    assert_eq!((ended.state, ended.ended_at), (BatchState::Failed, Some(t.now())));
    assert_eq!(t.batch(&batch).await, ended);
}

/// A batch without jobs has succeeded when it is closed.
pub async fn an_empty_batch_ends_when_it_is_closed(t: &Scene) {
    let batch = t.open().await;

    assert_eq!(t.close(&batch).await.state, BatchState::Succeeded);
}

/// A batch is closed once.
pub async fn a_batch_is_closed_once(t: &Scene) {
    let batch = t.open().await;
    t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let closed = t.store().close_batch(&batch).await;
    assert_eq!(closed.unwrap_err().kind(), ErrorKind::Conflict);
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    let ended = t.store().close_batch(&batch).await;
    assert_eq!(ended.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(t.batch(&batch).await.state, BatchState::Succeeded);
}

/// As long as it has not ended, a closed batch can be added to.
pub async fn a_closed_batch_can_be_added_to(t: &Scene) {
    let batch = t.open().await;
    t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = t.lease_one().await;
    t.enqueue_in(&batch).await;
    t.ack(&lease).await;

    assert_eq!(t.counts(&batch).await, (2, 1, 0, 0));
    assert_eq!(t.batch(&batch).await.state, BatchState::Closed);
}

/// One that has ended cannot, and nothing of the call is written.
pub async fn a_batch_that_has_ended_cannot_be_added_to(t: &Scene) {
    let batch = t.open().await;
    t.close(&batch).await;
    let job = t.job_with(|record| record.batch = Some(batch.clone()));

    assert_eq!(t.refusal(&[t.job(), job]).await, ErrorKind::Conflict);
    assert_eq!(t.counts(&batch).await, (0, 0, 0, 0));
    assert_eq!(t.stats().await.ready, 0);
}

/// A job that is known is a duplicate, whatever has become of its batch.
pub async fn a_known_job_may_be_enqueued_again_after_the_end(t: &Scene) {
    let batch = t.open().await;
    let job = t.job_with(|record| {
        record.batch = Some(batch.clone());
        record.retention = Some(SECOND * 60);
    });
    t.add(&job).await;
    t.close(&batch).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.add(&job).await, Enqueued::Duplicate(t.at(job.record.id)));
    assert_eq!(t.counts(&batch).await, (1, 1, 0, 0));
}

/// A batch with a dead job that was brought back can be added to again.
pub async fn a_retried_batch_can_be_added_to(t: &Scene) {
    let batch = t.open().await;
    let id = t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    t.requeue(id).await;
    t.enqueue_in(&batch).await;

    assert_eq!(t.counts(&batch).await, (2, 0, 0, 0));
}

// Listing and forgetting

/// People see the batches of a queue, newest first.
pub async fn batches_are_listed_newest_first(t: &Scene) {
    let mut batches = Vec::new();
    for _ in 0..3 {
        batches.push(t.open().await);
        t.advance(MS);
    }
    t.elsewhere().open().await;
    let store = t.store();
    let listed = store.batches(t.queue(), 0, 9).await.unwrap();
    let listed: Vec<_> = listed.into_iter().map(|view| view.batch).collect();
    assert_eq!(listed, [&batches[2], &batches[1], &batches[0]].map(Clone::clone));

    let middle = store.batches(t.queue(), 1, 1).await.unwrap();
    assert_eq!(middle, [t.batch(&batches[1]).await]);
    assert_eq!(store.batches(&fresh_queue(), 0, 9).await.unwrap(), []);
}

/// A batch is forgotten when its retention is over, and nothing of it is left.
pub async fn a_batch_is_forgotten_after_its_retention(t: &Scene) {
    let batch = t.open_with(|new| new.retention = SECOND * 60).await;
    t.enqueue_in(&batch).await;
    t.close(&batch).await;
    t.advance(SECOND * 3_600);
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.advance(SECOND * 60 - MS);
    t.maintain().await;
    assert_eq!(t.batch(&batch).await.state, BatchState::Succeeded);

    t.advance(MS);
    t.maintain().await;
    assert_eq!(t.store().batch_view(&batch).await.unwrap(), None);
    assert_eq!(t.store().batches(t.queue(), 0, 9).await.unwrap(), []);
    t.assert_pristine().await;
}

/// So is one with all there can be to it.
pub async fn a_forgotten_batch_leaves_nothing_behind(t: &Scene) {
    let batch = t
        .open_with(|new| {
            new.on_success = Some(t.job());
            new.call_off_on_failure = true;
        })
        .await;
    for _ in 0..3 {
        t.enqueue_in(&batch).await;
    }
    t.close(&batch).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    assert_eq!(t.lease_ids(9).await, [], "the others were called off");
    t.advance(super::DEAD_RETENTION.max_age.max(RETENTION));
    t.maintain().await;

    assert_eq!(t.store().batch_view(&batch).await.unwrap(), None);
    t.assert_pristine().await;
}

/// A batch that has not ended is not forgotten, however old it is.
pub async fn a_batch_that_goes_on_is_not_forgotten(t: &Scene) {
    let (open, closed) = (t.open().await, t.open().await);
    t.enqueue_in(&closed).await;
    t.close(&closed).await;
    t.advance(RETENTION * 10);
    t.maintain().await;

    assert_eq!(t.batch(&open).await.state, BatchState::Open);
    assert_eq!(t.batch(&closed).await.state, BatchState::Closed);
}

/// The retention is counted from the last end.
pub async fn a_retried_batch_is_kept_from_its_new_end(t: &Scene) {
    let batch = t.open().await;
    let id = t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    t.advance(RETENTION - SECOND);
    t.requeue(id).await;
    t.advance(RETENTION);
    t.maintain().await;
    assert_eq!(t.batch(&batch).await.state, BatchState::Closed);
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.advance(RETENTION - MS);
    t.maintain().await;
    assert_eq!(t.batch(&batch).await.state, BatchState::Succeeded);

    t.advance(MS);
    t.maintain().await;
    assert_eq!(t.store().batch_view(&batch).await.unwrap(), None);
}

/// Jobs of a batch that is forgotten run and end like any other.
pub async fn a_job_may_outlive_its_batch(t: &Scene) {
    let batch = t.open_with(|new| new.retention = SECOND).await;
    let id = t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    t.advance(SECOND);
    t.maintain().await;
    assert_eq!(t.requeue(id).await, RequeueOutcome::Requeued);
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.store().batch_view(&batch).await.unwrap(), None);
    t.assert_pristine().await;
}
