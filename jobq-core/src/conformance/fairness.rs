//! Whose turn it is: lanes of equal priority share a queue by their weight.

use std::collections::BTreeMap;

use super::Scene;
use super::scene::{MS, SECOND, lane_key, lane_of};
use crate::lease::{Next, Settlement};
use crate::limits::{Limits, Rate};
use crate::priority::Priority;
use crate::unique::{Unique, UniqueKey, UniqueMode};

/// Lanes of equal weight take turns; those that came together go by their key.
pub async fn lanes_take_turns(t: &Scene) {
    for lane in ["b", "c", "a"] {
        t.fill(lane, 2).await;
    }

    assert_eq!(t.lease_lanes(10).await, ["a", "b", "c", "a", "b", "c"]);
}

/// Keys are compared byte by byte.
pub async fn ties_go_by_the_bytes_of_the_key(t: &Scene) {
    for lane in ["a", "9", "10", "Z"] {
        t.enqueue_laned(lane).await;
    }

    assert_eq!(t.lease_lanes(10).await, ["10", "9", "Z", "a"]);
}

/// It makes no difference how many jobs are leased at once.
pub async fn turns_go_on_from_call_to_call(t: &Scene) {
    for lane in ["a", "b", "c"] {
        t.fill(lane, 3).await;
    }

    let mut order = Vec::new();
    for limit in [1, 1, 2, 4, 1] {
        order.extend(t.lease_lanes(limit).await);
    }
    assert_eq!(order, ["a", "b", "c", "a", "b", "c", "a", "b", "c"]);
}

/// The same with more lanes, jobs and turns than a backend would look at in one step, of all sorts.
pub async fn many_turns_at_once_are_the_turns_one_by_one(t: &Scene) {
    let seed = 7;
    let mut random = fastrand::Rng::with_seed(seed);
    let lanes: Vec<String> = (0..150).map(|lane| format!("lane-{lane}")).collect();
    for lane in &lanes[..20] {
        t.limit_lane(lane, Limits::new().weight(random.u16(1..=5))).await;
    }
    for lane in &lanes[15..30] {
        t.limit_lane(lane, Limits::new().concurrency(random.u32(1..=3))).await;
    }
    for lane in &lanes[30..40] {
        t.limit_lane(lane, Limits::new().rate(Rate::fixed(3, SECOND * 10))).await;
    }

    let mut orders = Vec::new();
    for most in [1, 400] {
        let mut chosen = fastrand::Rng::with_seed(seed);
        let mut jobs = Vec::new();
        for _ in 0..700 {
            let lane = &lanes[chosen.usize(..lanes.len())];
            let priority = Priority::constant(chosen.u8(6..=7));
            let is_laned = chosen.u8(..10) > 0;
            jobs.push(t.job_with(|record| {
                record.lane = is_laned.then(|| lane_key(lane));
                record.priority = priority;
            }));
        }
        t.add_all(&jobs).await;
        orders.push(order_of_all(t, || if most == 1 { 1 } else { random.usize(1..=most) }).await);
        t.advance(SECOND * 600);
        t.maintain().await;
    }
    assert_eq!(orders[0].len(), 700);
    assert!(orders[0] == orders[1], "it makes a difference how many are leased at once");
}

/// Leases all jobs, so many at once as `limit` says, and ends what was leased whenever there is nothing more.
async fn order_of_all(t: &Scene, mut limit: impl FnMut() -> usize) -> Vec<(String, Priority)> {
    let (mut order, mut running) = (Vec::new(), Vec::new());
    loop {
        let leases = t.lease(limit()).await;
        order.extend(leases.iter().map(|lease| (lane_of(lease), lease.job.priority)));
        if leases.is_empty() {
            if running.is_empty() && t.stats().await.ready == 0 {
                return order;
            }
            for lease in running.drain(..) {
                t.ack(&lease).await;
            }
            t.advance(SECOND);
        }
        running.extend(leases);
    }
}

