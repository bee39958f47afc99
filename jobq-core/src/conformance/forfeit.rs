//! Leases that a worker gives up without having heard of them.

use super::Scene;
use super::scene::{AT_ONCE, SECOND};
use crate::history::History;
use crate::id::WorkerId;
use crate::lease::{Held, LeaseRef};
use crate::state::JobState;

/// Jobs leased by an exchange whose answer got lost are ready again.
pub async fn forfeited_jobs_are_ready_again(t: &Scene) {
    let id = t.enqueue().await;
    t.lease_one().await;

    assert_eq!(forfeit(t, &[]).await, 1);
    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

/// What the worker knows of it keeps.
pub async fn kept_leases_are_still_held(t: &Scene) {
    t.enqueue().await;
    t.enqueue().await;
    let leases = t.lease(2).await;

    assert_eq!(forfeit(t, &[leases[0].proof()]).await, 1);
    assert_eq!(t.ack(&leases[0]).await, Held::Yes);
    assert_eq!(t.ack(&leases[1]).await, Held::Lost);
}

/// Other workers keep what they hold.
pub async fn other_workers_forfeit_nothing(t: &Scene) {
    t.enqueue().await;
    let theirs = t.lease_as(WorkerId::generate(), 1).await;

    assert_eq!(forfeit(t, &[]).await, 0);
    assert_eq!(t.ack(&theirs[0]).await, Held::Yes);
}

/// A forfeited job was not run: nothing is counted.
pub async fn a_forfeit_counts_nothing(t: &Scene) {
    t.enqueue().await;
    t.lease_one().await;
    forfeit(t, &[]).await;

    let lease = t.lease_one().await;
    assert_eq!((lease.attempt(), lease.crashes), (1, 0));
    assert_eq!(lease.history, History::new());
}

/// Forfeited jobs go before those that waited meanwhile, in the order in which they were leased.
pub async fn forfeited_jobs_go_to_the_front_in_their_order(t: &Scene) {
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(t.enqueue().await);
    }
    t.lease(5).await;
    t.advance(SECOND);
    t.lease(5).await;
    forfeit(t, &[]).await;

    assert_eq!(t.lease_ids(12).await, ids);
}

/// A token that the worker believes to hold but does not keeps nothing.
pub async fn a_stale_proof_keeps_nothing(t: &Scene) {
    t.enqueue().await;
    let former = t.lease_one().await;
    t.retry(&former, AT_ONCE).await;
    t.lease_one().await;

    assert_eq!(forfeit(t, &[former.proof()]).await, 1);
}

/// A forfeit may be repeated.
pub async fn a_second_forfeit_finds_nothing(t: &Scene) {
    t.enqueue().await;
    t.lease_one().await;

    assert_eq!(forfeit(t, &[]).await, 1);
    assert_eq!(forfeit(t, &[]).await, 0);
    assert_eq!(t.stats().await.ready, 1);
}

/// A queue that nobody knows has nothing to give back.
pub async fn an_unknown_queue_forfeits_nothing(t: &Scene) {
    assert_eq!(forfeit(t, &[]).await, 0);
}

/// A forfeited lease is as good as none.
pub async fn a_forfeited_lease_is_lost(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    forfeit(t, &[]).await;

    assert_eq!(t.ack(&lease).await, Held::Lost);
    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

async fn forfeit(t: &Scene, keep: &[LeaseRef]) -> usize {
    let store = t.store();
    store.forfeit(t.queue(), t.worker(), keep).await.unwrap()
}
