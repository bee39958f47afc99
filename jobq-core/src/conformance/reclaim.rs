//! Leases that run out: a crash of the worker, or as good as one.

use std::time::Duration;

use super::scene::{AT_ONCE, MS, SECOND};
use super::{LEASE, Scene};
use crate::history::FailureKind;
use crate::lease::{Held, LeaseRequest, Next, Settlement};
use crate::priority::Priority;
use crate::state::JobState;

/// A lease that has a millisecond left is left alone.
pub async fn a_lease_is_not_reclaimed_before_it_expires(t: &Scene) {
    let id = t.enqueue().await;
    t.lease_one().await;
    t.advance(LEASE - MS);

    let done = t.maintain().await;
    assert_eq!((done.reclaimed, done.more), (0, false));
    assert_eq!(t.state(id).await, Some(JobState::Leased));
}

/// A lease expires at its instant, not after it.
pub async fn a_lease_is_reclaimed_when_it_expires(t: &Scene) {
    let id = t.enqueue().await;
    t.lease_one().await;
    t.advance(LEASE);

    assert_eq!(t.maintain().await.reclaimed, 1);
    let view = t.view(id).await;
    assert_eq!(view.state, JobState::Ready);
    assert_eq!((view.at, view.held_by), (None, None));
}

/// Who asks for jobs gets those of a dead worker at once.
pub async fn an_exchange_reclaims_and_leases_in_one_step(t: &Scene) {
    let id = t.enqueue().await;
    t.lease_one().await;
    t.advance(LEASE);

    assert_eq!(t.lease_ids(1).await, [id]);
}

/// An exchange reclaims even when it leases nothing.
pub async fn an_exchange_without_a_lease_reclaims(t: &Scene) {
    let id = t.enqueue().await;
    t.lease_one().await;
    t.advance(LEASE);
    t.settle_all(&[]).await;

    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

/// A crash is counted as a crash, and uses no attempt.
pub async fn a_crash_uses_no_attempt(t: &Scene) {
    t.enqueue().await;
    t.lease_one().await;
    t.crash().await;

    let lease = t.lease_one().await;
    assert_eq!((lease.attempt(), lease.failed_attempts), (1, 0));
    assert_eq!(lease.crashes, 1);
}

/// The crash is in the job's history: who held it, and which attempt it was.
pub async fn a_crash_is_remembered(t: &Scene) {
    t.enqueue().await;
    let first = t.lease_one().await;
    t.retry(&first, AT_ONCE).await;
    t.lease_one().await;
    t.advance(LEASE + SECOND);
    t.maintain().await;

    let lease = t.lease_one().await;
    let crash = lease.history.last().expect("a failure");
    assert_eq!(crash.kind, FailureKind::Crash);
    assert_eq!(crash.message, "lease expired");
    assert_eq!(crash.attempt, 2);
    assert_eq!(crash.at, t.now());
    assert_eq!(crash.worker, t.worker());
    assert_eq!(lease.history.failures().len(), 2);
}

/// Crashes and failed attempts do not add up.
pub async fn crashes_and_failures_are_counted_apart(t: &Scene) {
    let id = t.enqueue().await;
    for _ in 0..2 {
        let lease = t.lease_one().await;
        t.retry(&lease, AT_ONCE).await;
        t.lease_one().await;
        t.crash().await;
    }

    let view = t.view(id).await;
    assert_eq!((view.failed_attempts, view.crashes), (2, 2));
}

/// A job that lost its worker has waited long enough.
pub async fn a_reclaimed_job_goes_to_the_front(t: &Scene) {
    let crashed = t.enqueue().await;
    t.lease_one().await;
    let waiting = t.enqueue().await;
    t.crash().await;

    assert_eq!(t.lease_ids(2).await, [crashed, waiting]);
}

/// The front of a priority is still behind every higher one.
pub async fn a_reclaimed_job_does_not_overtake_a_higher_priority(t: &Scene) {
    let low = t.enqueue().await;
    t.lease_one().await;
    let urgent = Priority::HIGHEST;
    let high = t.enqueue_with(|record| record.priority = urgent).await;
    t.crash().await;

    assert_eq!(t.lease_ids(2).await, [high, low]);
}

/// Of several leases reclaimed in one step, the one that expired first is first again.
pub async fn the_earliest_expiry_comes_first(t: &Scene) {
    let later = t.enqueue().await;
    let held_longer = t.lease_one().await;
    let earlier = t.enqueue().await;
    t.lease_one().await;
    t.extend(&held_longer, LEASE + SECOND).await;
    t.advance(LEASE + SECOND);
    t.maintain().await;

    assert_eq!(t.lease_ids(2).await, [earlier, later]);
}

/// Jobs that were leased together come back in their order.
pub async fn jobs_that_expire_together_keep_their_order(t: &Scene) {
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(t.enqueue().await);
    }
    t.lease(12).await;
    t.crash().await;

    assert_eq!(t.lease_ids(12).await, ids);
}

