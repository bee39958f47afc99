//! Jobs of a batch in other queues than its home: what happens to them is counted a moment later, once.

use std::time::Duration;

use super::Scene;
use super::scene::{AT_ONCE, SECOND};
use crate::batch::{BatchId, BatchRef, BatchState};
use crate::error::ErrorKind;
use crate::lease::Settlement;
use crate::limits::{LimitScope, LimitSource, Limits};
use crate::record::{Enqueued, When};
use crate::state::JobState;
use crate::unique::UniqueKey;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Jobs of other queues are counted before the call that adds them returns.
pub async fn jobs_of_other_queues_are_counted_with_their_enqueue(t: &Scene) {
    let u = t.elsewhere();
    let batch = t.open().await;
    u.enqueue_in(&batch).await;
    assert_eq!(t.counts(&batch).await, (1, 0, 0, 0));

    let here = t.job_with(|record| record.batch = Some(batch.clone()));
    let there = u.job_with(|record| record.batch = Some(batch.clone()));
    t.add_all(&[here, there]).await;
    assert_eq!(t.counts(&batch).await, (3, 0, 0, 0));
}

/// Every end in another queue is counted.
pub async fn every_end_in_another_queue_is_counted(t: &Scene) {
    let u = t.elsewhere();
    let batch = t.open().await;
    for _ in 0..3 {
        u.enqueue_in(&batch).await;
    }
    let leases = u.lease(3).await;
    u.ack(&leases[0]).await;
    u.bury(&leases[1]).await;
    u.retry(&leases[2], AT_ONCE).await;
    let cancelled = u.enqueue_in(&batch).await;
    u.cancel(cancelled).await;
    let deleted = u.schedule_in(&batch).await;
    u.delete(deleted).await;

    t.until(&[&u], "all ends are counted", async || t.counts(&batch).await == (5, 1, 1, 2)).await;
    t.calm_down(&[&u]).await;
    assert_eq!(t.counts(&batch).await, (5, 1, 1, 2));
}

/// A batch without jobs at home ends with its last job elsewhere, and tells so once.
pub async fn a_batch_ends_with_its_last_job_elsewhere(t: &Scene) {
    let (u, v) = (t.elsewhere(), t.elsewhere());
    let callback = t.job();
    let batch = t.open_with(|new| new.on_complete = Some(callback.clone())).await;
    for scene in [&u, &v, &u, &v] {
        scene.enqueue_in(&batch).await;
    }
    t.close(&batch).await;
    t.calm_down(&[&u, &v]).await;
    assert_eq!(t.batch(&batch).await.state, BatchState::Closed);
    for scene in [&v, &u] {
        for lease in scene.lease(2).await {
            scene.ack(&lease).await;
        }
    }
    t.until(&[&u, &v], "the batch has ended", async || {
        t.batch(&batch).await.state == BatchState::Succeeded
    })
    .await;

    t.calm_down(&[&u, &v]).await;
    assert_eq!(t.counts(&batch).await, (4, 4, 0, 0));
    let lease = t.lease_one().await;
    assert_eq!(lease.job.id, callback.record.id);
    t.ack(&lease).await;
    t.calm_down(&[&u, &v]).await;
    assert_eq!(t.lease_ids(9).await, []);
}

/// A callback may go to yet another queue.
pub async fn a_callback_may_go_to_another_queue(t: &Scene) {
    let (u, v) = (t.elsewhere(), t.elsewhere());
    let callback = v.job();
    let batch = t.open_with(|new| new.on_success = Some(callback.clone())).await;
    u.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = u.lease_one().await;
    u.ack(&lease).await;
    t.until(&[&u, &v], "the callback is ready", async || {
        v.state(callback.record.id).await == Some(JobState::Ready)
    })
    .await;

    let lease = v.lease_one().await;
    assert_eq!(lease.job.metadata.get("batch_queue"), Some(t.queue().as_str()));
    v.ack(&lease).await;
    t.calm_down(&[&u, &v]).await;
    assert_eq!(v.lease_ids(9).await, [], "it was enqueued once");
}

/// A worker of the home is woken for a callback.
pub async fn a_callback_wakes_a_worker_elsewhere(t: &Scene) {
    let u = t.elsewhere();
    let batch = t.open_with(|new| new.on_complete = Some(u.job())).await;
    t.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = t.lease_one().await;
    u.calm().await;
    let end = async {
        t.ack(&lease).await;
        t.until(&[&u], "the callback is ready", async || u.stats().await.ready == 1).await;
    };
    tokio::join!(u.woken(), end);
}

/// What is there already is not counted, nor is what is refused.
pub async fn duplicates_elsewhere_are_not_counted(t: &Scene) {
    let u = t.elsewhere();
    let batch = t.open().await;
    let key = UniqueKey::from_bytes([1; 16]);
    let [job, rival] = std::array::from_fn(|_| {
        u.job_with(|record| {
            record.batch = Some(batch.clone());
            record.unique = Some(key.into());
        })
    });
    u.add_all(&[job.clone(), job.clone(), rival.clone()]).await;
    u.add_all(&[rival, job]).await;
    assert_eq!(t.counts(&batch).await, (1, 0, 0, 0));
    t.close(&batch).await;
    let lease = u.lease_one().await;
    u.ack(&lease).await;

    t.until(&[&u], "the batch has ended", async || {
        t.batch(&batch).await.state == BatchState::Succeeded
    })
    .await;
}

