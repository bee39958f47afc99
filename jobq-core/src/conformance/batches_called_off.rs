//! Batches that are called off: what has not started ends as cancelled instead of being leased.

use std::time::Duration;

use super::Scene;
use super::scene::{AT_ONCE, SECOND};
use crate::batch::BatchState;
use crate::state::JobState;

/// Jobs of a batch that was called off end instead of being leased.
pub async fn jobs_of_a_batch_called_off_are_not_leased(t: &Scene) {
    let batch = t.open().await;
    for _ in 0..3 {
        t.enqueue_in(&batch).await;
    }
    let other = t.enqueue().await;
    t.close(&batch).await;
    assert!(t.store().call_off_batch(&batch).await.unwrap());
    assert!(t.batch(&batch).await.is_called_off);

    assert_eq!(t.lease_ids(1).await, [other], "the others are in nobody's way");
    assert_eq!(t.counts(&batch).await, (3, 0, 0, 3));
    assert_eq!(t.batch(&batch).await.state, BatchState::Failed);
}

/// What runs goes on.
pub async fn a_running_job_is_not_called_off(t: &Scene) {
    let batch = t.open().await;
    t.enqueue_in(&batch).await;
    let lease = t.lease_one().await;
    t.store().call_off_batch(&batch).await.unwrap();
    assert_eq!(t.extend(&lease, SECOND).await, crate::lease::Extended::Yes);
    t.ack(&lease).await;

    assert_eq!(t.counts(&batch).await, (1, 1, 0, 0));
}

/// So does what has run, and failed or crashed.
pub async fn a_job_that_has_started_is_not_called_off(t: &Scene) {
    let batch = t.open().await;
    let (failed, crashed) = (t.enqueue_in(&batch).await, t.enqueue_in(&batch).await);
    let leases = t.lease(2).await;
    t.retry(&leases[0], LEASE_AND_MORE).await;
    t.crash().await;
    t.store().call_off_batch(&batch).await.unwrap();
    t.advance(LEASE_AND_MORE);

    let mut leased = t.lease_ids(9).await;
    leased.sort_unstable();
    let mut started = [failed, crashed];
    started.sort_unstable();
    assert_eq!(leased, started);
}

/// What comes later is called off too.
pub async fn a_job_added_to_a_batch_called_off_is_not_leased(t: &Scene) {
    let batch = t.open().await;
    t.store().call_off_batch(&batch).await.unwrap();
    let id = t.enqueue_in(&batch).await;
    assert_eq!(t.state(id).await, Some(JobState::Ready));

    assert_eq!(t.lease_ids(1).await, []);
    assert_eq!(t.state(id).await, None);
    assert_eq!(t.counts(&batch).await, (1, 0, 0, 1));
}

/// Jobs that are kept are kept as cancelled.
pub async fn a_job_called_off_may_be_kept(t: &Scene) {
    let batch = t.open().await;
    let id = t
        .enqueue_with(|record| {
            record.batch = Some(batch.clone());
            record.retention = Some(SECOND);
        })
        .await;
    t.store().call_off_batch(&batch).await.unwrap();
    t.lease_ids(1).await;

    assert_eq!(t.state(id).await, Some(JobState::Cancelled));
}

/// A batch that has ended cannot be called off any more.
pub async fn a_batch_that_has_ended_is_not_called_off(t: &Scene) {
    let batch = t.open().await;
    t.close(&batch).await;
    let ended = t.batch(&batch).await;

    assert!(t.store().call_off_batch(&batch).await.unwrap(), "it is known");
    assert_eq!(t.batch(&batch).await, ended);
}

/// A batch may call itself off with its first failure.
pub async fn the_first_failure_may_call_off_the_rest(t: &Scene) {
    let batch = t.open_with(|new| new.call_off_on_failure = true).await;
    let cancelled = t.enqueue_in(&batch).await;
    let failed = t.enqueue_in(&batch).await;
    t.enqueue_in(&batch).await;
    t.close(&batch).await;
    t.cancel(cancelled).await;
    assert!(!t.batch(&batch).await.is_called_off, "a cancelled job has not failed");
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    assert!(t.batch(&batch).await.is_called_off);
    assert_eq!(t.lease_ids(9).await, []);
    assert_eq!(t.counts(&batch).await, (3, 0, 1, 2));

    t.requeue(failed).await;
    let lease = t.lease_one().await;
    assert_eq!(lease.job.id, failed, "who is brought back has started");
    t.ack(&lease).await;
    assert_eq!(t.counts(&batch).await, (3, 1, 0, 2));
    assert_eq!(t.batch(&batch).await.state, BatchState::Failed);
}

/// A large batch that was called off is gone after some calls, none of which does all of it.
pub async fn a_large_batch_is_called_off(t: &Scene) {
    let batch = t.open().await;
    let jobs: Vec<_> = (0..3_000).map(|_| t.job_with(|r| r.batch = Some(batch.clone()))).collect();
    for jobs in jobs.chunks(500) {
        t.add_all(jobs).await;
    }
    let other = t.enqueue().await;
    t.close(&batch).await;
    t.store().call_off_batch(&batch).await.unwrap();
    let mut leased = Vec::new();
    for _ in 0..100 {
        let exchanged = t.exchange(&[], 1).await;
        leased.extend(exchanged.leases.iter().map(|lease| lease.job.id));
        if leased.is_empty() {
            assert_eq!(exchanged.next_in, Some(AT_ONCE), "there is more to do");
        } else {
            break;
        }
    }

    assert_eq!(leased, [other]);
    assert_eq!(t.counts(&batch).await, (3_000, 0, 0, 3_000));
}

const LEASE_AND_MORE: Duration = Duration::from_secs(60);
