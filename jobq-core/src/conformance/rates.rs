//! How much may be leased in a time: of a lane, and of a queue.

use std::time::Duration;

use super::Scene;
use super::scene::{AT_ONCE, LEASE, MS, SECOND, lane_key};
use crate::id::JobId;
use crate::limits::{LimitSource, Limits, Rate};

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// A lane has no more leased in a window than its rate, and the rest at the very start of the next.
pub async fn a_fixed_rate_holds_for_each_window(t: &Scene) {
    limit(t, "100/min").await;
    let ids = t.fill("a", 250).await;
    t.advance(MINUTE / 3);

    assert_eq!(t.lease_ids(250).await, ids[..100]);
    assert_eq!(t.next_in().await, Some(LEASE));
    t.advance(MINUTE * 2 / 3 - MS);
    forget_leases(t).await;
    assert_eq!(t.next_in().await, Some(MS));
    t.advance(MS);
    assert_eq!(t.lease(250).await.len(), 100);
    t.advance(MINUTE);
    assert_eq!(t.lease(250).await.len(), 100, "those that crashed count again");
}

/// Windows are aligned to the clock, not to the first lease.
pub async fn windows_are_aligned_to_the_clock(t: &Scene) {
    limit(t, "10/min").await;
    t.fill("a", 30).await;
    t.advance(MINUTE - MS);

    assert_eq!(t.lease(30).await.len(), 10);
    assert_eq!(t.next_in().await, Some(MS));
    t.advance(MS);
    assert_eq!(t.lease(30).await.len(), 10);
    assert_eq!(t.lease(30).await.len(), 0);
}

/// What was not used in one window is not there in the next.
pub async fn an_unused_window_is_lost(t: &Scene) {
    limit(t, "10/min").await;
    t.advance(MINUTE * 5);
    t.fill("a", 30).await;

    assert_eq!(t.lease(30).await.len(), 10);
}

/// A sliding rate holds for any period: what was leased counts until it is as old as that.
pub async fn a_sliding_rate_holds_for_any_period(t: &Scene) {
    limit(t, "3/10s sliding").await;
    t.fill("a", 9).await;
    t.advance(SECOND * 8);

    assert_eq!(t.lease(1).await.len(), 1);
    t.advance(SECOND * 3);
    assert_eq!(t.lease(9).await.len(), 2);
    assert_eq!(t.next_in().await, Some(SECOND * 7));
    t.advance(SECOND * 7 - MS);
    assert_eq!(t.next_in().await, Some(MS));
    t.advance(MS);
    assert_eq!(t.lease(9).await.len(), 1);
    assert_eq!(t.next_in().await, Some(SECOND * 3));
    t.advance(SECOND * 3);
    assert_eq!(t.lease(9).await.len(), 2);
}

/// A clock that is put back holds up a fixed rate for no longer than its period.
pub async fn a_fixed_rate_goes_on_though_the_clock_was_put_back(t: &Scene) {
    goes_on_though_the_clock_was_put_back(t, "3/10s").await;
}

/// A clock that is put back holds up a sliding rate for no longer than its period.
pub async fn a_sliding_rate_goes_on_though_the_clock_was_put_back(t: &Scene) {
    goes_on_though_the_clock_was_put_back(t, "3/10s sliding").await;
}

/// A clock that is put back holds up a bucket for no longer than its period.
pub async fn a_bucket_goes_on_though_the_clock_was_put_back(t: &Scene) {
    goes_on_though_the_clock_was_put_back(t, "3/10s burst 3").await;
}

/// What was leased later than a period from now does not count; the rest does.
async fn goes_on_though_the_clock_was_put_back(t: &Scene, rate: &str) {
    limit(t, rate).await;
    t.fill("a", 60).await;
    for _ in 0..5 {
        assert_eq!(complete(t).await, 3);
        t.advance(SECOND * 10);
    }
    assert_eq!(complete(t).await, 3);

    t.put_back(MINUTE * 60);
    assert_eq!(complete(t).await, 3, "after an hour back");
    assert_eq!(complete(t).await, 0);
    t.advance(SECOND * 10);
    assert_eq!(complete(t).await, 3);
    assert_eq!(complete(t).await, 0);

    t.put_back(SECOND * 3);
    let at_once = complete(t).await;
    t.advance(SECOND * 13);
    let later = complete(t).await;
    assert!(at_once <= 3 && later == 3, "after 3 s back: {at_once}, {later}");
}

