//! Leases that are renewed.

use super::scene::{MS, SECOND, fresh_queue};
use super::{LEASE, Scene};
use crate::id::WorkerId;
use crate::inspect::CancelOutcome;
use crate::lease::{Extended, LeaseRef};
use crate::state::JobState;

/// An extended lease lasts its duration from now.
pub async fn an_extension_counts_from_now(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.advance(SECOND);

    assert_eq!(t.extend(&lease, LEASE).await, Extended::Yes);
    assert_eq!(t.view(id).await.at, Some(t.now() + LEASE));
}

/// A job whose lease is extended in time is not taken away.
pub async fn an_extended_lease_outlives_its_first_end(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.advance(LEASE - MS);
    t.extend(&lease, LEASE).await;
    t.advance(LEASE - MS);

    assert_eq!(t.maintain().await.reclaimed, 0);
    assert_eq!(t.state(id).await, Some(JobState::Leased));
}

/// An extended lease expires at its new end.
pub async fn an_extended_lease_expires_in_the_end(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.advance(SECOND);
    t.extend(&lease, LEASE).await;
    t.advance(LEASE);

    assert_eq!(t.maintain().await.reclaimed, 1);
}

/// A duration shorter than what is left shortens the lease.
pub async fn an_extension_may_shorten_a_lease(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.extend(&lease, SECOND).await;

    assert_eq!(t.view(id).await.at, Some(t.now() + SECOND));
    t.advance(SECOND);
    assert_eq!(t.maintain().await.reclaimed, 1);
}

/// An extended lease is the same lease.
pub async fn an_extension_changes_neither_token_nor_attempt(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.extend(&lease, LEASE * 2).await;

    let view = t.view(id).await;
    assert_eq!(view.held_by, Some((lease.worker, lease.token)));
    assert_eq!((view.failed_attempts, view.crashes), (0, 0));
}

/// A lease that was extended can be settled as before.
pub async fn an_extended_lease_can_be_settled(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.extend(&lease, LEASE * 2).await;
    t.advance(LEASE);
    t.ack(&lease).await;

    t.assert_pristine().await;
}

/// A lease may be extended any number of times.
pub async fn a_lease_may_be_extended_again_and_again(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    for _ in 0..20 {
        t.advance(LEASE / 2);
        assert_eq!(t.extend(&lease, LEASE).await, Extended::Yes);
        assert_eq!(t.maintain().await.reclaimed, 0);
    }

    assert_eq!(t.state(id).await, Some(JobState::Leased));
}

/// A backend may extend a lease that has expired unnoticed; if it says so, the lease lasts.
pub async fn an_expired_lease_is_extended_whole_or_not_at_all(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.advance(LEASE + SECOND);

    let extended = t.extend(&lease, LEASE).await;
    let reclaimed = t.maintain().await.reclaimed;
    let state = t.state(id).await;
    match extended {
        Extended::Yes => assert_eq!((reclaimed, state), (0, Some(JobState::Leased))),
        Extended::Lost => assert_eq!((reclaimed, state), (1, Some(JobState::Ready))),
        Extended::CancelRequested => panic!("nobody asked to cancel the job"),
    }
}

/// A lease that has ended cannot be extended.
pub async fn a_settled_lease_is_not_extended(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.extend(&lease, LEASE).await, Extended::Lost);
    t.assert_pristine().await;
}

/// A job that waits for its retry has no lease to extend.
pub async fn a_retried_lease_is_not_extended(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.retry(&lease, SECOND).await;

    assert_eq!(t.extend(&lease, LEASE).await, Extended::Lost);
    assert_eq!(t.view(id).await.at, Some(t.now() + SECOND));
}

/// Nobody extends another worker's lease.
pub async fn another_workers_lease_is_not_extended(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let stolen = LeaseRef::new(id, lease.token, WorkerId::generate());
    let store = t.store();

    let answers = store.extend(t.queue(), &[stolen], LEASE * 2).await;
    assert_eq!(answers.unwrap(), [Extended::Lost]);
    assert_eq!(t.view(id).await.at, Some(lease.expires_at));
}

/// Answers are matched to leases by their position.
pub async fn answers_are_in_the_order_of_the_leases(t: &Scene) {
    for _ in 0..3 {
        t.enqueue().await;
    }
    let leases = t.lease(3).await;
    t.ack(&leases[0]).await;
    t.cancel(leases[2].job.id).await;

    let proofs: Vec<_> = leases.iter().map(|lease| lease.proof()).collect();
    let answers = t.store().extend(t.queue(), &proofs, LEASE).await;
    assert_eq!(answers.unwrap(), [Extended::Lost, Extended::Yes, Extended::CancelRequested]);
}

/// No leases are no mistake.
pub async fn no_leases_need_no_extension(t: &Scene) {
    let answers = t.store().extend(t.queue(), &[], LEASE).await;

    assert_eq!(answers.unwrap(), []);
}

/// A lease is extended in its own queue alone.
pub async fn a_lease_of_another_queue_is_not_extended(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    let other = fresh_queue();

    let answers = t.store().extend(&other, &[lease.proof()], LEASE).await;
    assert_eq!(answers.unwrap(), [Extended::Lost]);
}

/// Extending is how a worker learns that somebody wants its job to end; the lease lasts all the same.
pub async fn an_extension_brings_the_request_to_cancel(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    assert_eq!(t.cancel(id).await, CancelOutcome::Requested);
    t.advance(SECOND);

    for _ in 0..2 {
        assert_eq!(t.extend(&lease, LEASE).await, Extended::CancelRequested);
    }
    let view = t.view(id).await;
    assert_eq!(view.at, Some(t.now() + LEASE));
    assert!(view.cancel_requested);
}
