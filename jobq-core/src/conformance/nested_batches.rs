//! Batches that count other batches.

use super::Scene;
use super::scene::SECOND;
use crate::batch::{BatchId, BatchRef, BatchState, NewBatch};
use crate::error::ErrorKind;

/// A nested batch is one pending job, however many it has.
pub async fn a_nested_batch_counts_as_one_job(t: &Scene) {
    let outer = t.open().await;
    let inner = nested(t, &outer).await;
    t.enqueue_in(&inner).await;
    t.enqueue_in(&inner).await;

    assert_eq!(t.counts(&outer).await, (1, 0, 0, 0));
    assert_eq!(t.batch(&inner).await.parent, Some(outer));
}

/// It is done when all its jobs are, and then the outer one is.
pub async fn a_nested_batch_that_succeeds_is_done(t: &Scene) {
    let callback = t.job();
    let outer = t.open_with(|new| new.on_success = Some(callback.clone())).await;
    let inner = nested(t, &outer).await;
    t.enqueue_in(&inner).await;
    t.close(&outer).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    assert_eq!(t.batch(&outer).await.state, BatchState::Closed, "the inner one is open");
    t.close(&inner).await;

    assert_eq!(t.counts(&outer).await, (1, 1, 0, 0));
    assert_eq!(t.batch(&outer).await.state, BatchState::Succeeded);
    assert_eq!(t.lease_ids(9).await, [callback.record.id]);
}

/// It has failed when it has ended and a job has failed or was cancelled.
pub async fn a_nested_batch_that_fails_has_failed(t: &Scene) {
    let callback = t.job();
    let outer = t.open_with(|new| new.on_failure = Some(callback.clone())).await;
    let inner = nested(t, &outer).await;
    let cancelled = t.enqueue_in(&inner).await;
    t.enqueue_in(&inner).await;
    t.close(&inner).await;
    t.cancel(cancelled).await;
    assert_eq!(t.counts(&outer).await, (1, 0, 0, 0), "not before its end");
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.counts(&outer).await, (1, 0, 1, 0));
    assert_eq!(t.lease_ids(9).await, [callback.record.id]);
    assert_eq!(t.store().failed_of_batch(&outer, 0, 9).await.unwrap(), [], "it is no job");
}

/// One that is retried is pending again, and may succeed after all.
pub async fn a_nested_batch_that_is_retried_is_pending_again(t: &Scene) {
    let callback = t.job();
    let outer = t.open_with(|new| new.on_success = Some(callback.clone())).await;
    let inner = nested(t, &outer).await;
    let id = t.enqueue_in(&inner).await;
    t.close(&inner).await;
    t.close(&outer).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    assert_eq!(t.batch(&outer).await.state, BatchState::Failed);
    t.requeue(id).await;
    assert_eq!(t.counts(&outer).await, (1, 0, 0, 0));
    assert_eq!(t.batch(&outer).await.state, BatchState::Closed);
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.counts(&outer).await, (1, 1, 0, 0));
    assert_eq!(t.lease_ids(9).await, [callback.record.id]);
}

/// Batches may be nested any number of times; they end from the inside out.
pub async fn batches_may_be_nested_deeply(t: &Scene) {
    let mut row = vec![t.open().await];
    for n in 0..5 {
        row.push(nested(t, &row[n]).await);
    }
    let id = t.enqueue_in(&row[5]).await;
    for batch in &row {
        t.close(batch).await;
    }
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    assert_eq!(t.batch(&row[0]).await.state, BatchState::Failed);
    t.requeue(id).await;
    assert_eq!(t.batch(&row[0]).await.state, BatchState::Closed);
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    for batch in &row {
        assert_eq!(t.batch(batch).await.state, BatchState::Succeeded);
    }
}

/// Jobs and batches are counted together.
pub async fn a_batch_may_have_jobs_and_batches(t: &Scene) {
    let outer = t.open().await;
    nested(t, &outer).await;
    let inner = nested(t, &outer).await;
    t.enqueue_in(&outer).await;
    t.close(&inner).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;

    assert_eq!(t.counts(&outer).await, (3, 1, 1, 0));
}

/// Opening it again counts it once.
pub async fn a_nested_batch_is_counted_once(t: &Scene) {
    let outer = t.open().await;
    let new = NewBatch { parent: Some(outer.clone()), ..t.new_batch() };
    assert!(t.store().open_batch(&new).await.unwrap());
    assert!(!t.store().open_batch(&new).await.unwrap());
    assert_eq!(t.counts(&outer).await, (1, 0, 0, 0));
    t.close(&new.batch).await;
    t.close(&outer).await;

    assert!(!t.store().open_batch(&new).await.unwrap(), "known, though its parent has ended");
    assert_eq!(t.counts(&outer).await, (1, 1, 0, 0));
}

/// A parent that is not known or has ended is refused, and nothing is opened.
pub async fn an_impossible_parent_is_refused(t: &Scene) {
    let unknown = BatchRef::new(t.queue().clone(), BatchId::from_bytes([7; 16]));
    let ended = t.open().await;
    t.close(&ended).await;

    for (parent, kind) in [(unknown, ErrorKind::NotFound), (ended, ErrorKind::Conflict)] {
        let new = NewBatch { parent: Some(parent), ..t.new_batch() };
        let refused = t.store().open_batch(&new).await;
        assert_eq!(refused.unwrap_err().kind(), kind);
        assert_eq!(t.store().batch_view(&new.batch).await.unwrap(), None);
    }
}