/// Jobs without a lane are together one more lane, before all others of its tag.
pub async fn jobs_without_a_lane_are_a_lane(t: &Scene) {
    t.fill("a", 3).await;
    t.fill("b", 3).await;
    t.add_all(&[t.job(), t.job(), t.job()]).await;

    let order = t.lease_lanes(20).await;
    assert_eq!(order, ["-", "a", "b", "-", "a", "b", "-", "a", "b"]);
}

/// As long as no lane has a job, those without one take no turns that would count against them later.
pub async fn jobs_without_a_lane_take_no_turns_while_alone(t: &Scene) {
    t.add_all(&std::array::from_fn::<_, 20, _>(|_| t.job())).await;
    t.lease(16).await;
    t.fill("a", 3).await;

    assert_eq!(t.lease_lanes(20).await, ["-", "a", "-", "a", "-", "a", "-"]);
}

/// Jobs of one call come to wait one after the other. Those without a lane change their level by it, if the
/// first of them is not the most urgent.
pub async fn jobs_of_one_call_come_to_wait_in_their_order(t: &Scene) {
    let job = |lane: Option<&str>, priority| {
        t.job_with(|record| {
            record.lane = lane.map(lane_key);
            record.priority = priority;
        })
    };
    let (low, high) = (Priority::DEFAULT, Priority::HIGHEST);
    for urgent_lane in 0..3 {
        let mut jobs = vec![job(None, low), job(None, high)];
        jobs.insert(urgent_lane, job(Some("a"), high));
        t.add_all(&jobs).await;

        let leases = t.lease(9).await;
        let lanes: Vec<_> = leases.iter().map(|lease| lane_of(lease)).collect();
        let expected = if urgent_lane < 2 { ["a", "-", "-"] } else { ["-", "a", "-"] };
        assert_eq!(lanes, expected, "{urgent_lane}");
        for lease in leases {
            t.ack(&lease).await;
        }
        t.advance(SECOND * 60);
    }
}

/// A job without a lane that was called off before a lane came leaves no level behind: those that come
/// later are a new lane.
pub async fn a_called_off_job_without_a_lane_does_not_wait(t: &Scene) {
    let urgent = t.enqueue_with(|record| record.priority = Priority::HIGHEST).await;
    t.cancel(urgent).await;
    t.fill("a", 2).await;
    t.enqueue().await;

    assert_eq!(t.lease_lanes(2).await, ["-", "a"]);
}

/// Nor does it if it is called off while lanes wait: with the last of them their lane waits no more.
pub async fn jobs_without_a_lane_wait_until_the_last_is_called_off(t: &Scene) {
    t.fill("a", 3).await;
    t.enqueue().await;
    let lease = t.lease_one().await;
    assert_eq!(lease.job.lane, None);
    t.ack(&lease).await;
    let urgent = t.enqueue_with(|record| record.priority = Priority::HIGHEST).await;
    let other = t.enqueue().await;
    t.delete(urgent).await;
    t.cancel(other).await;
    t.advance(SECOND * 60);
    t.enqueue().await;

    assert_eq!(t.lease_lanes(2).await, ["-", "a"], "it is new again");
}

/// A job that is called off makes way in one step for the next one of its key: their lane waits on.
pub async fn a_lane_waits_on_when_a_job_makes_way_for_the_next(t: &Scene) {
    let key = UniqueKey::from_bytes([1; 16]);
    let add = async |lane: Option<&str>| {
        let unique = Unique::new(key, UniqueMode::WhileRunning);
        t.enqueue_with(|record| {
            record.lane = lane.map(lane_key);
            record.unique = Some(unique);
        })
        .await
    };
    add(None).await;
    let first = add(Some("a")).await;
    add(Some("a")).await;
    let lease = t.lease(9).await.remove(0);
    t.ack(&lease).await;
    // To and from another level costs it a turn.
    let urgent = t
        .enqueue_with(|record| {
            record.lane = Some(lane_key("a"));
            record.priority = Priority::HIGHEST;
        })
        .await;
    t.cancel(urgent).await;
    t.enqueue_laned("b").await;
    t.cancel(first).await;

    assert_eq!(t.lease_lanes(9).await, ["b", "a"]);
}

