//! Lanes whose jobs keep failing rest, and are then tried with one job at a time.

use std::sync::Arc;

use super::Scene;
use super::scene::{AT_ONCE, MS, SECOND, lane_key};
use crate::lease::{Lease, Next, Settlement};
use crate::limits::{Breaker, Limits};

/// So many failures in a row, and the lane rests: to the millisecond, and alone.
pub async fn failures_in_a_row_make_a_lane_rest(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    t.fill("b", 1).await;
    fail(t, "a", 3).await;

    let view = t.lane("a").await;
    assert_eq!((view.failures, view.until), (3, Some(t.now() + SECOND * 10)));
    assert_eq!(t.lease_lanes(9).await, ["b"]);
    t.advance(SECOND * 10 - MS);
    assert_eq!(t.next_in().await, Some(MS));
    t.advance(MS);
    assert_eq!(t.lease_lanes(1).await, ["a"]);
}

/// One less is not enough.
pub async fn fewer_failures_make_no_rest(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    fail(t, "a", 2).await;

    assert_eq!(t.lane("a").await.failures, 2);
    assert_eq!(t.lease(5).await.len(), 5);
}

/// A success ends the row.
pub async fn a_success_ends_the_row(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    fail(t, "a", 2).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    fail(t, "a", 2).await;

    assert_eq!(t.lane("a").await.failures, 2);
    assert_eq!(t.lease(5).await.len(), 4);
}

/// Settlements that come together count in their order.
pub async fn a_row_of_failures_goes_by_the_order_of_settlements(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    let leases = t.lease(7).await;
    let settle = |lease: &Arc<Lease>, is_done: bool| {
        let failure = t.failure(lease, "no");
        let next = match is_done {
            true => Next::Complete { result: None },
            false => Next::Dead { failure },
        };
        Settlement::new(Arc::clone(lease), next)
    };
    let ends = [false, false, true, false, false];
    let settlements: Vec<_> = leases.iter().zip(ends).map(|(l, end)| settle(l, end)).collect();
    t.settle_all(&settlements).await;
    let view = t.lane("a").await;
    assert_eq!((view.failures, view.until), (2, None));

    t.settle_all(&[settle(&leases[5], false), settle(&leases[6], true)]).await;
    assert_eq!(t.lane("a").await.failures, 0);
}

/// A dead job is a failure as well as one that is tried again.
pub async fn a_death_is_a_failure(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    fail(t, "a", 1).await;
    for _ in 0..2 {
        let lease = t.lease_one().await;
        t.bury(&lease).await;
    }

    assert_eq!(t.lane("a").await.failures, 3);
    assert_eq!(t.lease(9).await, []);
}

/// Nothing else counts as one, nor as a success.
pub async fn nothing_else_is_a_failure_or_a_success(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    fail(t, "a", 2).await;
    for next in [Next::Release, Next::Snooze { after: AT_ONCE }, Next::Cancel] {
        let lease = t.lease_one().await;
        t.settle(&lease, next).await;
    }
    t.lease_one().await;
    t.crash().await;
    let lease = t.lease_one().await;
    t.cancel(lease.job.id).await;
    t.retry(&lease, AT_ONCE).await;

    assert_eq!(t.lane("a").await.failures, 2);
}

/// A zombie's late failure counts for nothing.
pub async fn a_late_failure_counts_for_nothing(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 1).await;
    let zombie = t.lease_one().await;
    t.crash().await;
    t.retry(&zombie, AT_ONCE).await;

    assert_eq!(t.lane("a").await.failures, 0);
}

/// After the rest one job at a time is let through.
pub async fn a_lane_is_on_probation_after_its_rest(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    fail(t, "a", 3).await;
    t.advance(SECOND * 10);

    assert_eq!(t.lease(9).await.len(), 1);
    assert_eq!(t.lease(9).await, []);
}

/// A success on probation closes the matter.
pub async fn a_success_ends_the_probation(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    fail(t, "a", 3).await;
    t.advance(SECOND * 10);
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.lane("a").await.failures, 0);
    assert_eq!(t.lease(5).await.len(), 5);
}

/// A failure on probation begins the next rest.
pub async fn a_failure_on_probation_begins_the_next_rest(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    fail(t, "a", 3).await;
    t.advance(SECOND * 10);
    fail(t, "a", 1).await;

    assert_eq!(t.lane("a").await.failures, 4);
    assert_eq!(t.next_in().await, Some(SECOND * 10));
}