/// Leases and completes what may be leased, and says how many that were.
async fn complete(t: &Scene) -> usize {
    let leases = t.lease(100).await;
    for lease in &leases {
        t.ack(lease).await;
    }
    leases.len()
}

/// A bucket gives its burst at once, and then what its rate fills in, to the millisecond.
pub async fn a_bucket_gives_its_burst_and_then_its_rate(t: &Scene) {
    limit(t, "30/min burst 5").await;
    t.fill("a", 30).await;

    assert_eq!(t.lease(30).await.len(), 5);
    assert_eq!(t.next_in().await, Some(SECOND * 2));
    t.advance(SECOND * 2 - MS);
    assert_eq!(t.next_in().await, Some(MS));
    t.advance(MS);
    assert_eq!(t.lease(30).await.len(), 1);
    t.advance(SECOND * 5);
    assert_eq!(t.lease(30).await.len(), 2);
    assert_eq!(t.next_in().await, Some(SECOND), "half of the next one is there");
}

/// What does not divide evenly is rounded up to the clock's step, and nothing of it is lost.
pub async fn a_bucket_fills_in_parts(t: &Scene) {
    limit(t, "3/100ms burst 2").await;
    t.fill("a", 9).await;
    assert_eq!(t.lease(9).await.len(), 2);

    for wait in [34, 33, 33, 34] {
        assert_eq!(t.next_in().await, Some(MS * wait));
        t.advance(MS * wait);
        t.lease_one().await;
    }
}

/// A bucket holds no more than its burst, however long it has been filling.
pub async fn a_bucket_holds_no_more_than_its_burst(t: &Scene) {
    limit(t, "30/min burst 5").await;
    t.advance(MINUTE * 60);
    t.fill("a", 30).await;
    assert_eq!(t.lease(3).await.len(), 3);
    t.advance(MINUTE * 60);

    assert_eq!(t.lease(30).await.len(), 5);
}

/// A job takes as much of a rate as it costs.
pub async fn a_job_takes_its_cost(t: &Scene) {
    for rate in ["10/min", "10/min sliding", "1/min burst 10"] {
        let lane = rate.replace(' ', "-");
        t.limit_lane(&lane, Limits::new().rate(rate.parse().unwrap())).await;
        for cost in [4, 6, 1] {
            costing(t, &lane, cost).await;
        }

        assert_eq!(t.lease(9).await.len(), 2, "{rate}");
        assert!(t.lane(&lane).await.until.is_some());
        t.pause_lane(&lane).await;
    }
}

/// A cost above the rate takes all of it.
pub async fn a_cost_above_the_rate_takes_all_of_it(t: &Scene) {
    for rate in ["10/s", "10/s sliding", "20/s burst 10"] {
        let lane = rate.replace(' ', "-");
        t.limit_lane(&lane, Limits::new().rate(rate.parse().unwrap())).await;
        let costly = costing(t, &lane, 60_000).await;
        costing(t, &lane, 1).await;
        assert_eq!(t.lease_ids(9).await, [costly], "{rate}");
        t.advance(SECOND);
        assert_eq!(t.lease(9).await.len(), 1, "{rate}");
    }
}

/// A rate of the queue holds for all its jobs together, with a lane or without.
pub async fn a_rate_of_the_queue_holds_for_all_jobs(t: &Scene) {
    t.limit_queue(Limits::new().rate(Rate::fixed(6, SECOND))).await;
    t.fill("a", 4).await;
    t.fill("b", 4).await;
    t.add_all(&[t.job(), t.job(), t.job()]).await;

    assert_eq!(t.lease(20).await.len(), 6);
    assert_eq!(t.next_in().await, Some(SECOND));
    t.advance(SECOND);
    assert_eq!(t.lease(20).await.len(), 5);
}

