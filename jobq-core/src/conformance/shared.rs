//! Limits that queues share by name.

use std::sync::Arc;

use super::Scene;
use super::scene::{LEASE, MS, SECOND, fresh_queue, lane_key};
use crate::lease::{Exchanged, Lease, LeaseRequest, Next, Settlement};
use crate::limits::{LimitScope, LimitSource, Limits, Rate};
use crate::name::{LimitName, QueueName};

/// No more jobs of all the queues together are leased at once than may be.
pub async fn queues_share_their_slots(t: &Scene) {
    let (name, other) = two_queues(t, Limits::new().concurrency(3)).await;
    fill(t, t.queue(), 5).await;
    fill(t, &other, 5).await;

    assert_eq!(lease(t, t.queue(), 2).await.len(), 2);
    assert_eq!(lease(t, &other, 9).await.len(), 1);
    assert_eq!(lease(t, t.queue(), 9).await, []);
    set(t, &name, Limits::new().concurrency(5)).await;
    assert_eq!(lease(t, t.queue(), 9).await.len(), 2);
}

/// A slot that is freed in one queue is there for the others, whose workers are woken.
pub async fn a_slot_freed_in_one_queue_wakes_another(t: &Scene) {
    let (_, other) = two_queues(t, Limits::new().concurrency(1)).await;
    fill(t, t.queue(), 1).await;
    fill(t, &other, 1).await;
    let held = lease(t, &other, 9).await.remove(0);
    assert_eq!(lease(t, t.queue(), 9).await, []);
    t.calm().await;

    tokio::join!(t.woken(), ack(t, &other, &held));
    assert_eq!(lease(t, t.queue(), 9).await.len(), 1);
}

/// So is one that a crash frees, when that is found out.
pub async fn a_slot_freed_by_a_crash_wakes_another_queue(t: &Scene) {
    let (_, other) = two_queues(t, Limits::new().concurrency(1)).await;
    fill(t, t.queue(), 1).await;
    fill(t, &other, 1).await;
    lease(t, &other, 9).await;
    lease(t, t.queue(), 9).await;
    t.calm().await;
    t.advance(LEASE);

    let (_, maintained) = tokio::join!(t.woken(), t.store().maintain(&other, 9));
    assert_eq!(maintained.unwrap().reclaimed, 1);
    assert_eq!(lease(t, t.queue(), 9).await.len(), 1);
}

/// A slot freed in a queue wakes its own workers too.
pub async fn a_freed_shared_slot_wakes_its_own_queue(t: &Scene) {
    two_queues(t, Limits::new().concurrency(1)).await;
    fill(t, t.queue(), 2).await;
    let held = lease(t, t.queue(), 9).await.remove(0);
    t.calm().await;

    tokio::join!(t.woken(), ack(t, t.queue(), &held));
    assert_eq!(lease(t, t.queue(), 9).await.len(), 1);
}

/// A shared limit that is raised wakes the queues that take part.
pub async fn a_raised_shared_limit_wakes_a_worker(t: &Scene) {
    let (name, other) = two_queues(t, Limits::new().concurrency(1)).await;
    fill(t, t.queue(), 1).await;
    fill(t, &other, 1).await;
    lease(t, &other, 9).await;
    lease(t, t.queue(), 9).await;
    t.calm().await;

    tokio::join!(t.woken(), set(t, &name, Limits::new().concurrency(2)));
}

/// Jobs that run when a queue begins to take part count from then on, and no more when it ends.
pub async fn what_runs_counts_as_long_as_its_queue_takes_part(t: &Scene) {
    let (name, other) = two_queues(t, Limits::new().concurrency(2)).await;
    let third = fresh_queue();
    fill(t, &third, 3).await;
    fill(t, &other, 3).await;
    assert_eq!(lease(t, &third, 2).await.len(), 2);
    take_part(t, &third, Limits::new().shared(name)).await;
    assert_eq!(lease(t, &other, 9).await, []);

    take_part(t, &third, Limits::new()).await;
    assert_eq!(lease(t, &other, 9).await.len(), 2);
    assert_eq!(lease(t, &third, 9).await.len(), 1);
}

/// A rate is shared too: no more of all the queues together is leased in a time.
pub async fn queues_share_a_rate(t: &Scene) {
    for rate in ["5/s", "5/s sliding", "5/s burst 5"] {
        let (_, other) = two_queues(t, Limits::new().rate(rate.parse().unwrap())).await;
        fill(t, t.queue(), 4).await;
        fill(t, &other, 4).await;

        assert_eq!(lease(t, t.queue(), 9).await.len(), 4, "{rate}");
        assert_eq!(lease(t, &other, 9).await.len(), 1, "{rate}");
        t.advance(SECOND);
        assert_eq!(lease(t, &other, 9).await.len(), 3, "{rate}");
        t.advance(SECOND);
    }
}

/// When there is room again is announced in each of them.
pub async fn room_of_a_shared_rate_is_announced(t: &Scene) {
    let (_, other) = two_queues(t, Limits::new().rate(Rate::fixed(1, SECOND * 10))).await;
    fill(t, t.queue(), 2).await;
    fill(t, &other, 1).await;
    lease(t, &other, 1).await;

    assert_eq!(exchange(t, t.queue(), 1).await.next_in, Some(SECOND * 10));
    t.advance(SECOND * 10 - MS);
    assert_eq!(exchange(t, t.queue(), 1).await.next_in, Some(MS));
    t.advance(MS);
    assert_eq!(exchange(t, t.queue(), 1).await.leases.len(), 1);
}

