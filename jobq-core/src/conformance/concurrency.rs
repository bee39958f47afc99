//! How many jobs may be leased at once: of a lane, and of a queue.

use std::sync::Arc;

use super::Scene;
use super::scene::{AT_ONCE, LEASE, MS, SECOND, lane_key, lane_of};
use crate::id::WorkerId;
use crate::inspect::DeleteOutcome;
use crate::lease::{Held, Lease, Next, Settlement};
use crate::limits::{LimitScope, LimitSource, Limits};

/// No more jobs of a lane are leased at once than may be, and other lanes go on.
pub async fn a_lane_has_as_many_leased_as_it_may(t: &Scene) {
    limit(t, 2).await;
    t.fill("a", 5).await;
    t.fill("b", 1).await;
    t.enqueue().await;

    assert_eq!(t.lease_lanes(9).await, ["-", "a", "b", "a"]);
    assert_eq!(t.lease_lanes(9).await, [""; 0]);
    assert_eq!(t.lane("a").await.leased, 2);
}

/// A slot is freed by whatever ends a lease.
pub async fn every_end_of_a_lease_frees_its_slot(t: &Scene) {
    limit(t, 1).await;
    let ends: [fn(&Scene, &Lease) -> Next; 7] = [
        |_, _| Next::Complete { result: None },
        |t, lease| Next::Retry { after: SECOND * 900, failure: t.failure(lease, "no") },
        |t, lease| Next::Retry { after: AT_ONCE, failure: t.failure(lease, "no") },
        |_, _| Next::Snooze { after: SECOND * 900 },
        |_, _| Next::Release,
        |t, lease| Next::Dead { failure: t.failure(lease, "never") },
        |_, _| Next::Cancel,
    ];
    for end in ends {
        t.fill("a", 2).await;
        let lease = t.lease_one().await;
        assert_eq!(t.lease_lanes(9).await, [""; 0]);
        assert_eq!(t.settle(&lease, end(t, &lease)).await, Held::Yes);
        assert_eq!(t.lane("a").await.leased, 0);
        let next = t.lease_one().await;
        t.ack(&next).await;
    }
}

/// So it is by a job that is kept, and by one that was asked to end.
pub async fn a_kept_or_cancelled_job_frees_its_slot(t: &Scene) {
    limit(t, 1).await;
    let kept = t.job_with(|record| {
        record.lane = Some(lane_key("a"));
        record.retention = Some(SECOND * 60);
    });
    t.add(&kept).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.fill("a", 2).await;
    let lease = t.lease_one().await;
    t.cancel(lease.job.id).await;
    assert_eq!(t.lease_lanes(9).await, [""; 0], "asked to end is still running");
    t.retry(&lease, AT_ONCE).await;

    assert_eq!(t.lease_lanes(9).await, ["a"]);
}

/// A settlement and a lease in one step: the slot is free for it.
pub async fn a_slot_is_free_in_the_step_that_frees_it(t: &Scene) {
    limit(t, 1).await;
    let ids = t.fill("a", 2).await;
    let lease = t.lease_one().await;
    let done = Settlement::new(lease, Next::Complete { result: None });

    let exchanged = t.exchange(&[done], 9).await;
    assert_eq!(exchanged.leases[0].job.id, ids[1]);
    assert_eq!(exchanged.leases.len(), 1);
}

/// A crash frees the slot when the lease expires: not before, and not twice.
pub async fn a_crash_frees_its_slot(t: &Scene) {
    limit(t, 1).await;
    t.fill("a", 2).await;
    t.lease_one().await;
    t.advance(LEASE - MS);
    assert_eq!(t.lease_lanes(9).await, [""; 0]);

    t.advance(MS);
    assert_eq!(t.lease_lanes(9).await, ["a"]);
    assert_eq!(t.lease_lanes(9).await, [""; 0]);
}

/// A poison pill frees its slot.
pub async fn a_poison_pill_frees_its_slot(t: &Scene) {
    limit(t, 1).await;
    t.enqueue_with(|record| {
        record.lane = Some(lane_key("a"));
        record.max_crashes = 1;
    })
    .await;
    t.fill("a", 1).await;
    t.lease_one().await;
    assert_eq!(t.crash().await.poisoned, 1);

    assert_eq!(t.lease_lanes(9).await, ["a"]);
}

