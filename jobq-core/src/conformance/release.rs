//! Jobs given back unrun.

use super::Scene;
use super::scene::AT_ONCE;
use crate::history::History;
use crate::lease::{Held, Next, Settlement};
use crate::priority::Priority;
use crate::state::JobState;

/// A released job is where it was: the next one to be leased.
pub async fn a_released_job_goes_to_the_front(t: &Scene) {
    let first = t.enqueue().await;
    let second = t.enqueue().await;
    let lease = t.lease_one().await;
    assert_eq!(t.release(&lease).await, Held::Yes);

    assert_eq!(t.state(first).await, Some(JobState::Ready));
    assert_eq!(t.lease_ids(2).await, [first, second]);
}

/// A job that was not run has lost nothing.
pub async fn a_release_uses_no_attempt(t: &Scene) {
    t.enqueue().await;
    for _ in 0..10 {
        let lease = t.lease_one().await;
        assert_eq!((lease.attempt(), lease.crashes), (1, 0));
        assert_eq!(lease.history, History::new());
        t.release(&lease).await;
    }
}

/// What had failed before a release is still known after it.
pub async fn a_release_keeps_what_went_wrong_before(t: &Scene) {
    t.enqueue().await;
    let first = t.lease_one().await;
    t.retry(&first, AT_ONCE).await;
    let second = t.lease_one().await;
    t.release(&second).await;

    let third = t.lease_one().await;
    assert_eq!(third.attempt(), 2);
    assert_eq!(third.history, second.history);
}

/// The front of a priority is still behind every higher one.
pub async fn a_released_job_does_not_overtake_a_higher_priority(t: &Scene) {
    let low = t.enqueue().await;
    let lease = t.lease_one().await;
    let high = t.enqueue_with(|record| record.priority = Priority::HIGHEST).await;
    t.release(&lease).await;

    assert_eq!(t.lease_ids(2).await, [high, low]);
}

/// Of several released in one step each goes to the front, so the last one is first.
pub async fn of_several_released_jobs_the_last_is_first(t: &Scene) {
    let first = t.enqueue().await;
    let second = t.enqueue().await;
    let leases = t.lease(2).await;
    let settlements: Vec<_> =
        leases.into_iter().map(|lease| Settlement::new(lease, Next::Release)).collect();
    t.settle_all(&settlements).await;

    assert_eq!(t.lease_ids(2).await, [second, first]);
}
