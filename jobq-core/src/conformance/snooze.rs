//! Jobs that ask to come back later.

use super::Scene;
use super::scene::{AT_ONCE, MS, SECOND};
use crate::history::History;
use crate::lease::Held;
use crate::state::JobState;

/// A snoozed job comes back when it asked to, to the millisecond.
pub async fn a_snoozed_job_comes_back_after_its_delay(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    assert_eq!(t.snooze(&lease, SECOND).await, Held::Yes);

    assert_eq!(t.state(id).await, Some(JobState::Scheduled));
    t.advance(SECOND - MS);
    assert_eq!(t.lease_ids(1).await, []);
    t.advance(MS);
    assert_eq!(t.lease_ids(1).await, [id]);
}

/// To snooze is not to fail.
pub async fn a_snooze_uses_no_attempt(t: &Scene) {
    t.enqueue().await;
    for _ in 0..10 {
        let lease = t.lease_one().await;
        assert_eq!((lease.attempt(), lease.crashes), (1, 0));
        assert_eq!(lease.history, History::new());
        t.snooze(&lease, SECOND).await;
        t.advance(SECOND);
    }
}

/// What had failed before a snooze is still known after it.
pub async fn a_snooze_keeps_what_went_wrong_before(t: &Scene) {
    t.enqueue().await;
    let first = t.lease_one().await;
    t.retry(&first, AT_ONCE).await;
    let second = t.lease_one().await;
    t.snooze(&second, AT_ONCE).await;

    let third = t.lease_one().await;
    assert_eq!(third.attempt(), 2);
    assert_eq!(third.history, second.history);
}

/// A snoozed job queues up again.
pub async fn a_snoozed_job_goes_to_the_back(t: &Scene) {
    let snoozed = t.enqueue().await;
    let lease = t.lease_one().await;
    let waiting = t.enqueue().await;
    t.snooze(&lease, SECOND).await;
    t.advance(SECOND);

    assert_eq!(t.lease_ids(2).await, [waiting, snoozed]);
}

/// A snooze of no time is allowed.
pub async fn a_snooze_of_zero_comes_back_at_once(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.snooze(&lease, AT_ONCE).await;

    assert_eq!(t.lease_ids(1).await, [id]);
}
