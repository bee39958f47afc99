//! Lanes that are paused, or told to rest.

use super::Scene;
use super::scene::{AT_ONCE, LEASE, MS, SECOND};
use crate::limits::{Limits, Rate};

/// A paused lane has nothing leased; others go on.
pub async fn a_paused_lane_leases_nothing(t: &Scene) {
    t.fill("a", 2).await;
    t.fill("b", 1).await;
    t.enqueue().await;
    t.pause_lane("a").await;

    assert_eq!(t.lease_lanes(9).await, ["-", "b"]);
    let view = t.lane("a").await;
    assert_eq!((view.paused, view.ready, view.until), (true, 2, None));
}

/// A resumed lane goes on where it was.
pub async fn a_resumed_lane_leases_again(t: &Scene) {
    let ids = t.fill("a", 2).await;
    t.pause_lane("a").await;
    t.lease(9).await;
    t.resume_lane("a").await;

    assert!(!t.lane("a").await.paused);
    assert_eq!(t.lease_ids(9).await, ids);
}

/// A lane can be paused before its first job, and takes jobs while it is.
pub async fn a_lane_can_be_paused_before_its_first_job(t: &Scene) {
    t.pause_lane("a").await;
    t.fill("a", 1).await;
    assert_eq!(t.lease(9).await, []);

    t.resume_lane("a").await;
    assert_eq!(t.lease(9).await.len(), 1);
}

/// What runs goes on, and comes back.
pub async fn what_runs_in_a_paused_lane_goes_on(t: &Scene) {
    t.fill("a", 2).await;
    let leases = t.lease(2).await;
    t.pause_lane("a").await;

    assert_eq!(t.extend(&leases[0], LEASE).await, crate::Extended::Yes);
    assert_eq!(t.ack(&leases[0]).await, crate::Held::Yes);
    t.release(&leases[1]).await;
    assert_eq!(t.lease(9).await, []);
}

/// A pause is kept, however long there is nothing to do in the lane.
pub async fn a_pause_outlasts_idleness(t: &Scene) {
    t.pause_lane("a").await;
    t.advance(SECOND * 3_600);
    t.maintain().await;
    t.fill("a", 1).await;

    assert_eq!(t.lease(9).await, []);
}

/// Pausing and resuming may be repeated; resuming what is not paused does nothing.
pub async fn pausing_a_lane_may_be_repeated(t: &Scene) {
    t.resume_lane("a").await;
    t.pause_lane("a").await;
    t.pause_lane("a").await;
    t.resume_lane("a").await;
    t.resume_lane("a").await;
    t.fill("a", 1).await;

    assert_eq!(t.lease(9).await.len(), 1);
}

/// A resumed lane wakes who waits.
pub async fn a_resumed_lane_wakes_a_worker(t: &Scene) {
    t.pause_lane("a").await;
    t.fill("a", 1).await;
    t.lease(9).await;
    t.calm().await;

    tokio::join!(t.woken(), t.resume_lane("a"));
}

/// A paused lane wakes nobody again and again.
pub async fn a_paused_lane_wakes_nobody(t: &Scene) {
    t.pause_lane("a").await;
    t.fill("a", 2).await;
    t.lease(1).await;
    t.calm().await;
    t.fill("a", 2).await;
    t.lease(1).await;

    assert!(t.calm().await <= 1);
}

/// A throttled lane rests for so long, to the millisecond, and others go on.
pub async fn a_throttled_lane_rests(t: &Scene) {
    t.fill("a", 2).await;
    t.fill("b", 1).await;
    t.throttle("a", SECOND * 5).await;

    let exchanged = t.exchange(&[], 9).await;
    assert_eq!(exchanged.leases.len(), 1);
    assert_eq!(exchanged.next_in, Some(SECOND * 5));
    assert_eq!(t.lane("a").await.until, Some(t.now() + SECOND * 5));
    t.advance(SECOND * 5 - MS);
    assert_eq!(t.next_in().await, Some(MS));
    t.advance(MS);
    assert_eq!(t.lane("a").await.until, None);
    assert_eq!(t.lease_lanes(9).await, ["a", "a"]);
}

/// A handler's own attempt is told to rest with its lane: what it releases is not leased before.
pub async fn a_lane_throttled_by_its_own_job_rests(t: &Scene) {
    t.fill("a", 1).await;
    let lease = t.lease_one().await;
    t.throttle("a", SECOND).await;
    t.retry(&lease, AT_ONCE).await;

    assert_eq!(t.next_in().await, Some(SECOND));
}

/// A lane that rests for longer already is not told to wake up sooner.
pub async fn the_longer_rest_counts(t: &Scene) {
    t.fill("a", 1).await;
    t.throttle("a", SECOND * 9).await;
    t.throttle("a", SECOND * 5).await;
    assert_eq!(t.next_in().await, Some(SECOND * 9));

    t.throttle("a", SECOND * 10).await;
    assert_eq!(t.next_in().await, Some(SECOND * 10));
}

/// A rest of no length is none.
pub async fn a_rest_of_zero_is_none(t: &Scene) {
    t.fill("a", 1).await;
    t.throttle("a", AT_ONCE).await;

    assert_eq!(t.lease(9).await.len(), 1);
}

/// A lane can be told to rest before its first job.
pub async fn a_lane_can_be_throttled_before_its_first_job(t: &Scene) {
    t.throttle("a", SECOND).await;
    t.fill("a", 1).await;

    assert_eq!(t.next_in().await, Some(SECOND));
}

/// A resume ends a rest.
pub async fn a_resume_ends_a_rest(t: &Scene) {
    t.fill("a", 1).await;
    t.throttle("a", SECOND * 60).await;
    t.lease(9).await;
    t.calm().await;

    tokio::join!(t.woken(), t.resume_lane("a"));
    assert_eq!(t.lane("a").await.until, None);
    assert_eq!(t.lease(9).await.len(), 1);
}

/// A lane that rests and whose rate is used up comes back when both are over.
pub async fn a_rest_and_a_rate_must_both_be_over(t: &Scene) {
    t.limit_lanes(Limits::new().rate(Rate::fixed(1, SECOND * 10))).await;
    t.fill("a", 2).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.throttle("a", SECOND * 4).await;

    assert_eq!(t.lane("a").await.until, Some(t.now() + SECOND * 10));
    t.advance(SECOND * 4);
    assert_eq!(t.next_in().await, Some(SECOND * 6));
    t.throttle("a", SECOND * 8).await;
    assert_eq!(t.lane("a").await.until, Some(t.now() + SECOND * 8));
    t.advance(SECOND * 8);
    assert_eq!(t.lease(9).await.len(), 1);
}

/// A lane that rested has saved no turns.
pub async fn a_lane_saves_no_turns_while_it_rests(t: &Scene) {
    t.fill("a", 20).await;
    t.fill("b", 40).await;
    t.throttle("a", SECOND).await;
    t.lease(20).await;
    t.advance(SECOND);

    let order = t.lease_lanes(10).await;
    assert!(order.iter().filter(|lane| *lane == "a").count() <= 6, "{order:?}");
}