/// A job takes its cost of it, and one that waits for room is not overtaken.
pub async fn a_job_takes_its_cost_of_a_shared_rate(t: &Scene) {
    two_queues(t, Limits::new().rate(Rate::fixed(5, SECOND))).await;
    for (lane, cost) in [("a", 3), ("b", 3), ("c", 1)] {
        t.enqueue_with(|record| {
            record.lane = Some(lane_key(lane));
            record.cost = cost;
        })
        .await;
    }

    assert_eq!(t.lease_lanes(9).await, ["a"]);
    t.advance(SECOND);
    assert_eq!(t.lease_lanes(9).await, ["b", "c"]);
}

/// A limit of the queue's own holds beside it.
pub async fn a_queues_own_limit_holds_beside_a_shared_one(t: &Scene) {
    let (name, other) = two_queues(t, Limits::new().concurrency(3)).await;
    t.limit_queue(Limits::new().shared(name).concurrency(1)).await;
    fill(t, t.queue(), 9).await;
    fill(t, &other, 9).await;

    assert_eq!(lease(t, t.queue(), 9).await.len(), 1);
    assert_eq!(lease(t, &other, 9).await.len(), 2);
}

/// An operator's shared limit counts before the program's.
pub async fn an_operators_shared_limit_counts_first(t: &Scene) {
    let (name, _) = two_queues(t, Limits::new().concurrency(3)).await;
    let scope = LimitScope::Shared(name);
    t.set_limits(scope, LimitSource::Operator, Limits::new().concurrency(1)).await;
    fill(t, t.queue(), 9).await;

    assert_eq!(lease(t, t.queue(), 9).await.len(), 1);
}

/// A name that nobody has set limits for limits nothing.
pub async fn a_shared_limit_without_limits_limits_nothing(t: &Scene) {
    two_queues(t, Limits::new()).await;
    fill(t, t.queue(), 9).await;

    assert_eq!(lease(t, t.queue(), 20).await.len(), 9);
}

/// What makes no sense for queues together is refused.
pub async fn absurd_shared_limits_are_refused(t: &Scene) {
    let scope = LimitScope::Shared(fresh_name());
    for limits in [
        Limits::new().max_size(3),
        Limits::new().weight(3),
        Limits::new().concurrency(0),
        Limits::new().shared(fresh_name()),
    ] {
        let set = t.store().set_limits(&scope, LimitSource::Code, &limits).await;
        assert_eq!(set.unwrap_err().kind(), crate::ErrorKind::InvalidInput, "{limits:?}");
    }
}

/// Over random leases and ends of three queues, there are never more than may be, and none in the end.
pub async fn shared_slots_neither_leak_nor_are_given_twice(t: &Scene) {
    let mut random = fastrand::Rng::with_seed(3);
    let (name, second) = two_queues(t, Limits::new().concurrency(4)).await;
    let third = fresh_queue();
    take_part(t, &third, Limits::new().shared(name)).await;
    let queues = [t.queue().clone(), second, third];
    for queue in &queues {
        fill(t, queue, 30).await;
    }
    let mut held: Vec<(QueueName, Arc<Lease>)> = Vec::new();
    for _ in 0..60 {
        let queue = random.choice(&queues).unwrap();
        let limit = random.usize(1..4);
        held.extend(lease(t, queue, limit).await.into_iter().map(|l| (queue.clone(), l)));
        if random.bool() && !held.is_empty() {
            let (queue, lease) = held.swap_remove(random.usize(..held.len()));
            ack(t, &queue, &lease).await;
        }
        assert!(held.len() <= 4, "{} are held", held.len());
    }
    for (queue, lease) in held {
        ack(t, &queue, &lease).await;
    }
    let mut leased = 0;
    for queue in &queues {
        leased += lease(t, queue, 9).await.len();
    }
    assert_eq!(leased, 4, "all slots are there again");
}

/// The queue in use and another one, which share these limits.
async fn two_queues(t: &Scene, limits: Limits) -> (LimitName, QueueName) {
    let (name, other) = (fresh_name(), fresh_queue());
    set(t, &name, limits).await;
    for queue in [t.queue(), &other] {
        take_part(t, queue, Limits::new().shared(name.clone())).await;
    }
    (name, other)
}

async fn set(t: &Scene, name: &LimitName, limits: Limits) {
    t.set_limits(LimitScope::Shared(name.clone()), LimitSource::Code, limits).await;
}

async fn take_part(t: &Scene, queue: &QueueName, limits: Limits) {
    t.set_limits(LimitScope::Queue(queue.clone()), LimitSource::Code, limits).await;
}

async fn fill(t: &Scene, queue: &QueueName, count: usize) {
    let job = |_| t.job_with(|record| record.queue = queue.clone());
    t.add_all(&(0..count).map(job).collect::<Vec<_>>()).await;
}

async fn exchange(t: &Scene, queue: &QueueName, limit: usize) -> Exchanged {
    let request = LeaseRequest::new(t.worker(), limit, LEASE);
    t.store().exchange(queue, &[], Some(request)).await.unwrap()
}

async fn lease(t: &Scene, queue: &QueueName, limit: usize) -> Vec<Arc<Lease>> {
    exchange(t, queue, limit).await.leases
}

async fn ack(t: &Scene, queue: &QueueName, lease: &Arc<Lease>) {
    let done = Settlement::new(Arc::clone(lease), Next::Complete { result: None });
    let held = t.store().exchange(queue, &[done], None).await.unwrap().held;
    assert_eq!(held, [crate::Held::Yes]);
}

/// The name of a shared limit that nobody else uses.
fn fresh_name() -> LimitName {
    LimitName::new(fresh_queue().as_str()).unwrap()
}