/// So does a forfeit, once.
pub async fn a_forfeit_frees_its_slots(t: &Scene) {
    limit(t, 2).await;
    t.fill("a", 5).await;
    let leases = t.lease(9).await;
    t.store().forfeit(t.queue(), t.worker(), &[leases[0].proof()]).await.unwrap();

    assert_eq!(t.lane("a").await.leased, 1);
    assert_eq!(t.lease_lanes(9).await, ["a"]);
}

/// A zombie's late settlement frees nothing: the slot is that of whoever has the job now.
pub async fn a_late_settlement_frees_no_slot(t: &Scene) {
    limit(t, 1).await;
    t.fill("a", 3).await;
    let zombie = t.lease_one().await;
    t.crash().await;
    let holder = t.lease_as(WorkerId::generate(), 1).await;
    assert_eq!(holder[0].job.id, zombie.job.id);

    assert_eq!(t.ack(&zombie).await, Held::Lost);
    assert_eq!(t.release(&zombie).await, Held::Lost);
    assert_eq!(t.lease_lanes(9).await, [""; 0]);
    assert_eq!(t.lane("a").await.leased, 1);
}

/// An extended lease holds its slot for as long as it lasts.
pub async fn an_extended_lease_holds_its_slot(t: &Scene) {
    limit(t, 1).await;
    t.fill("a", 2).await;
    let lease = t.lease_one().await;
    t.advance(LEASE / 2);
    t.extend(&lease, LEASE).await;
    t.advance(LEASE - MS);

    assert_eq!(t.lease_lanes(9).await, [""; 0]);
    assert_eq!(t.next_in().await, Some(MS));
}

/// Nobody frees a slot by deleting the job that has it.
pub async fn a_delete_frees_no_slot(t: &Scene) {
    limit(t, 1).await;
    t.fill("a", 2).await;
    let lease = t.lease_one().await;

    assert_eq!(t.delete(lease.job.id).await, DeleteOutcome::Running);
    assert_eq!(t.lease_lanes(9).await, [""; 0]);
}

/// A lane without a free slot is no matter of time: only the expiry is announced.
pub async fn a_full_lane_announces_no_time(t: &Scene) {
    limit(t, 1).await;
    t.fill("a", 2).await;
    t.lease_one().await;
    t.advance(SECOND);

    assert_eq!(t.next_in().await, Some(LEASE - SECOND));
    assert_eq!(t.lane("a").await.until, None);
}

/// A limit that is lowered leaves alone what runs: no more is leased until there is less.
pub async fn a_lowered_limit_leaves_alone_what_runs(t: &Scene) {
    limit(t, 3).await;
    t.fill("a", 9).await;
    let leases = t.lease(9).await;
    limit(t, 2).await;

    assert_eq!(t.lane("a").await.leased, 3);
    t.ack(&leases[0]).await;
    assert_eq!(t.lease_lanes(9).await, [""; 0]);
    t.ack(&leases[1]).await;
    assert_eq!(t.lease_lanes(9).await, ["a"]);
}

/// A limit that comes while jobs run counts them.
pub async fn a_new_limit_counts_what_runs(t: &Scene) {
    t.fill("a", 5).await;
    t.lease(2).await;
    limit(t, 3).await;

    assert_eq!(t.lease_lanes(9).await, ["a"]);
}

/// A limit that is raised holds at once, and wakes who waits.
pub async fn a_raised_limit_wakes_a_worker(t: &Scene) {
    limit(t, 1).await;
    t.fill("a", 5).await;
    t.lease(9).await;
    t.calm().await;

    tokio::join!(t.woken(), limit(t, 3));
    assert_eq!(t.lease_lanes(9).await, ["a", "a"]);
}

/// A slot that is freed wakes who waits.
pub async fn a_freed_slot_wakes_a_worker(t: &Scene) {
    limit(t, 1).await;
    t.fill("a", 2).await;
    let lease = t.lease(9).await.remove(0);
    t.calm().await;

    tokio::join!(t.woken(), t.ack(&lease));
    assert_eq!(t.lease_lanes(9).await, ["a"]);
}

