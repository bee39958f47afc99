//! Batches: how jobs are counted, when a batch ends, and what is called off.

use std::time::Duration;

use super::Scene;
use super::scene::{AT_ONCE, MS, SECOND};
use crate::batch::{BatchId, BatchRef, BatchState, BatchView};
use crate::error::ErrorKind;
use crate::id::JobId;
use crate::inspect::{DeleteOutcome, RequeueOutcome};
use crate::job_ref::JobRef;
use crate::lease::Next;
use crate::record::Enqueued;
use crate::unique::{Unique, UniqueKey, UniqueMode};

/// A batch is known as soon as it is open, and has no jobs yet.
pub async fn an_open_batch_is_known(t: &Scene) {
    let batch = t.open_with(|new| new.name = "price list".into()).await;

    let expected = BatchView::new(batch.clone(), "price list".into(), t.now());
    assert_eq!(t.batch(&batch).await, expected);
    assert_eq!(expected.state, BatchState::Open);
}

/// A batch that was never opened is not.
pub async fn an_unknown_batch_is_not_known(t: &Scene) {
    let unknown = unknown(t);
    let job = t.job_with(|record| record.batch = Some(unknown.clone()));

    assert_eq!(t.store().batch_view(&unknown).await.unwrap(), None);
    let closed = t.store().close_batch(&unknown).await;
    assert_eq!(closed.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!t.store().call_off_batch(&unknown).await.unwrap());
    assert_eq!(t.store().failed_of_batch(&unknown, 0, 9).await.unwrap(), []);
    assert_eq!(t.refusal(&[t.job(), job]).await, ErrorKind::NotFound);
    t.assert_pristine().await;
}

/// Opening it again changes nothing.
pub async fn a_batch_is_opened_once(t: &Scene) {
    let mut new = t.new_batch();
    assert!(t.store().open_batch(&new).await.unwrap());
    t.enqueue_in(&new.batch).await;
    let before = t.batch(&new.batch).await;
    t.advance(SECOND);
    new.name = "another".into();

    assert!(!t.store().open_batch(&new).await.unwrap());
    assert_eq!(t.batch(&new.batch).await, before);
    assert_eq!(t.store().batches(t.queue(), 0, 9).await.unwrap(), [before]);
}

/// A name of the greatest length is kept.
pub async fn a_long_name_is_kept(t: &Scene) {
    let name = "é".repeat(100);
    let batch = t.open_with(|new| new.name.clone_from(&name)).await;

    assert_eq!(t.batch(&batch).await.name, name);
}

/// What no backend could keep is refused.
pub async fn impossible_batches_are_refused(t: &Scene) {
    let mut long_name = t.new_batch();
    long_name.name = "x".repeat(201);
    let mut forgotten_at_once = t.new_batch();
    forgotten_at_once.retention = SECOND - MS;
    let mut kept_for_ever = t.new_batch();
    kept_for_ever.retention = Duration::from_secs(367 * 24 * 3_600);
    let mut its_own_parent = t.new_batch();
    its_own_parent.parent = Some(its_own_parent.batch.clone());

    for new in [long_name, forgotten_at_once, kept_for_ever, its_own_parent] {
        let refused = t.store().open_batch(&new).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(t.store().batch_view(&new.batch).await.unwrap(), None);
    }
}

// Counting

/// A job is counted with its enqueue.
pub async fn jobs_are_counted_from_their_enqueue(t: &Scene) {
    let batch = t.open().await;
    t.enqueue_in(&batch).await;
    assert_eq!(t.counts(&batch).await, (1, 0, 0, 0));
    let jobs: Vec<_> = (0..3).map(|_| t.job_with(|r| r.batch = Some(batch.clone()))).collect();
    t.add_all(&jobs).await;

    assert_eq!(t.counts(&batch).await, (4, 0, 0, 0));
    assert_eq!(t.batch(&batch).await.pending(), 4);
}

/// Every end is counted for what it is.
pub async fn every_end_is_counted(t: &Scene) {
    let batch = t.open().await;
    for _ in 0..3 {
        t.enqueue_in(&batch).await;
    }
    let leases = t.lease(3).await;
    t.ack(&leases[0]).await;
    t.bury(&leases[1]).await;
    t.settle(&leases[2], Next::Cancel).await;
    assert_eq!(t.counts(&batch).await, (3, 1, 1, 1));

    let called_off = t.enqueue_in(&batch).await;
    t.cancel(called_off).await;
    let deleted = t.enqueue_in(&batch).await;
    t.delete(deleted).await;
    let stopped = t.enqueue_in(&batch).await;
    let lease = t.lease_one().await;
    t.cancel(stopped).await;
    t.retry(&lease, AT_ONCE).await;
    t.enqueue_with(|record| {
        record.batch = Some(batch.clone());
        record.max_crashes = 1;
    })
    .await;
    t.lease_one().await;
    t.crash().await;
    assert_eq!(t.counts(&batch).await, (7, 1, 2, 4));
}