/// Nor is what its queue has no room for.
pub async fn refused_jobs_elsewhere_are_not_counted(t: &Scene) {
    let u = t.elsewhere();
    let batch = t.open().await;
    let scope = LimitScope::Queue(u.queue().clone());
    let limits = Limits::new().max_size(1);
    t.store().set_limits(&scope, LimitSource::Code, &limits).await.unwrap();
    u.enqueue_in(&batch).await;

    let job = u.job_with(|record| record.batch = Some(batch.clone()));
    assert_eq!(u.refusal(&[job]).await, ErrorKind::Limited);
    assert_eq!(t.counts(&batch).await, (1, 0, 0, 0));
    t.close(&batch).await;
    let lease = u.lease_one().await;
    u.ack(&lease).await;
    t.until(&[&u], "the batch has ended", async || {
        t.batch(&batch).await.state == BatchState::Succeeded
    })
    .await;
}

/// A batch of which only duplicates were expected ends.
pub async fn a_batch_of_duplicates_ends(t: &Scene) {
    let u = t.elsewhere();
    let callback = t.job();
    let batch = t.open_with(|new| new.on_success = Some(callback.clone())).await;
    let mut job = u.job();
    u.add(&job).await;
    job.record.batch = Some(batch.clone());
    assert_eq!(u.add(&job).await, Enqueued::Duplicate(u.at(job.record.id)));

    assert_eq!(t.close(&batch).await.state, BatchState::Succeeded);
    assert_eq!(t.lease_ids(9).await, [callback.record.id]);
}

/// A batch elsewhere that is not known or has ended is refused, and nothing is written.
pub async fn an_impossible_batch_elsewhere_is_refused(t: &Scene) {
    let u = t.elsewhere();
    let unknown = BatchRef::new(t.queue().clone(), BatchId::from_bytes([7; 16]));
    let nobodys = BatchRef::new(t.elsewhere().queue().clone(), BatchId::from_bytes([7; 16]));
    let (ended, open) = (t.open().await, t.open().await);
    t.close(&ended).await;

    let refusals = [
        (unknown, ErrorKind::NotFound),
        (nobodys, ErrorKind::NotFound),
        (ended, ErrorKind::Conflict),
    ];
    for (batch, kind) in refusals {
        let counted = u.job_with(|record| record.batch = Some(open.clone()));
        let refused = u.job_with(|record| record.batch = Some(batch));
        assert_eq!(u.refusal(&[u.job(), counted, refused]).await, kind);
    }
    assert_eq!(t.counts(&open).await, (0, 0, 0, 0), "counted, and taken back");
    u.assert_pristine().await;
}

/// A job that is known is a duplicate, whatever has become of its batch.
pub async fn a_known_job_elsewhere_may_be_enqueued_again(t: &Scene) {
    let u = t.elsewhere();
    let batch = t.open().await;
    let job = u.job_with(|record| {
        record.batch = Some(batch.clone());
        record.retention = Some(SECOND * 60);
    });
    u.add(&job).await;
    t.close(&batch).await;
    let lease = u.lease_one().await;
    u.ack(&lease).await;
    t.until(&[&u], "the batch has ended", async || {
        t.batch(&batch).await.state == BatchState::Succeeded
    })
    .await;

    assert_eq!(u.add(&job).await, Enqueued::Duplicate(u.at(job.record.id)));
    assert_eq!(t.counts(&batch).await, (1, 1, 0, 0));
}

/// A batch does not end under a job that adds another one before it ends, whatever queue that is in.
pub async fn a_job_may_add_to_its_batch_elsewhere(t: &Scene) {
    let (u, v) = (t.elsewhere(), t.elsewhere());
    let batch = t.open().await;
    u.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = u.lease_one().await;
    v.enqueue_in(&batch).await;
    u.ack(&lease).await;
    t.calm_down(&[&u, &v]).await;
    assert_eq!(t.batch(&batch).await.state, BatchState::Closed);
    assert_eq!(t.counts(&batch).await, (2, 1, 0, 0));
    let lease = v.lease_one().await;
    v.ack(&lease).await;

    t.until(&[&u, &v], "the batch has ended", async || {
        t.batch(&batch).await.state == BatchState::Succeeded
    })
    .await;
}

