//! Jobs that run when a batch has ended, or when its first job has failed: each is enqueued once.

use super::Scene;
use super::scene::SECOND;
use crate::batch::{BatchRef, BatchState, NewBatch};
use crate::error::ErrorKind;
use crate::id::JobId;
use crate::lease::{Next, Settlement};
use crate::record::{NewJob, When};
use crate::state::JobState;

/// When every job has completed, two callbacks are due.
pub async fn success_and_completion_are_told_at_the_end(t: &Scene) {
    let (batch, callbacks) = with_callbacks(t).await;
    t.enqueue_in(&batch).await;
    t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let leases = t.lease(9).await;
    assert_eq!(leases.len(), 2, "nothing is due before the end");
    t.ack(&leases[0]).await;
    assert_eq!(known(t, &callbacks).await, [false, false, false]);
    t.ack(&leases[1]).await;

    assert_eq!(known(t, &callbacks).await, [true, false, true]);
    assert_eq!(t.lease(9).await.len(), 2);
}

/// The first failure is told at once, and no success at the end.
pub async fn a_failure_is_told_when_it_happens(t: &Scene) {
    let (batch, callbacks) = with_callbacks(t).await;
    t.enqueue_in(&batch).await;
    t.enqueue_in(&batch).await;
    let leases = t.lease(2).await;
    t.bury(&leases[0]).await;
    assert_eq!(known(t, &callbacks).await, [false, true, false], "while it is open");
    t.close(&batch).await;
    t.ack(&leases[1]).await;

    assert_eq!(known(t, &callbacks).await, [false, true, true]);
}

/// A cancelled job is a failure of the batch, whoever cancelled it.
pub async fn a_cancelled_job_is_told_as_a_failure(t: &Scene) {
    let (batch, callbacks) = with_callbacks(t).await;
    let id = t.enqueue_in(&batch).await;
    t.delete(id).await;

    assert_eq!(known(t, &callbacks).await, [false, true, false]);
    assert_eq!(t.close(&batch).await.state, BatchState::Failed);
    assert_eq!(known(t, &callbacks).await, [false, true, true]);
}

/// Further failures are not told again.
pub async fn a_failure_is_told_once(t: &Scene) {
    let (batch, [_, on_failure, _]) = with_callbacks(t).await;
    for _ in 0..3 {
        t.enqueue_in(&batch).await;
    }
    let leases = t.lease(3).await;
    t.bury(&leases[0]).await;
    let callback = t.lease_one().await;
    assert_eq!(callback.job.id, on_failure);
    t.ack(&callback).await;
    t.bury(&leases[1]).await;
    t.settle(&leases[2], Next::Cancel).await;

    assert_eq!(t.lease_ids(9).await, []);
}

/// Success may come late: when the failed jobs have been retried.
pub async fn success_is_told_after_a_retry(t: &Scene) {
    let (batch, callbacks) = with_callbacks(t).await;
    let id = t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    assert_eq!(known(t, &callbacks).await, [false, true, true]);
    for lease in t.lease(9).await {
        t.ack(&lease).await;
    }
    t.requeue(id).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(known(t, &callbacks).await, [true, false, false], "the others ran before");
}

/// A batch that ends again and again tells its end once.
pub async fn completion_is_told_once(t: &Scene) {
    let (batch, _) = with_callbacks(t).await;
    let id = t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    for lease in t.lease(9).await {
        t.ack(&lease).await;
    }
    for _ in 0..2 {
        t.requeue(id).await;
        let lease = t.lease_one().await;
        t.bury(&lease).await;
        assert_eq!(t.lease_ids(9).await, []);
    }
}

/// A batch without jobs has succeeded with its closing.
pub async fn an_empty_batch_tells_its_end(t: &Scene) {
    let (batch, callbacks) = with_callbacks(t).await;
    t.close(&batch).await;

    assert_eq!(known(t, &callbacks).await, [true, false, true]);
}

/// A batch without callbacks tells nobody.
pub async fn a_batch_needs_no_callbacks(t: &Scene) {
    let batch = t.open().await;
    t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;

    assert_eq!(t.lease_ids(9).await, []);
}

/// What the last job frees can be leased in the same step, its callback too.
pub async fn a_callback_is_leased_in_the_step_in_which_the_batch_ends(t: &Scene) {
    let callback = t.job();
    let batch = t.open_with(|new| new.on_complete = Some(callback.clone())).await;
    t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let done = Settlement::new(t.lease_one().await, Next::Complete { result: None });

    let leases = t.exchange(&[done], 1).await.leases;
    assert_eq!(leases.iter().map(|lease| lease.job.id).collect::<Vec<_>>(), [callback.record.id]);
}

/// A worker that waits for something to do is told of a callback.
pub async fn a_callback_wakes_a_worker(t: &Scene) {
    let batch = t.open_with(|new| new.on_complete = Some(t.job())).await;
    t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = t.lease_one().await;
    t.calm().await;
    let (_, _) = tokio::join!(t.woken(), t.ack(&lease));

    assert_eq!(t.lease(1).await.len(), 1);
}

