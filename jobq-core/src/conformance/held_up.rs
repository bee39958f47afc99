//! Who is held up by a rate, who is not, and when they come back.

use super::Scene;
use super::rates::{MINUTE, costing, limit};
use super::scene::{LEASE, SECOND, lane_key};
use crate::limits::{Limits, Rate};

/// A job that costs more than there is left waits for it, and nobody of its lane overtakes.
pub async fn a_costly_job_is_not_overtaken(t: &Scene) {
    limit(t, "10/min").await;
    costing(t, "a", 8).await;
    let costly = costing(t, "a", 3).await;
    let cheap = costing(t, "a", 1).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.next_in().await, Some(MINUTE));
    t.advance(MINUTE);
    assert_eq!(t.lease_ids(9).await, [costly, cheap]);
}

/// When the costly job is called off the next one is looked at, at once.
pub async fn a_lane_comes_back_when_its_costly_job_is_called_off(t: &Scene) {
    limit(t, "10/min").await;
    costing(t, "a", 8).await;
    let costly = costing(t, "a", 3).await;
    let cheap = costing(t, "a", 2).await;
    t.lease_one().await;
    assert_eq!(t.lease_ids(9).await, []);
    t.cancel(costly).await;

    assert_eq!(t.lease_ids(9).await, [cheap]);
}

/// So is a cheaper job of a higher priority that comes meanwhile.
pub async fn an_urgent_job_brings_a_lane_back(t: &Scene) {
    limit(t, "10/min").await;
    costing(t, "a", 8).await;
    costing(t, "a", 3).await;
    t.lease_one().await;
    assert_eq!(t.lease_ids(9).await, []);
    let urgent = t
        .enqueue_with(|record| {
            record.lane = Some(lane_key("a"));
            record.priority = crate::Priority::HIGHEST;
        })
        .await;

    assert_eq!(t.lease_ids(9).await, [urgent]);
    assert_eq!(t.next_in().await, Some(LEASE));
}

/// A lane whose rate is used up holds up no other.
pub async fn a_used_up_lane_holds_up_no_other(t: &Scene) {
    limit(t, "2/min").await;
    for lane in ["a", "b"] {
        t.fill(lane, 5).await;
    }
    t.enqueue().await;

    assert_eq!(t.lease_lanes(20).await, ["-", "a", "b", "a", "b"]);
}

/// When a lane comes back it has saved no turns.
pub async fn a_lane_comes_back_to_its_turn(t: &Scene) {
    t.limit_lane("a", Limits::new().rate(Rate::fixed(2, SECOND))).await;
    t.fill("a", 9).await;
    t.fill("b", 99).await;
    assert_eq!(t.lease_lanes(20).await.iter().filter(|lane| *lane == "a").count(), 2);
    t.advance(SECOND);

    assert_eq!(t.lease_lanes(4).await.iter().filter(|lane| *lane == "a").count(), 2);
}

/// The time of the lane that comes back first is announced.
pub async fn the_first_lane_to_come_back_is_announced(t: &Scene) {
    for (lane, rate) in [("a", "1/min"), ("b", "1/10s"), ("c", "1/20s")] {
        t.limit_lane(lane, Limits::new().rate(rate.parse().unwrap())).await;
        t.fill(lane, 2).await;
    }
    let exchanged = t.exchange(&[], 9).await;

    assert_eq!(exchanged.leases.len(), 3);
    assert_eq!(exchanged.next_in, Some(SECOND * 10));
}

/// The earliest of that, the next due job and the next expiry counts.
pub async fn what_comes_first_is_announced(t: &Scene) {
    t.limit_lanes(Limits::new().rate(Rate::fixed(1, SECOND * 20))).await;
    t.fill("a", 2).await;
    t.lease_one().await;
    assert_eq!(t.next_in().await, Some(SECOND * 20), "before the lease expires");

    t.schedule(SECOND * 5).await;
    assert_eq!(t.next_in().await, Some(SECOND * 5), "the scheduled job is due before");
}

/// When the queue has no room for the next job nobody overtakes it, whatever it costs.
pub async fn nobody_overtakes_a_job_that_waits_for_the_queue(t: &Scene) {
    t.limit_queue(Limits::new().rate(Rate::fixed(10, SECOND))).await;
    costing(t, "a", 8).await;
    let costly = costing(t, "b", 5).await;
    costing(t, "c", 1).await;

    assert_eq!(t.lease_lanes(9).await, ["a"]);
    assert_eq!(t.next_in().await, Some(SECOND));
    t.advance(SECOND);
    assert_eq!(t.lease_ids(1).await, [costly]);
}

/// Both the rate of the queue and that of a lane must have room, and both count.
pub async fn rates_of_queue_and_lane_both_hold(t: &Scene) {
    t.limit_queue(Limits::new().rate(Rate::fixed(5, SECOND))).await;
    t.limit_lane("a", Limits::new().rate(Rate::fixed(2, SECOND * 60))).await;
    t.fill("a", 9).await;
    t.fill("b", 9).await;

    assert_eq!(t.lease_lanes(9).await, ["a", "b", "a", "b", "b"]);
    t.advance(SECOND);
    assert_eq!(t.lease_lanes(9).await, ["b"; 5]);
}

/// A job that is not leased because its lane is held up takes nothing of the queue's rate.
pub async fn what_is_held_up_takes_nothing(t: &Scene) {
    t.limit_queue(Limits::new().rate(Rate::fixed(3, SECOND))).await;
    t.pause_lane("a").await;
    t.fill("a", 9).await;
    assert_eq!(t.lease(9).await.len(), 0);
    t.resume_lane("a").await;

    assert_eq!(t.lease(9).await.len(), 3);
}

/// Who waits is woken when a rate is raised.
pub async fn a_raised_rate_wakes_a_worker(t: &Scene) {
    limit(t, "1/min").await;
    t.fill("a", 2).await;
    t.lease(9).await;
    t.calm().await;

    tokio::join!(t.woken(), limit(t, "9/min"));
    assert_eq!(t.lease(9).await.len(), 1);
}

/// Who waits is not woken for what is held up.
pub async fn a_used_up_lane_wakes_nobody(t: &Scene) {
    limit(t, "1/min").await;
    t.fill("a", 2).await;
    t.lease(9).await;
    t.calm().await;
    t.fill("a", 2).await;
    t.lease(9).await;

    assert!(t.calm().await <= 1);
}

/// A lane shows when it has room again.
pub async fn a_lane_shows_when_it_has_room(t: &Scene) {
    limit(t, "2/min").await;
    t.fill("a", 3).await;
    t.lease(1).await;
    assert_eq!(t.lane("a").await.until, None);

    t.lease(1).await;
    assert_eq!(t.lane("a").await.until, Some(t.now() + MINUTE));
    t.advance(MINUTE);
    assert_eq!(t.lane("a").await.until, None);
}