/// A dead job elsewhere is found, brought back, and pending again.
pub async fn a_dead_job_elsewhere_is_found_and_retried(t: &Scene) {
    let u = t.elsewhere();
    let batch = t.open().await;
    let id = u.enqueue_in(&batch).await;
    t.close(&batch).await;
    let lease = u.lease_one().await;
    u.bury(&lease).await;
    t.until(&[&u], "the batch has failed", async || {
        t.batch(&batch).await.state == BatchState::Failed
    })
    .await;
    assert_eq!(t.store().failed_of_batch(&batch, 0, 9).await.unwrap(), [u.at(id)]);
    u.requeue(id).await;
    t.until(&[&u], "the batch goes on", async || t.batch(&batch).await.state == BatchState::Closed)
        .await;
    assert_eq!(t.store().failed_of_batch(&batch, 0, 9).await.unwrap(), []);
    let lease = u.lease_one().await;
    u.bury(&lease).await;
    u.delete(id).await;

    t.until(&[&u], "the dead job is not found any more", async || {
        t.counts(&batch).await == (1, 0, 1, 0)
            && t.store().failed_of_batch(&batch, 0, 9).await.unwrap().is_empty()
    })
    .await;
}

/// Jobs elsewhere are called off too, also those that come later.
pub async fn jobs_elsewhere_are_called_off(t: &Scene) {
    let (u, v) = (t.elsewhere(), t.elsewhere());
    let batch = t.open().await;
    u.enqueue_in(&batch).await;
    let other = u.enqueue().await;
    t.store().call_off_batch(&batch).await.unwrap();
    v.enqueue_in(&batch).await;
    t.calm_down(&[&u, &v]).await;

    assert_eq!(u.lease_ids(9).await, [other]);
    assert_eq!(v.lease_ids(9).await, []);
    t.until(&[&u, &v], "they are counted as cancelled", async || {
        t.counts(&batch).await == (2, 0, 0, 2)
    })
    .await;
    u.enqueue_in(&batch).await;
    assert_eq!(u.lease_ids(9).await, []);
}

/// However late they would be leased, and whatever else of the batch was there and has ended.
pub async fn jobs_elsewhere_stay_called_off(t: &Scene) {
    let u = t.elsewhere();
    let batch = t.open().await;
    let mut late = u.job_with(|record| record.batch = Some(batch.clone()));
    late.when = When::After(DAY * 3);
    u.add(&late).await;
    let retried = u.enqueue_in(&batch).await;
    let lease = u.lease_one().await;
    u.bury(&lease).await;
    t.store().call_off_batch(&batch).await.unwrap();
    t.calm_down(&[&u]).await;
    u.requeue(retried).await;
    let lease = u.lease_one().await;
    u.ack(&lease).await;
    for _ in 0..3 {
        t.advance(DAY);
        t.calm_down(&[&u]).await;
    }

    assert_eq!(u.state(late.record.id).await, Some(JobState::Ready));
    assert_eq!(u.lease_ids(9).await, []);
    t.until(&[&u], "it is counted as cancelled", async || t.counts(&batch).await == (2, 1, 0, 1))
        .await;
}

/// A failure in one queue may call off the rest in another.
pub async fn a_failure_elsewhere_may_call_off_the_rest(t: &Scene) {
    let (u, v) = (t.elsewhere(), t.elsewhere());
    let batch = t.open_with(|new| new.call_off_on_failure = true).await;
    u.enqueue_in(&batch).await;
    v.enqueue_in(&batch).await;
    let lease = u.lease_one().await;
    u.bury(&lease).await;
    t.until(&[&u, &v], "the batch is called off", async || t.batch(&batch).await.is_called_off)
        .await;
    t.calm_down(&[&u, &v]).await;

    assert_eq!(v.lease_ids(9).await, []);
}

/// A lost reply that makes a worker settle again counts nothing twice.
pub async fn a_repeated_settlement_elsewhere_counts_once(t: &Scene) {
    let u = t.elsewhere();
    let batch = t.open().await;
    for _ in 0..5 {
        u.enqueue_in(&batch).await;
    }
    let next = crate::lease::Next::Complete { result: None };
    let done = |lease| Settlement::new(lease, next.clone());
    let all: Vec<_> = u.lease(5).await.into_iter().map(done).collect();
    u.settle_all(&all).await;
    u.settle_all(&all).await;
    t.until(&[&u], "all are counted", async || t.counts(&batch).await.1 == 5).await;

    t.calm_down(&[&u]).await;
    assert_eq!(t.counts(&batch).await, (5, 5, 0, 0));
}

/// Nothing is left of a batch in any queue.
pub async fn a_batch_leaves_nothing_behind_elsewhere(t: &Scene) {
    let u = t.elsewhere();
    let batch = t.open().await;
    let dead = u.enqueue_in(&batch).await;
    let lease = u.lease_one().await;
    u.bury(&lease).await;
    u.enqueue_in(&batch).await;
    t.close(&batch).await;
    t.store().call_off_batch(&batch).await.unwrap();
    t.calm_down(&[&u]).await;
    assert_eq!(u.lease_ids(9).await, []);
    u.delete(dead).await;
    t.until(&[&u], "the batch has ended", async || t.batch(&batch).await.ended_at.is_some()).await;
    t.calm_down(&[&u]).await;
    t.advance(t.new_batch().retention + DAY);
    t.calm_down(&[&u]).await;

    assert_eq!(t.store().batch_view(&batch).await.unwrap(), None);
    t.assert_pristine().await;
    u.assert_pristine().await;
}