/// A lane that comes late is not held up by one that has many jobs.
pub async fn a_new_lane_waits_for_one_turn_at_most(t: &Scene) {
    t.fill("crowd", 300).await;
    t.lease(100).await;
    t.enqueue_laned("late").await;
    t.enqueue_laned("another").await;

    let mut order = t.lease_lanes(3).await;
    order.sort_unstable();
    assert_eq!(order, ["another", "crowd", "late"]);
}

/// The next job of a small lane is never further away than one job of each other lane.
pub async fn a_crowd_holds_up_nobody_for_more_than_a_turn(t: &Scene) {
    t.fill("crowd", 200).await;
    for n in 0..20 {
        t.fill(&format!("small-{n:02}"), 5).await;
    }

    let order = t.lease_lanes(21 * 5).await;
    for round in order.chunks(21) {
        let mut lanes = round.to_vec();
        lanes.sort_unstable();
        lanes.dedup();
        assert_eq!(lanes.len(), 21, "each lane once: {round:?}");
    }
    assert_eq!(t.lease_lanes(3).await, ["crowd", "crowd", "crowd"]);
}

/// Weights of 1, 2 and 4 give a seventh, two and four of the turns, within two in a hundred.
pub async fn lanes_get_turns_by_their_weight(t: &Scene) {
    weigh(t, &[("one", 1), ("two", 2), ("four", 4)]).await;

    let turns = count(t, 350).await;
    for (lane, due) in [("one", 50), ("two", 100), ("four", 200)] {
        let off = turns[lane].abs_diff(due);
        assert!(off * 50 <= due, "{lane} got {} of {due} turns", turns[lane]);
    }
}

/// So they do over any stretch, not only in the long run: nobody is more than a turn behind.
pub async fn shares_hold_over_short_stretches(t: &Scene) {
    weigh(t, &[("one", 1), ("three", 3)]).await;

    for _ in 0..10 {
        let turns = count(t, 8).await;
        assert!((1..=3).contains(turns.get("one").unwrap_or(&0)), "{turns:?}");
    }
}

/// The greatest weight against the least.
pub async fn the_greatest_weight_gets_a_hundred_turns_for_one(t: &Scene) {
    weigh(t, &[("light", 1), ("heavy", 100)]).await;

    let turns = count(t, 202).await;
    assert!(turns["light"].abs_diff(2) <= 1, "{turns:?}");
}

/// A weight holds for each lane that has none of its own.
pub async fn a_weight_of_its_own_counts_before_that_of_each(t: &Scene) {
    t.limit_lanes(Limits::new().weight(4)).await;
    t.limit_lane("light", Limits::new().weight(1)).await;
    t.fill("heavy", 100).await;
    t.fill("light", 100).await;

    let turns = count(t, 100).await;
    assert!(turns["light"].abs_diff(20) <= 1, "{turns:?}");
}

/// A weight that is changed counts from the next turn on.
pub async fn a_changed_weight_counts_at_once(t: &Scene) {
    weigh(t, &[("a", 1), ("b", 1)]).await;
    count(t, 20).await;
    t.limit_lane("b", Limits::new().weight(3)).await;

    let turns = count(t, 40).await;
    assert!(turns["a"].abs_diff(10) <= 1, "{turns:?}");
}

/// A lane that had nothing to do has saved no turns: nobody waits for it to catch up.
pub async fn an_idle_lane_saves_no_turns(t: &Scene) {
    t.enqueue_laned("a").await;
    t.fill("b", 30).await;
    t.lease(20).await;
    t.fill("a", 5).await;

    assert_eq!(count(t, 10).await["b"], 5);
}

/// A lane gains nothing by leaving and coming back: its next turn is where it was.
pub async fn a_lane_that_was_just_served_waits_for_its_turn(t: &Scene) {
    for lane in ["a", "b", "c"] {
        t.fill(lane, if lane == "a" { 1 } else { 3 }).await;
    }
    assert_eq!(t.lease_lanes(1).await, ["a"]);
    t.enqueue_laned("a").await;

    assert_eq!(t.lease_lanes(3).await, ["b", "c", "a"]);
}