/// Maintenance does a bounded amount, and says that there may be more.
pub async fn maintenance_reclaims_no_more_than_its_limit(t: &Scene) {
    for _ in 0..5 {
        t.enqueue().await;
    }
    t.lease(5).await;
    t.advance(LEASE);

    let first = t.store().maintain(t.queue(), 3).await.unwrap();
    let second = t.store().maintain(t.queue(), 3).await.unwrap();
    assert_eq!((first.reclaimed, first.more), (3, true));
    assert_eq!((second.reclaimed, second.more), (2, false));
}

/// A job that brings down worker after worker is put aside.
pub async fn a_job_that_crashes_too_often_is_dead(t: &Scene) {
    let id = t.enqueue_with(|record| record.max_crashes = 2).await;
    t.lease_one().await;
    assert_eq!(t.crash().await.reclaimed, 1);
    t.lease_one().await;

    let done = t.crash().await;
    assert_eq!((done.reclaimed, done.poisoned), (0, 1));
    let view = t.view(id).await;
    assert_eq!((view.state, view.crashes), (JobState::Dead, 2));
    assert_eq!(view.at, Some(t.now()));
    assert_eq!(view.history.failures().len(), 2);
}

/// A job may be allowed no crash at all.
pub async fn a_job_allowed_one_crash_dies_of_the_first(t: &Scene) {
    let id = t.enqueue_with(|record| record.max_crashes = 1).await;
    t.lease_one().await;
    t.advance(LEASE);

    assert_eq!(t.lease_ids(1).await, []);
    assert_eq!(t.state(id).await, Some(JobState::Dead));
}

/// Attempts left do not save a job from its crashes, and attempts used up do not hasten its end.
pub async fn crashes_alone_make_a_poison_pill(t: &Scene) {
    let id = t.enqueue_with(|record| record.max_attempts = 1).await;
    for _ in 0..2 {
        t.lease_one().await;
        t.crash().await;
        assert_eq!(t.state(id).await, Some(JobState::Ready));
    }
    t.lease_one().await;
    t.crash().await;

    assert_eq!(t.state(id).await, Some(JobState::Dead));
}

/// An expired lease that nobody has reclaimed is still held: its worker may settle it.
pub async fn a_late_settlement_counts_if_nobody_was_faster(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.advance(LEASE * 2);

    assert_eq!(t.ack(&lease).await, Held::Yes);
    assert_eq!(t.maintain().await.reclaimed, 0);
    t.assert_pristine().await;
}

/// In one exchange settlements come before reclaiming, so the worker's own late ones count.
pub async fn an_exchange_settles_before_it_reclaims(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.advance(LEASE);

    let next = Next::Complete { result: None };
    let exchanged = t.exchange(&[Settlement::new(lease, next)], 1).await;
    assert_eq!(exchanged.held, [Held::Yes]);
    assert_eq!(exchanged.leases, []);
}

/// A lease of no time has expired when it is given.
pub async fn a_lease_of_zero_expires_at_once(t: &Scene) {
    let id = t.enqueue().await;
    let request = LeaseRequest::new(t.worker(), 1, Duration::ZERO);
    let exchanged = t.store().exchange(t.queue(), &[], Some(request)).await;
    assert_eq!(exchanged.unwrap().leases.len(), 1);

    assert_eq!(t.maintain().await.reclaimed, 1);
    assert_eq!(t.view(id).await.crashes, 1);
}

/// Maintenance of a queue that nobody knows does nothing.
pub async fn maintenance_of_an_unknown_queue_does_nothing(t: &Scene) {
    let done = t.maintain().await;

    assert_eq!((done.promoted, done.reclaimed), (0, 0));
    assert_eq!((done.poisoned, done.pruned), (0, 0));
    assert!(!done.more);
}

/// What a worker has settled is not reclaimed later.
pub async fn a_settled_lease_does_not_expire(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.snooze(&lease, LEASE * 3).await;
    t.crash().await;

    let view = t.view(id).await;
    assert_eq!((view.state, view.crashes), (JobState::Scheduled, 0));
}
