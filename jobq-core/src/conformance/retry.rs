//! Attempts that fail and are followed by another.

use super::Scene;
use super::scene::{AT_ONCE, MS, SECOND};
use crate::history::{Failure, FailureKind, MAX_FAILURES, MAX_MESSAGE_BYTES};
use crate::lease::{Held, Next};
use crate::state::JobState;

/// A failed job waits out its backoff, to the millisecond.
pub async fn a_retry_waits_for_its_delay(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    assert_eq!(t.retry(&lease, SECOND).await, Held::Yes);

    assert_eq!(t.view(id).await.at, Some(t.now() + SECOND));
    t.advance(SECOND - MS);
    assert_eq!(t.lease_ids(1).await, []);
    t.advance(MS);
    assert_eq!(t.lease_ids(1).await, [id]);
}

/// The delay counts from the settlement, however long the attempt took.
pub async fn the_delay_counts_from_the_settlement(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.advance(SECOND * 7);
    t.retry(&lease, SECOND).await;

    assert_eq!(t.view(id).await.at, Some(t.now() + SECOND));
}

/// The next attempt has the next number.
pub async fn a_retry_uses_an_attempt(t: &Scene) {
    t.enqueue().await;
    for attempt in 1..=4 {
        let lease = t.lease_one().await;
        assert_eq!(lease.attempt(), attempt);
        assert_eq!(lease.failed_attempts, attempt - 1);
        t.retry(&lease, SECOND).await;
        t.advance(SECOND);
    }
}

/// A failed attempt is not a crash.
pub async fn a_retry_counts_no_crash(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.retry(&lease, SECOND).await;

    let view = t.view(id).await;
    assert_eq!((view.failed_attempts, view.crashes), (1, 0));
}

/// What went wrong is told to people and to the next attempt, as it was said.
pub async fn a_failure_is_remembered(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let failure = Failure::new(
        FailureKind::Timeout,
        1,
        t.now() - SECOND,
        t.worker(),
        "nach 60 s: überfällig\n\0\"'",
    );
    let next = Next::Retry { after: SECOND, failure: failure.clone() };
    t.settle(&lease, next).await;
    t.advance(SECOND);

    assert_eq!(t.view(id).await.history.last(), Some(&failure));
    assert_eq!(t.lease_one().await.history.failures(), [failure]);
}

/// Every way to fail is told apart when it comes back.
pub async fn every_kind_of_failure_is_remembered(t: &Scene) {
    let kinds = [
        FailureKind::Error,
        FailureKind::Panic,
        FailureKind::Timeout,
        FailureKind::Crash,
        FailureKind::Undecodable,
    ];
    t.enqueue().await;
    for kind in kinds {
        let lease = t.lease_one().await;
        let failure = Failure::new(kind, lease.attempt(), t.now(), t.worker(), "no");
        let after = AT_ONCE;
        t.settle(&lease, Next::Retry { after, failure }).await;
    }

    let lease = t.lease_one().await;
    let remembered: Vec<_> = lease.history.failures().iter().map(|f| f.kind).collect();
    assert_eq!(remembered, kinds);
}

/// Failures are listed oldest first.
pub async fn failures_are_in_their_order(t: &Scene) {
    let id = t.enqueue().await;
    fail_times(t, 3).await;

    let view = t.view(id).await;
    let attempts: Vec<_> = view.history.failures().iter().map(|f| f.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

/// A job remembers a bounded number of failures: the newest.
pub async fn the_oldest_failures_are_forgotten(t: &Scene) {
    let id = t.enqueue_with(|record| record.max_attempts = 100).await;
    fail_times(t, 20).await;

    let view = t.view(id).await;
    assert_eq!(view.failed_attempts, 20);
    assert_eq!(view.history.failures().len(), MAX_FAILURES);
    assert_eq!(view.history.failures()[0].attempt, 5);
    assert_eq!(view.history.last().map(|f| f.attempt), Some(20));
}

/// A message of the greatest length is kept whole.
pub async fn a_long_message_is_kept(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    let message = "é".repeat(MAX_MESSAGE_BYTES / 2);
    let failure = t.failure(&lease, &message);
    let after = AT_ONCE;
    t.settle(&lease, Next::Retry { after, failure }).await;

    let lease = t.lease_one().await;
    assert_eq!(lease.history.last().map(|f| &*f.message), Some(&*message));
}

/// A retry at once is scheduled for now, and found by the next lease.
pub async fn a_retry_without_delay_comes_back_at_once(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.retry(&lease, AT_ONCE).await;

    let second = t.lease_one().await;
    assert_eq!((second.job.id, second.attempt()), (id, 2));
}

/// A retry at once goes behind the jobs that waited meanwhile.
pub async fn a_retry_without_delay_goes_to_the_back(t: &Scene) {
    let failed = t.enqueue().await;
    let lease = t.lease_one().await;
    let waiting = t.enqueue().await;
    t.retry(&lease, AT_ONCE).await;

    assert_eq!(t.lease_ids(2).await, [waiting, failed]);
}

/// Whether attempts are left is for the worker to decide: a retry is obeyed.
pub async fn a_retry_is_obeyed_beyond_the_last_attempt(t: &Scene) {
    let id = t.enqueue_with(|record| record.max_attempts = 1).await;
    let lease = t.lease_one().await;
    assert!(lease.is_last_attempt());
    assert_eq!(t.retry(&lease, SECOND).await, Held::Yes);

    assert_eq!(t.state(id).await, Some(JobState::Scheduled));
    t.advance(SECOND);
    assert_eq!(t.lease_one().await.attempt(), 2);
}

/// The record of a job is the same for every attempt.
pub async fn a_retry_does_not_change_the_record(t: &Scene) {
    t.enqueue().await;
    let first = t.lease_one().await;
    t.advance(SECOND);
    t.retry(&first, SECOND).await;
    t.advance(SECOND);

    assert_eq!(t.lease_one().await.job, first.job);
}

/// A retry waits in the open: nobody holds it.
pub async fn a_retried_job_is_held_by_nobody(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.retry(&lease, SECOND).await;

    let view = t.view(id).await;
    assert_eq!(view.state, JobState::Scheduled);
    assert_eq!(view.held_by, None);
}

async fn fail_times(t: &Scene, times: u32) {
    for _ in 0..times {
        let lease = t.lease_one().await;
        t.retry(&lease, SECOND).await;
        t.advance(SECOND);
    }
}