/// It holds in a queue without lanes.
pub async fn a_rate_of_a_queue_without_lanes_holds(t: &Scene) {
    for rate in ["2/s", "2/s sliding", "2/s burst 2"] {
        t.limit_queue(Limits::new().rate(rate.parse().unwrap())).await;
        t.add_all(&[t.job(), t.job(), t.job()]).await;
        assert_eq!(t.lease(9).await.len(), 2, "{rate}");
        t.advance(SECOND);
        assert_eq!(t.lease(9).await.len(), 1, "{rate}");
        t.advance(SECOND);
    }
}

/// Maintenance takes nothing from what a rate has counted.
pub async fn a_rate_of_a_queue_outlasts_maintenance(t: &Scene) {
    for rate in ["2/min", "2/min sliding", "2/min burst 2"] {
        t.limit_queue(Limits::new().rate(rate.parse().unwrap())).await;
        t.add_all(&[t.job(), t.job(), t.job()]).await;
        assert_eq!(t.lease(9).await.len(), 2, "{rate}");
        t.advance(SECOND);
        t.maintain().await;

        assert_eq!(t.lease(9).await, [], "{rate}");
        t.limit_queue(Limits::new()).await;
        t.lease(9).await;
    }
}

/// Nothing of a rate is given back: a job that was released may have run.
pub async fn a_released_job_has_used_up_its_part(t: &Scene) {
    limit(t, "1/min").await;
    t.fill("a", 1).await;
    let lease = t.lease_one().await;
    t.release(&lease).await;

    assert_eq!(t.next_in().await, Some(MINUTE));
}

/// Nor when it crashes, and its next attempt takes a part again.
pub async fn every_attempt_takes_a_part(t: &Scene) {
    limit(t, "2/min").await;
    t.fill("a", 2).await;
    t.lease_one().await;
    t.crash().await;
    let lease = t.lease_one().await;
    t.retry(&lease, AT_ONCE).await;

    assert_eq!(t.next_in().await, Some(MINUTE - LEASE));
}

/// A rate that is raised holds at once, and what was leased before counts.
pub async fn a_raised_rate_holds_at_once(t: &Scene) {
    for (before, after) in
        [("2/min", "5/min"), ("2/min sliding", "5/min sliding"), ("9/min burst 2", "9/min burst 5")]
    {
        limit(t, before).await;
        let lane = format!("lane-{}", before.replace(' ', "-"));
        t.fill(&lane, 9).await;
        assert_eq!(t.lease(9).await.len(), 2, "{before}");
        limit(t, after).await;
        assert_eq!(t.lease(9).await.len(), 3, "{after}");
        t.pause_lane(&lane).await;
    }
}

/// A rate that is lowered holds at once too: what was leased may be too much already.
pub async fn a_lowered_rate_holds_at_once(t: &Scene) {
    limit(t, "5/min").await;
    t.fill("a", 9).await;
    t.lease(4).await;
    limit(t, "3/min").await;

    assert_eq!(t.lease(9).await.len(), 0);
    t.advance(MINUTE);
    assert_eq!(t.lease(9).await.len(), 3);
}

/// Another period, or another way of counting, starts anew.
pub async fn another_way_of_counting_starts_anew(t: &Scene) {
    t.fill("a", 20).await;
    for rate in ["3/min", "3/min sliding", "3/min burst 3", "3/h", "3/30s sliding"] {
        limit(t, rate).await;
        assert_eq!(t.lease(9).await.len(), 3, "{rate}");
    }
}

/// A rate that was taken away holds no more.
pub async fn a_rate_can_be_taken_away(t: &Scene) {
    limit(t, "1/min").await;
    t.fill("a", 9).await;
    t.lease(9).await;
    t.limit_lanes(Limits::new()).await;

    assert_eq!(t.lease(9).await.len(), 8);
}