/// A slot that a crash frees does so too, whoever finds it.
pub async fn a_slot_freed_by_maintenance_wakes_a_worker(t: &Scene) {
    limit(t, 1).await;
    t.fill("a", 2).await;
    t.lease(9).await;
    t.calm().await;

    tokio::join!(t.woken(), t.crash());
}

/// A new job of a full lane wakes nobody again and again.
pub async fn a_full_lane_wakes_nobody(t: &Scene) {
    limit(t, 1).await;
    t.fill("a", 2).await;
    t.lease(9).await;
    t.calm().await;
    t.fill("a", 2).await;
    t.lease(9).await;

    assert!(t.calm().await <= 1);
}

/// The limit of a queue counts all its jobs, with a lane or without.
pub async fn a_queue_has_as_many_leased_as_it_may(t: &Scene) {
    t.limit_queue(Limits::new().concurrency(3)).await;
    t.fill("a", 3).await;
    t.add_all(&[t.job(), t.job(), t.job()]).await;

    let leases = t.lease(9).await;
    assert_eq!(leases.iter().map(|l| lane_of(l)).collect::<Vec<_>>(), ["-", "a", "-"]);
    assert_eq!(t.lease(9).await, []);
    t.retry(&leases[1], AT_ONCE).await;
    assert_eq!(t.lease_lanes(9).await, ["a"]);
}

/// It holds in a queue without lanes, and counts those whose worker has died until that is known.
pub async fn a_queue_without_lanes_has_as_many_leased_as_it_may(t: &Scene) {
    t.limit_queue(Limits::new().concurrency(2)).await;
    t.add_all(&[t.job(), t.job(), t.job()]).await;
    assert_eq!(t.lease(9).await.len(), 2);
    assert_eq!(t.next_in().await, Some(LEASE));

    t.advance(LEASE);
    assert_eq!(t.lease(9).await.len(), 2);
}

/// While the queue has no slot no lane is looked at, and when one may be served again is not announced.
pub async fn a_full_queue_looks_at_no_lane(t: &Scene) {
    t.limit_queue(Limits::new().concurrency(1)).await;
    t.fill("a", 2).await;
    t.throttle("a", SECOND * 5).await;
    let other = t.enqueue().await;
    assert_eq!(t.lease_ids(9).await, [other]);
    assert_eq!(t.next_in().await, Some(LEASE));

    t.advance(SECOND * 5);
    assert_eq!(t.next_in().await, Some(LEASE - SECOND * 5));
}

/// A slot of the queue that is freed wakes who waits.
pub async fn a_freed_slot_of_the_queue_wakes_a_worker(t: &Scene) {
    t.limit_queue(Limits::new().concurrency(1)).await;
    t.add_all(&[t.job(), t.job()]).await;
    let lease = t.lease(9).await.remove(0);
    t.calm().await;

    tokio::join!(t.woken(), t.ack(&lease));
    assert_eq!(t.lease(9).await.len(), 1);
}

/// So does a limit of the queue that is raised, or taken away.
pub async fn a_raised_limit_of_the_queue_wakes_a_worker(t: &Scene) {
    t.limit_queue(Limits::new().concurrency(1)).await;
    t.add_all(&[t.job(), t.job(), t.job()]).await;
    t.lease(9).await;
    t.calm().await;

    tokio::join!(t.woken(), t.limit_queue(Limits::new().concurrency(2)));
    assert_eq!(t.lease(9).await.len(), 1);
    t.calm().await;
    tokio::join!(t.woken(), t.limit_queue(Limits::new()));
    assert_eq!(t.lease(9).await.len(), 1);
}

/// A full queue wakes nobody again and again.
pub async fn a_full_queue_wakes_nobody(t: &Scene) {
    t.limit_queue(Limits::new().concurrency(1)).await;
    t.add_all(&[t.job(), t.job(), t.job()]).await;
    t.lease(1).await;
    t.lease(1).await;
    t.calm().await;
    t.enqueue().await;
    t.lease(1).await;

    assert!(t.calm().await <= 1);
}