/// So it is for jobs that are kept.
pub async fn jobs_that_are_kept_are_counted_once(t: &Scene) {
    let batch = t.open().await;
    let kept = |record: &mut crate::JobRecord| {
        record.batch = Some(batch.clone());
        record.retention = Some(SECOND);
    };
    let (done, cancelled) = (t.enqueue_with(kept).await, t.schedule_in(&batch).await);
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.cancel(cancelled).await;
    assert_eq!(t.counts(&batch).await, (2, 1, 0, 1));

    t.advance(SECOND);
    t.maintain().await;
    assert_eq!(t.state(done).await, None);
    assert_eq!(t.counts(&batch).await, (2, 1, 0, 1));
}

/// A job that goes on has not ended.
pub async fn what_does_not_end_a_job_is_not_counted(t: &Scene) {
    let batch = t.open().await;
    t.enqueue_in(&batch).await;
    let lease = t.lease_one().await;
    t.retry(&lease, AT_ONCE).await;
    let lease = t.lease_one().await;
    t.snooze(&lease, AT_ONCE).await;
    let lease = t.lease_one().await;
    t.release(&lease).await;
    let lost = t.lease_one().await;
    t.crash().await;
    t.ack(&lost).await;

    assert_eq!(t.counts(&batch).await, (1, 0, 0, 0));
}

/// A job that is there already is not counted again.
pub async fn duplicates_are_not_counted(t: &Scene) {
    let batch = t.open().await;
    let key = UniqueKey::from_bytes([1; 16]);
    let job = t.job_with(|record| {
        record.batch = Some(batch.clone());
        record.unique = Some(key.into());
    });
    let rival = t.job_with(|record| {
        record.batch = Some(batch.clone());
        record.unique = Some(key.into());
    });
    let id = job.record.id;
    let answers = t.add_all(&[job.clone(), job.clone(), rival]).await;
    assert_eq!(answers[1..], [Enqueued::Duplicate(t.at(id)), Enqueued::Duplicate(t.at(id))]);
    t.add(&job).await;

    assert_eq!(t.counts(&batch).await, (1, 0, 0, 0));
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    assert_eq!(t.close(&batch).await.state, BatchState::Succeeded);
}

/// A job whose place another one takes has been cancelled, and the batch does not end in between.
pub async fn a_replaced_job_is_counted_as_cancelled(t: &Scene) {
    let callback = t.job();
    let batch = t.open_with(|new| new.on_complete = Some(callback.clone())).await;
    let key = UniqueKey::from_bytes([1; 16]);
    let newest = |t: &Scene| {
        t.job_with(|record| {
            record.batch = Some(batch.clone());
            record.unique = Some(Unique::new(key, UniqueMode::LatestWins));
        })
    };
    t.add(&newest(t)).await;
    t.close(&batch).await;
    let answer = t.add(&newest(t)).await;
    assert!(matches!(answer, Enqueued::Replaced { .. }), "{answer:?}");

    assert_eq!(t.counts(&batch).await, (2, 0, 0, 1));
    assert_eq!(t.state(callback.record.id).await, None);
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    assert_eq!(t.counts(&batch).await, (2, 1, 0, 1));
    assert_eq!(t.lease_ids(9).await, [callback.record.id]);
}

/// A job that another batch counts is not counted by the batch of a duplicate.
pub async fn a_duplicate_stays_with_its_batch(t: &Scene) {
    let (first, second) = (t.open().await, t.open().await);
    let mut job = t.job_with(|record| record.batch = Some(first.clone()));
    t.add(&job).await;
    job.record.batch = Some(second.clone());
    t.add(&job).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.counts(&first).await, (1, 1, 0, 0));
    assert_eq!(t.counts(&second).await, (0, 0, 0, 0));
}

/// Batches do not count each other's jobs, nor those of none.
pub async fn batches_are_counted_apart(t: &Scene) {
    let (first, second) = (t.open().await, t.open().await);
    t.enqueue_in(&first).await;
    t.enqueue_in(&second).await;
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.counts(&first).await, (1, 1, 0, 0));
    assert_eq!(t.counts(&second).await, (1, 0, 0, 0));
}