/// A lane that moves to another level waits for its turn there.
pub async fn a_lane_gains_no_turn_by_changing_its_priority(t: &Scene) {
    for lane in ["a", "b"] {
        for level in [9, 9, 0, 0] {
            t.enqueue_with(|record| {
                record.lane = Some(lane_key(lane));
                record.priority = Priority::constant(level);
            })
            .await;
        }
    }
    t.fill("c", 2).await;

    let order = t.lease_lanes(20).await;
    assert_eq!(order[..4], ["a", "b", "a", "b"]);
    // `c` has waited at the lower level, and the two come to it from above.
    assert_eq!(order[4..], ["c", "a", "b", "c", "a", "b"]);
}

/// Nor by a job of a higher priority that comes and goes.
pub async fn a_lane_gains_no_turn_by_a_cancelled_job(t: &Scene) {
    t.fill("a", 3).await;
    t.fill("b", 3).await;
    t.lease(1).await;
    let urgent = t
        .enqueue_with(|record| {
            record.lane = Some(lane_key("a"));
            record.priority = Priority::HIGHEST;
        })
        .await;
    t.cancel(urgent).await;

    assert_eq!(t.lease_lanes(4).await, ["b", "a", "b", "a"]);
}

/// Each level has a virtual time of its own: turns of one cost none of another.
pub async fn turns_of_one_priority_cost_none_of_another(t: &Scene) {
    t.fill("a", 10).await;
    t.lease(9).await;
    for lane in ["a", "b"] {
        for _ in 0..2 {
            t.enqueue_with(|record| {
                record.lane = Some(lane_key(lane));
                record.priority = Priority::constant(7);
            })
            .await;
        }
    }

    // Both come to this level for the first time, `a` as one that moved.
    assert_eq!(t.lease_lanes(4).await, ["b", "a", "b", "a"]);
}

/// A lane that was served last less than a minute ago is known.
pub async fn a_lane_is_known_for_a_minute(t: &Scene) {
    serve_and_finish(t, "a").await;
    t.advance(SECOND * 60 - MS);

    assert_eq!(turn_after_idleness(t).await, ["b", "a", "b"]);
}

/// Then it is new.
pub async fn a_lane_is_new_after_a_minute(t: &Scene) {
    serve_and_finish(t, "a").await;
    t.advance(SECOND * 60);

    assert_eq!(turn_after_idleness(t).await, ["a", "b", "b"]);
}

/// Whether maintenance has come by in between makes no difference.
pub async fn maintenance_forgets_nothing_that_counts(t: &Scene) {
    serve_and_finish(t, "a").await;
    t.advance(SECOND * 60 - MS);
    t.maintain().await;

    assert_eq!(turn_after_idleness(t).await, ["b", "a", "b"]);
}

/// Lanes that hold different priorities are each served in full before the next lower level.
pub async fn levels_are_served_from_the_top(t: &Scene) {
    for (lane, level) in [("a", 1), ("b", 2), ("a", 2), ("c", 3), ("b", 1)] {
        t.enqueue_with(|record| {
            record.lane = Some(lane_key(lane));
            record.priority = Priority::constant(level);
        })
        .await;
    }

    let leases = t.lease(10).await;
    let levels: Vec<u8> = leases.iter().map(|lease| lease.job.priority.level()).collect();
    assert_eq!(levels, [3, 2, 2, 1, 1]);
}

async fn weigh(t: &Scene, lanes: &[(&str, u16)]) {
    for (lane, weight) in lanes {
        t.limit_lane(lane, Limits::new().weight(*weight)).await;
        t.fill(lane, 220).await;
    }
}

/// How many of so many turns each lane gets.
async fn count(t: &Scene, turns: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for lane in t.lease_lanes(turns).await {
        *counts.entry(lane).or_default() += 1;
    }
    counts
}

async fn serve_and_finish(t: &Scene, lane: &str) {
    t.enqueue_laned(lane).await;
    let lease = t.lease_one().await;
    t.settle_all(&[Settlement::new(lease, Next::Complete { result: None })]).await;
}

/// Virtual time stands where `a` was served, at 0: if `a` is known it is behind `b`, which is new.
async fn turn_after_idleness(t: &Scene) -> Vec<String> {
    t.fill("b", 2).await;
    t.enqueue_laned("a").await;
    t.lease_lanes(10).await
}