/// What counts for a lane, first of all: what an operator has set for it, then the program, then what
/// an operator has set for each, then the program.
pub async fn the_nearest_limit_counts(t: &Scene) {
    let queue = || t.queue().clone();
    let steps = [
        (LimitScope::Lanes(queue()), LimitSource::Code, 1),
        (LimitScope::Lanes(queue()), LimitSource::Operator, 2),
        (LimitScope::Lane(queue(), lane_key("a")), LimitSource::Code, 3),
        (LimitScope::Lane(queue(), lane_key("a")), LimitSource::Operator, 4),
    ];
    t.fill("a", 9).await;
    for (scope, source, jobs) in &steps {
        t.set_limits(scope.clone(), *source, Limits::new().concurrency(*jobs)).await;
        assert_eq!(t.lease(9).await.len(), 1, "{scope} by {source:?}");
    }
    for (scope, source, jobs) in steps.iter().rev() {
        assert_eq!(t.lane("a").await.limits.concurrency, Some(*jobs));
        t.set_limits(scope.clone(), *source, Limits::new()).await;
    }
    assert_eq!(t.lane("a").await.limits, Limits::new());
}

/// Each limit is looked up by itself: one of a nearer scope leaves the others in force.
pub async fn limits_are_looked_up_one_by_one(t: &Scene) {
    t.limit_lanes(Limits::new().concurrency(1).max_size(7)).await;
    t.limit_lane("a", Limits::new().max_size(9)).await;
    t.fill("a", 8).await;

    assert_eq!(t.lease_lanes(9).await, ["a"]);
}

/// Setting the same limits again changes nothing.
pub async fn limits_may_be_set_again(t: &Scene) {
    for _ in 0..3 {
        limit(t, 1).await;
    }
    t.fill("a", 2).await;

    assert_eq!(t.lease(9).await.len(), 1);
}

/// Limits of one queue are none of another's.
pub async fn limits_are_of_one_queue(t: &Scene) {
    let other = super::scene::fresh_queue();
    let scope = LimitScope::Queue(other.clone());
    t.set_limits(scope, LimitSource::Code, Limits::new().concurrency(1)).await;
    t.add_all(&[t.job(), t.job()]).await;

    assert_eq!(t.lease(9).await.len(), 2);
    assert_eq!(t.store().limits(&other, 9).await.unwrap().len(), 1);
    assert_eq!(t.store().limits(t.queue(), 9).await.unwrap(), []);
}

/// Whatever happens to leases, no lane ever has more than it may, and in the end none.
pub async fn slots_neither_leak_nor_are_given_twice(t: &Scene) {
    let mut random = fastrand::Rng::with_seed(11);
    limit(t, 2).await;
    t.limit_queue(Limits::new().concurrency(5)).await;
    let lanes = ["a", "b", "c", "d"];
    for lane in lanes {
        t.fill(lane, 15).await;
    }
    let mut known: Vec<Arc<Lease>> = Vec::new();
    for _ in 0..80 {
        known.extend(t.lease(random.usize(1..6)).await);
        let newest = &known[known.len().saturating_sub(8)..];
        if let Some(lease) = random.choice(newest) {
            match random.u32(..5) {
                0 => drop(t.release(lease).await),
                1 => drop(t.retry(lease, SECOND).await),
                2 => drop(t.ack(lease).await),
                3 => drop(t.extend(lease, LEASE).await),
                _ => drop(t.cancel(lease.job.id).await),
            }
        }
        t.advance(SECOND * random.u32(0..12));
        let mut all = 0;
        for lane in lanes {
            let leased = t.lane(lane).await.leased;
            assert!(leased <= 2, "{lane} has {leased}");
            all += leased;
        }
        assert!(all <= 5, "the queue has {all}");
        assert_eq!(all, t.stats().await.leased);
    }
    t.store().forfeit(t.queue(), t.worker(), &[]).await.unwrap();
    for lane in lanes {
        assert_eq!(t.lane(lane).await.leased, 0);
    }
}

/// The concurrency of each lane.
async fn limit(t: &Scene, jobs: u32) {
    t.limit_lanes(Limits::new().concurrency(jobs)).await;
}