/// A job that waits for others is pending, and counted as failed when its parent takes it along.
pub async fn a_waiting_job_is_pending(t: &Scene) {
    let batch = t.open().await;
    let parent = t.enqueue_in(&batch).await;
    for _ in 0..2 {
        let mut child = t.child(&[t.at(parent)]);
        child.record.batch = Some(batch.clone());
        t.add(&child).await;
    }
    t.close(&batch).await;
    assert_eq!(t.batch(&batch).await.pending(), 3);
    let lease = t.lease_one().await;
    t.bury(&lease).await;

    t.until(&[], "all are counted", async || t.batch(&batch).await.pending() == 0).await;
    assert_eq!(t.counts(&batch).await, (3, 0, 3, 0));
}

/// A child that fails with its enqueue is counted too.
pub async fn a_job_that_ends_with_its_enqueue_is_counted(t: &Scene) {
    let batch = t.open().await;
    let parent = t.dead().await;
    let mut child = t.child(&[t.at(parent)]);
    child.record.batch = Some(batch.clone());
    t.add(&child).await;

    assert_eq!(t.counts(&batch).await, (1, 0, 1, 0));
}

// Dead jobs

/// A dead job that is brought back is pending again.
pub async fn a_requeued_job_is_pending_again(t: &Scene) {
    let batch = t.open().await;
    let id = t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    let failed = t.batch(&batch).await;
    assert_eq!((failed.state, failed.ended_at), (BatchState::Failed, Some(t.now())));
    t.requeue(id).await;

    let again = t.batch(&batch).await;
    assert_eq!((again.state, again.ended_at), (BatchState::Closed, None));
    assert_eq!(t.counts(&batch).await, (1, 0, 0, 0));
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    assert_eq!(t.counts(&batch).await, (1, 1, 0, 0));
    assert_eq!(t.batch(&batch).await.state, BatchState::Succeeded);
}

/// A requeue that is refused changes nothing.
pub async fn a_refused_requeue_is_not_counted(t: &Scene) {
    let key = UniqueKey::from_bytes([1; 16]);
    let batch = t.open().await;
    let dead = t
        .dead_with(|record| {
            record.batch = Some(batch.clone());
            record.unique = Some(key.into());
        })
        .await;
    let holder = t.enqueue_with(|record| record.unique = Some(key.into())).await;

    assert_eq!(t.requeue(dead).await, RequeueOutcome::Conflict(holder));
    assert_eq!(t.counts(&batch).await, (1, 0, 1, 0));
}

/// People find the dead jobs of a batch, to retry just these.
pub async fn the_dead_jobs_of_a_batch_are_found(t: &Scene) {
    let batch = t.open().await;
    t.dead().await;
    let mut dead = Vec::new();
    for _ in 0..3 {
        dead.push(t.dead_with(|record| record.batch = Some(batch.clone())).await);
    }
    assert_eq!(failed(t, &batch).await, sorted(t, &dead));

    let store = t.store();
    let mut paged = Vec::new();
    for offset in 0..4 {
        paged.extend(store.failed_of_batch(&batch, offset, 1).await.unwrap());
    }
    paged.sort();
    assert_eq!(paged, sorted(t, &dead), "one by one");
    t.requeue(dead[1]).await;
    assert_eq!(failed(t, &batch).await, sorted(t, &[dead[0], dead[2]]));
}

/// A dead job that is deleted stays counted, and cannot be found any more.
pub async fn a_deleted_dead_job_stays_counted(t: &Scene) {
    let batch = t.open().await;
    let dead = t.dead_with(|record| record.batch = Some(batch.clone())).await;
    assert_eq!(t.delete(dead).await, DeleteOutcome::Deleted);

    assert_eq!(t.counts(&batch).await, (1, 0, 1, 0));
    assert_eq!(failed(t, &batch).await, []);
}

/// So it is for one that is pruned.
pub async fn a_pruned_dead_job_stays_counted(t: &Scene) {
    let batch = t.open().await;
    t.dead_with(|record| record.batch = Some(batch.clone())).await;
    t.advance(super::DEAD_RETENTION.max_age);
    assert_eq!(t.maintain().await.pruned, 1);

    assert_eq!(t.counts(&batch).await, (1, 0, 1, 0));
    assert_eq!(failed(t, &batch).await, []);
}

fn unknown(t: &Scene) -> BatchRef {
    BatchRef::new(t.queue().clone(), BatchId::from_bytes([7; 16]))
}

/// The dead jobs of a batch, in an order to compare.
async fn failed(t: &Scene, batch: &BatchRef) -> Vec<JobRef> {
    let mut failed = t.store().failed_of_batch(batch, 0, 1_000).await.unwrap();
    failed.sort();
    failed
}

fn sorted(t: &Scene, ids: &[JobId]) -> Vec<JobRef> {
    let mut jobs: Vec<JobRef> = ids.iter().map(|id| t.at(*id)).collect();
    jobs.sort();
    jobs
}