/// One that is set again within a minute has forgotten nothing, be it of a lane or of the queue, also if
/// nothing else was left of either.
pub async fn a_rate_that_is_set_again_goes_on(t: &Scene) {
    for lane in [None, Some("a")] {
        let add = async || t.enqueue_with(|record| record.lane = lane.map(lane_key)).await;
        for rate in ["2/h", "2/h sliding", "2/h burst 2"] {
            let limits = Limits::new().rate(rate.parse().unwrap());
            let set = async |limits| match lane {
                None => t.limit_queue(limits).await,
                Some(lane) => t.limit_lane(lane, limits).await,
            };
            set(limits.clone()).await;
            for _ in 0..2 {
                add().await;
                let lease = t.lease_one().await;
                t.ack(&lease).await;
            }
            set(Limits::new()).await;
            t.advance(SECOND * 59);
            t.maintain().await;
            set(limits).await;
            add().await;

            assert_eq!(t.lease(9).await, [], "{rate}");
            set(Limits::new()).await;
            let lease = t.lease_one().await;
            t.ack(&lease).await;
        }
    }
}

/// Rates of hundreds of lanes hold for each.
pub async fn each_of_many_lanes_has_its_rate(t: &Scene) {
    limit(t, "2/s").await;
    let jobs: Vec<_> = (0..600)
        .map(|n| t.job_with(|record| record.lane = Some(lane_key(&format!("{}", n % 200)))))
        .collect();
    t.add_all(&jobs).await;

    assert_eq!(t.lease(1_000).await.len(), 400);
    assert_eq!(t.next_in().await, Some(SECOND));
    t.advance(SECOND);
    assert_eq!(t.lease(1_000).await.len(), 200);
}

/// An operator's rate counts before the program's, for the queue and for lanes.
pub async fn an_operators_rate_counts_first(t: &Scene) {
    let scope = crate::LimitScope::Queue(t.queue().clone());
    t.limit_queue(Limits::new().rate(Rate::fixed(1, SECOND))).await;
    let more = Limits::new().rate(Rate::fixed(4, SECOND));
    t.set_limits(scope.clone(), LimitSource::Operator, more).await;
    t.add_all(&std::array::from_fn::<_, 9, _>(|_| t.job())).await;
    assert_eq!(t.lease(9).await.len(), 4);

    t.set_limits(scope, LimitSource::Operator, Limits::new()).await;
    t.advance(SECOND);
    assert_eq!(t.lease(9).await.len(), 1);
}

/// Over a random time with random costs, no window of any rate has more than it may, and none is late.
pub async fn rates_hold_over_a_random_time(t: &Scene) {
    let mut random = fastrand::Rng::with_seed(7);
    let rates = [("a", "20/s"), ("b", "20/s sliding"), ("c", "20/s burst 10")];
    for (lane, rate) in rates {
        t.limit_lane(lane, Limits::new().rate(rate.parse().unwrap())).await;
        for _ in 0..80 {
            costing(t, lane, random.u32(1..6)).await;
        }
    }
    let mut leased: Vec<(&str, u64, u64)> = Vec::new();
    for _ in 0..60 {
        let now = t.now().as_millis();
        for lease in t.lease(random.usize(1..20)).await {
            let lane = rates.iter().find(|(lane, _)| lease.job.lane == Some(lane_key(lane)));
            leased.push((lane.unwrap().0, now, lease.job.cost.into()));
            t.ack(&lease).await;
        }
        t.advance(MS * random.u32(1..150));
    }
    let sum = |lane: &str, from: u64, to: u64| {
        let within = leased.iter().filter(|(l, at, _)| *l == lane && (from..to).contains(at));
        within.map(|(_, _, cost)| cost).sum::<u64>()
    };
    for (_, from, _) in &leased {
        let window = from / 1_000 * 1_000;
        assert!(sum("a", window, window + 1_000) <= 20);
        assert!(sum("b", *from, from + 1_000) <= 20);
        assert!(sum("c", *from, from + 1_000) <= 30);
    }
    assert!(leased.len() > 60, "only {} jobs were leased", leased.len());
}

/// The rate of each lane.
pub(super) async fn limit(t: &Scene, rate: &str) {
    t.limit_lanes(Limits::new().rate(rate.parse().unwrap())).await;
}

/// A ready job of a lane with a cost.
pub(super) async fn costing(t: &Scene, lane: &str, cost: u32) -> JobId {
    t.enqueue_with(|record| {
        record.lane = Some(lane_key(lane));
        record.cost = cost;
    })
    .await
}

/// Takes back what is leased, so that no expiry is announced.
async fn forget_leases(t: &Scene) {
    t.store().forfeit(t.queue(), t.worker(), &[]).await.unwrap();
}