/// A callback comes as it was given, and knows its batch.
pub async fn a_callback_knows_its_batch(t: &Scene) {
    let mut callback = t.job_with(|record| {
        record.retention = Some(SECOND);
        record.metadata.insert("tenant", "7");
    });
    callback.record.priority = crate::priority::Priority::HIGHEST;
    let batch = t.open_with(|new| new.on_complete = Some(callback.clone())).await;
    t.close(&batch).await;

    let mut expected = callback.record;
    expected.metadata.insert("batch", batch.id.to_string());
    expected.metadata.insert("batch_queue", t.queue().as_str());
    expected.enqueued_at = t.now();
    assert_eq!(t.lease_one().await.job, expected);
}

/// A callback is not a job of its batch.
pub async fn a_callback_is_not_counted(t: &Scene) {
    let (batch, _) = with_callbacks(t).await;
    t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    let ended = t.batch(&batch).await;
    for lease in t.lease(9).await {
        t.bury(&lease).await;
    }

    assert_eq!(t.batch(&batch).await, ended);
    assert_eq!((ended.total, ended.done), (1, 1));
}

/// A callback for later is scheduled from when it is enqueued.
pub async fn a_callback_may_come_later(t: &Scene) {
    let mut callback = t.job();
    callback.when = When::After(SECOND * 60);
    let batch = t.open_with(|new| new.on_complete = Some(callback.clone())).await;
    t.advance(SECOND * 3_600);
    t.close(&batch).await;

    let view = t.view(callback.record.id).await;
    assert_eq!((view.state, view.at), (JobState::Scheduled, Some(t.now() + SECOND * 60)));
}

/// What is said when a batch is opened again does not change what it does.
pub async fn a_batch_keeps_its_first_callbacks(t: &Scene) {
    let mut new = t.new_batch();
    let (first, second) = (t.job(), t.job());
    new.on_complete = Some(first.clone());
    t.store().open_batch(&new).await.unwrap();
    new.on_complete = Some(second);
    t.store().open_batch(&new).await.unwrap();
    t.close(&new.batch).await;

    assert_eq!(t.lease_ids(9).await, [first.record.id]);
}

/// A crash of the last job's worker delays the end, and doubles nothing.
pub async fn a_crash_before_the_end_doubles_no_callback(t: &Scene) {
    let (batch, callbacks) = with_callbacks(t).await;
    t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lost = t.lease_one().await;
    t.crash().await;
    t.ack(&lost).await;
    assert_eq!(known(t, &callbacks).await, [false, false, false]);
    let done = Settlement::new(t.lease_one().await, Next::Complete { result: None });
    t.settle_all(&[done.clone(), done]).await;

    assert_eq!(known(t, &callbacks).await, [true, false, true]);
    assert_eq!(t.lease(9).await.len(), 2);
}

/// Several batches may end in one step.
pub async fn batches_that_end_together_each_tell_their_end(t: &Scene) {
    let mut callbacks = Vec::new();
    for _ in 0..3 {
        let callback = t.job();
        let batch = t.open_with(|new| new.on_success = Some(callback.clone())).await;
        t.enqueue_in(&batch).await;
        t.close(&batch).await;
        callbacks.push(callback.record.id);
    }
    let done = |lease| Settlement::new(lease, Next::Complete { result: None });
    let all: Vec<_> = t.lease(3).await.into_iter().map(done).collect();
    t.settle_all(&all).await;

    assert_eq!(t.lease_ids(9).await, callbacks);
}

/// A batch with callbacks leaves nothing behind.
pub async fn callbacks_leave_nothing_behind(t: &Scene) {
    let (batch, _) = with_callbacks(t).await;
    t.enqueue_in(&batch).await;
    t.close(&batch).await;
    for _ in 0..2 {
        for lease in t.lease(9).await {
            t.ack(&lease).await;
        }
    }
    t.advance(t.new_batch().retention);
    t.maintain().await;

    t.assert_pristine().await;
}

/// What cannot be enqueued at the end is refused at the beginning.
pub async fn impossible_callbacks_are_refused(t: &Scene) {
    let batch = t.open().await;
    let parent = t.enqueue().await;
    let counted = t.job_with(|record| record.batch = Some(batch.clone()));
    let with_parent = t.child(&[t.at(parent)]);
    let mut with_child = t.job();
    with_child.children = vec![t.at(parent)];
    let too_much = t.job_with(|record| record.metadata.insert("x", "y".repeat(4 * 1024 - 1)));
    let no_attempts = t.job_with(|record| record.max_attempts = 0);

    for callback in [counted, with_parent, with_child, too_much, no_attempts] {
        let new = NewBatch { on_failure: Some(callback), ..t.new_batch() };
        let refused = t.store().open_batch(&new).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(t.store().batch_view(&new.batch).await.unwrap(), None);
    }
}

/// An open batch with a callback for success, for failure, and for its end.
async fn with_callbacks(t: &Scene) -> (BatchRef, [JobId; 3]) {
    let [success, failure, completion]: [NewJob; 3] = std::array::from_fn(|_| t.job());
    let ids = [&success, &failure, &completion].map(|job| job.record.id);
    let batch = t
        .open_with(|new| {
            new.on_success = Some(success);
            new.on_failure = Some(failure);
            new.on_complete = Some(completion);
        })
        .await;
    assert_eq!(known(t, &ids).await, [false; 3], "no callback is due yet");
    (batch, ids)
}

/// Which jobs the queue knows.
async fn known(t: &Scene, ids: &[JobId; 3]) -> [bool; 3] {
    let mut known = [false; 3];
    for (known, id) in known.iter_mut().zip(ids) {
        *known = t.state(*id).await.is_some();
    }
    known
}
