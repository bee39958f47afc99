//! Queues that people stop for a while.

use super::scene::{SECOND, fresh_queue};
use super::{LEASE, Scene};
use crate::lease::{Extended, Held, Next, Settlement};
use crate::state::JobState;

/// A paused queue keeps its jobs.
pub async fn a_paused_queue_leases_nothing(t: &Scene) {
    let id = t.enqueue().await;
    t.pause().await;

    assert_eq!(t.lease_ids(1).await, []);
    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

/// A resumed queue goes on where it stopped.
pub async fn a_resumed_queue_leases_again(t: &Scene) {
    let ids = [t.enqueue().await, t.enqueue().await];
    t.pause().await;
    t.resume().await;

    assert_eq!(t.lease_ids(2).await, ids);
}

/// Producers are not held up.
pub async fn a_paused_queue_takes_jobs(t: &Scene) {
    t.pause().await;
    let id = t.enqueue().await;
    t.resume().await;

    assert_eq!(t.lease_ids(1).await, [id]);
}

/// What runs goes on: leases are extended and settled.
pub async fn what_runs_goes_on(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.pause().await;

    assert_eq!(t.extend(&lease, LEASE).await, Extended::Yes);
    let next = Next::Complete { result: None };
    let exchanged = t.exchange(&[Settlement::new(lease, next)], 1).await;
    assert_eq!(exchanged.held, [Held::Yes]);
    t.assert_pristine().await;
}

/// Jobs become due in a paused queue.
pub async fn a_paused_queue_promotes(t: &Scene) {
    let id = t.schedule(SECOND).await;
    t.pause().await;
    t.advance(SECOND);

    assert_eq!(t.lease_ids(1).await, []);
    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

/// Leases expire in a paused queue.
pub async fn a_paused_queue_reclaims(t: &Scene) {
    let id = t.enqueue().await;
    t.lease_one().await;
    t.pause().await;

    assert_eq!(t.crash().await.reclaimed, 1);
    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

/// People see that a queue is paused.
pub async fn a_pause_can_be_seen(t: &Scene) {
    t.enqueue().await;
    assert!(!t.stats().await.paused);

    t.pause().await;
    assert!(t.stats().await.paused);
    t.resume().await;
    assert!(!t.stats().await.paused);
}

/// Other queues go on.
pub async fn a_pause_is_for_one_queue(t: &Scene) {
    let id = t.enqueue().await;
    t.store().pause(&fresh_queue()).await.unwrap();

    assert_eq!(t.lease_ids(1).await, [id]);
}

/// Pausing twice is pausing once, and resuming twice is resuming once.
pub async fn pause_and_resume_may_be_repeated(t: &Scene) {
    let id = t.enqueue().await;
    t.pause().await;
    t.pause().await;
    t.resume().await;
    t.resume().await;

    assert_eq!(t.lease_ids(1).await, [id]);
}

/// A queue can be paused before its first job.
pub async fn a_queue_can_be_paused_before_its_first_job(t: &Scene) {
    t.pause().await;
    t.enqueue().await;

    assert_eq!(t.lease_ids(1).await, []);
}

/// Resuming a queue that nobody knows is not a mistake.
pub async fn an_unknown_queue_can_be_resumed(t: &Scene) {
    t.resume().await;

    assert!(!t.stats().await.paused);
}