/// A closed batch may still take batches in.
pub async fn a_closed_batch_may_count_another_one(t: &Scene) {
    let outer = t.open().await;
    t.enqueue_in(&outer).await;
    t.close(&outer).await;
    let inner = nested(t, &outer).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    assert_eq!(t.batch(&outer).await.state, BatchState::Closed);
    t.close(&inner).await;

    assert_eq!(t.batch(&outer).await.state, BatchState::Succeeded);
}

/// Calling off a batch calls off those that it counts, also those that are opened later.
pub async fn nested_batches_are_called_off_with_their_parent(t: &Scene) {
    let outer = t.open().await;
    let before = nested(t, &outer).await;
    t.enqueue_in(&before).await;
    t.store().call_off_batch(&outer).await.unwrap();
    let after = nested(t, &outer).await;
    t.enqueue_in(&after).await;
    assert!(t.batch(&before).await.is_called_off);
    assert!(t.batch(&after).await.is_called_off);
    for batch in [&before, &after, &outer] {
        t.close(batch).await;
    }

    assert_eq!(t.lease_ids(9).await, []);
    assert_eq!(t.counts(&outer).await, (2, 0, 2, 0));
    assert_eq!(t.batch(&outer).await.state, BatchState::Failed);
}

/// Calling off a nested batch leaves the outer one alone.
pub async fn a_parent_is_not_called_off_with_a_nested_batch(t: &Scene) {
    let outer = t.open().await;
    let inner = nested(t, &outer).await;
    t.enqueue_in(&inner).await;
    let other = t.enqueue_in(&outer).await;
    t.close(&inner).await;
    t.store().call_off_batch(&inner).await.unwrap();

    assert_eq!(t.lease_ids(9).await, [other]);
    assert!(!t.batch(&outer).await.is_called_off);
    assert_eq!(t.counts(&outer).await, (2, 0, 1, 0));
}

/// A nested batch that fails may call off the rest of its parent.
pub async fn a_nested_failure_may_call_off_the_rest(t: &Scene) {
    let outer = t.open_with(|new| new.call_off_on_failure = true).await;
    let inner = nested(t, &outer).await;
    t.enqueue_in(&inner).await;
    t.close(&inner).await;
    let lease = t.lease_one().await;
    t.enqueue_in(&outer).await;
    t.bury(&lease).await;

    assert!(t.batch(&outer).await.is_called_off);
    assert_eq!(t.lease_ids(9).await, []);
    assert_eq!(t.counts(&outer).await, (2, 0, 1, 1));
}

/// Batches of different queues may be nested.
pub async fn a_nested_batch_may_be_at_home_elsewhere(t: &Scene) {
    let u = t.elsewhere();
    let callback = t.job();
    let outer = t.open_with(|new| new.on_success = Some(callback.clone())).await;
    let inner = nested(&u, &outer).await;
    assert_eq!(t.counts(&outer).await, (1, 0, 0, 0));
    let id = u.enqueue_in(&inner).await;
    t.close(&outer).await;
    u.close(&inner).await;
    let lease = u.lease_one().await;
    u.bury(&lease).await;
    t.until(&[&u], "the outer batch has failed", async || {
        t.batch(&outer).await.state == BatchState::Failed
    })
    .await;
    u.requeue(id).await;
    t.until(&[&u], "the outer batch goes on", async || {
        t.batch(&outer).await.state == BatchState::Closed
    })
    .await;
    let lease = u.lease_one().await;
    u.ack(&lease).await;
    t.until(&[&u], "the outer batch has succeeded", async || {
        t.batch(&outer).await.state == BatchState::Succeeded
    })
    .await;

    t.calm_down(&[&u]).await;
    assert_eq!(t.counts(&outer).await, (1, 1, 0, 0));
    assert_eq!(t.lease_ids(9).await, [callback.record.id]);
}

/// They are called off across queues too.
pub async fn a_nested_batch_elsewhere_is_called_off_with_its_parent(t: &Scene) {
    let u = t.elsewhere();
    let outer = t.open().await;
    let inner = nested(&u, &outer).await;
    u.enqueue_in(&inner).await;
    t.store().call_off_batch(&outer).await.unwrap();
    t.until(&[&u], "the inner batch is called off", async || t.batch(&inner).await.is_called_off)
        .await;
    let later = nested(&u, &outer).await;

    assert!(u.batch(&later).await.is_called_off);
    assert_eq!(u.lease_ids(9).await, []);
}

/// Nested batches leave nothing behind.
pub async fn nested_batches_leave_nothing_behind(t: &Scene) {
    let outer = t.open_with(|new| new.retention = SECOND).await;
    let inner = nested(t, &outer).await;
    t.enqueue_in(&inner).await;
    t.close(&outer).await;
    t.close(&inner).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.advance(t.new_batch().retention);
    t.maintain().await;

    assert_eq!(t.store().batch_view(&outer).await.unwrap(), None);
    assert_eq!(t.store().batch_view(&inner).await.unwrap(), None);
    t.assert_pristine().await;
}

async fn nested(t: &Scene, outer: &BatchRef) -> BatchRef {
    t.open_with(|new| new.parent = Some(outer.clone())).await
}