/// What ends a probation otherwise lets the next job be tried.
pub async fn a_release_on_probation_lets_the_next_one_try(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    fail(t, "a", 3).await;
    t.advance(SECOND * 10);
    let lease = t.lease_one().await;
    t.release(&lease).await;

    assert_eq!(t.lease(9).await.len(), 1);
}

/// Failures of jobs that ran before the rest began make it last from the last of them.
pub async fn a_failure_during_the_rest_makes_it_longer(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    let leases = t.lease(4).await;
    for lease in &leases[..3] {
        t.retry(lease, SECOND * 900).await;
    }
    t.advance(SECOND * 4);
    t.retry(&leases[3], SECOND * 900).await;

    assert_eq!(t.lane("a").await.until, Some(t.now() + SECOND * 10));
}

/// A success of such a job ends the row, not the rest.
pub async fn a_success_during_the_rest_ends_the_row_alone(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    let leases = t.lease(4).await;
    for lease in &leases[..3] {
        t.retry(lease, SECOND * 900).await;
    }
    t.ack(&leases[3]).await;

    assert_eq!(t.lane("a").await.failures, 0);
    assert_eq!(t.next_in().await, Some(SECOND * 10));
    t.advance(SECOND * 10);
    assert_eq!(t.lease(9).await.len(), 5);
}

/// A person who resumes the lane forgives its failures.
pub async fn a_resume_forgives_the_failures(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    fail(t, "a", 3).await;
    t.resume_lane("a").await;

    let view = t.lane("a").await;
    assert_eq!((view.failures, view.until), (0, None));
    assert_eq!(t.lease(5).await.len(), 5);
}

/// The rest of a breaker does not cut short a longer one.
pub async fn a_breaker_cuts_no_rest_short(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.fill("a", 9).await;
    let leases = t.lease(3).await;
    t.throttle("a", SECOND * 20).await;
    for lease in &leases {
        t.retry(lease, SECOND * 900).await;
    }

    assert_eq!(t.next_in().await, Some(SECOND * 20));
}

/// A lane without a breaker counts no failures.
pub async fn a_lane_without_a_breaker_never_rests(t: &Scene) {
    t.fill("a", 9).await;
    fail(t, "a", 5).await;

    assert_eq!(t.lane("a").await.failures, 0);
    assert_eq!(t.lease(9).await.len(), 4);
}

/// A lane's own breaker counts before that of each; one that allows more ends a probation.
pub async fn the_nearest_breaker_counts(t: &Scene) {
    three_then_ten_seconds(t).await;
    t.limit_lane("a", breaker(5)).await;
    t.fill("a", 9).await;
    fail(t, "a", 4).await;
    assert_eq!(t.lease(2).await.len(), 2);

    t.limit_lane("a", Limits::new()).await;
    assert_eq!(t.lease(9).await, [], "on probation, with two running");
}

/// A failure that the worker of the last attempt reports wakes who waits, who learns of the rest.
pub async fn a_rest_is_announced_to_who_waits(t: &Scene) {
    t.limit_lanes(breaker(1).concurrency(1)).await;
    t.fill("a", 2).await;
    let lease = t.lease(9).await.remove(0);
    t.calm().await;

    tokio::join!(t.woken(), t.retry(&lease, SECOND * 900));
    assert_eq!(t.next_in().await, Some(SECOND * 10));
}

fn breaker(failures: u32) -> Limits {
    Limits::new().breaker(Breaker::new(failures, SECOND * 10))
}

async fn three_then_ten_seconds(t: &Scene) {
    t.limit_lanes(breaker(3)).await;
}

/// Lets so many jobs of a lane fail, which come back much later.
async fn fail(t: &Scene, lane: &str, times: usize) {
    let mut kept: Vec<Arc<Lease>> = Vec::new();
    let mut failed = 0;
    while failed < times {
        let lease = t.lease_one().await;
        if lease.job.lane == Some(lane_key(lane)) {
            t.retry(&lease, SECOND * 900).await;
            failed += 1;
        } else {
            kept.push(lease);
        }
    }
    for lease in kept {
        t.release(&lease).await;
    }
}
