//! Lanes: who goes first within one, and how people see them. Whose turn it is, is in
//! [`fairness`](super::fairness).

use super::Scene;
use super::scene::{AT_ONCE, LEASE, SECOND, fresh_queue, lane_key};
use crate::id::{JobId, WorkerId};
use crate::inspect::LaneView;
use crate::limits::{LimitSource, Limits};
use crate::priority::Priority;
use crate::record::When;
use crate::state::JobState;

/// A job comes back with its lane and its cost.
pub async fn a_job_keeps_its_lane_and_cost(t: &Scene) {
    let job = t.job_with(|record| {
        record.lane = Some(lane_key("eu/acme@example.com"));
        record.cost = 65_535;
    });
    t.add(&job).await;

    let lease = t.lease_one().await;
    assert_eq!(lease.job.lane, job.record.lane);
    assert_eq!(lease.job.cost, 65_535);
}

/// Any key that may be is taken as it is: the longest, and what has a meaning elsewhere.
pub async fn odd_lane_keys_are_lanes(t: &Scene) {
    for key in ["{a}:b", "\"'\\", "*", "%s", "~", "0", "-1", &"x".repeat(100)] {
        t.enqueue_laned(key).await;
        assert_eq!(t.lane(key).await.ready, 1, "{key}");
        let lease = t.lease_one().await;
        assert_eq!(lease.job.lane, Some(lane_key(key)));
        t.ack(&lease).await;
    }
}

/// Jobs of a lane are leased in the order in which they came.
pub async fn a_lane_goes_first_in_first_out(t: &Scene) {
    let mut ids = t.fill("a", 5).await;
    ids.extend(t.fill("a", 5).await);

    assert_eq!(t.lease_ids(4).await, ids[..4]);
    assert_eq!(t.lease_ids(20).await, ids[4..]);
}

/// Within a lane the higher priority goes first.
pub async fn a_lane_goes_by_priority(t: &Scene) {
    let low = t.enqueue_laned("a").await;
    let high = enqueue_at(t, "a", 9).await;
    let middle = enqueue_at(t, "a", 5).await;

    assert_eq!(t.lease_ids(5).await, [high, middle, low]);
}

/// A higher priority goes before other lanes, whoever's turn it is.
pub async fn a_higher_priority_goes_before_other_lanes(t: &Scene) {
    t.fill("a", 3).await;
    for _ in 0..3 {
        enqueue_at(t, "b", 9).await;
    }

    assert_eq!(t.lease_lanes(10).await, ["b", "b", "b", "a", "a", "a"]);
}

/// A released job is the first of its lane, and takes no other lane's turn.
pub async fn a_released_job_goes_to_the_front_of_its_lane(t: &Scene) {
    let ids = t.fill("a", 2).await;
    let other = t.fill("b", 2).await;
    let lease = t.lease_one().await;
    t.release(&lease).await;

    assert_eq!(lease.job.id, ids[0]);
    assert_eq!(t.lease_ids(4).await, [other[0], ids[0], other[1], ids[1]]);
}

/// Jobs whose worker died are the first of their lanes, in their order.
pub async fn reclaimed_jobs_go_to_the_front_of_their_lanes(t: &Scene) {
    let (a, b) = (t.fill("a", 3).await, t.fill("b", 3).await);
    t.lease(4).await;
    t.crash().await;

    let ids = t.lease_ids(10).await;
    assert_eq!(of(&ids, &a), a);
    assert_eq!(of(&ids, &b), b);
}

/// So are forfeited ones.
pub async fn forfeited_jobs_go_to_the_front_of_their_lanes(t: &Scene) {
    let (a, b) = (t.fill("a", 3).await, t.fill("b", 3).await);
    t.lease(4).await;
    t.store().forfeit(t.queue(), t.worker(), &[]).await.unwrap();

    let ids = t.lease_ids(10).await;
    assert_eq!(of(&ids, &a), a);
    assert_eq!(of(&ids, &b), b);
}

/// A job that becomes due goes behind those of its lane.
pub async fn a_promoted_job_goes_to_the_back_of_its_lane(t: &Scene) {
    let mut later = t.job_with(|record| record.lane = Some(lane_key("a")));
    later.when = When::After(SECOND);
    t.add(&later).await;
    let ready = t.enqueue_laned("a").await;
    assert_eq!(t.lane("a").await.ready, 1);
    t.advance(SECOND);

    assert_eq!(t.lease_ids(5).await, [ready, later.record.id]);
}

/// So does a retried one.
pub async fn a_retried_job_goes_to_the_back_of_its_lane(t: &Scene) {
    let ids = t.fill("a", 2).await;
    let lease = t.lease_one().await;
    t.retry(&lease, AT_ONCE).await;

    assert_eq!(t.lease_ids(5).await, [ids[1], ids[0]]);
}

/// So does a requeued one.
pub async fn a_requeued_job_goes_to_the_back_of_its_lane(t: &Scene) {
    let dead = t.dead_with(|record| record.lane = Some(lane_key("a"))).await;
    let ready = t.enqueue_laned("a").await;
    t.requeue(dead).await;

    assert_eq!(t.lane("a").await.ready, 2);
    assert_eq!(t.lease_ids(5).await, [ready, dead]);
}

/// A job called off leaves its lane, from the front, the middle and the end.
pub async fn a_cancelled_job_leaves_its_lane(t: &Scene) {
    let ids = t.fill("a", 5).await;
    for id in [ids[0], ids[2], ids[4]] {
        t.cancel(id).await;
    }

    assert_eq!(t.lane("a").await.ready, 2);
    assert_eq!(t.lease_ids(5).await, [ids[1], ids[3]]);
}

/// A deleted job leaves its lane; with its last job so does the lane.
pub async fn a_deleted_job_leaves_its_lane(t: &Scene) {
    let (a, b) = (t.enqueue_laned("a").await, t.enqueue_laned("b").await);
    t.delete(a).await;

    assert_eq!(shown(t).await, ["b"]);
    assert_eq!(t.lease_ids(5).await, [b]);
}

/// Lanes of one key in two queues are two.
pub async fn a_lane_is_of_one_queue(t: &Scene) {
    let elsewhere = fresh_queue();
    t.enqueue_with(|record| {
        record.queue = elsewhere.clone();
        record.lane = Some(lane_key("a"));
    })
    .await;
    t.pause_lane("a").await;

    assert_eq!(t.lane("a").await.ready, 0);
    let view = t.store().lane(&elsewhere, &lane_key("a")).await.unwrap();
    assert_eq!((view.ready, view.paused), (1, false));
}

/// What people see of a lane adds up.
pub async fn a_lane_shows_its_jobs(t: &Scene) {
    t.fill("a", 5).await;
    t.fill("b", 1).await;
    t.lease(4).await;

    let view = t.lane("a").await;
    assert_eq!((view.ready, view.leased), (2, 3));
    assert_eq!(view, LaneView { ready: 2, leased: 3, ..unknown("a") });
    assert_eq!(t.stats().await.ready, 2);
}

/// Nothing is seen of a lane that nothing is known of but what limits each.
pub async fn an_unknown_lane_is_empty(t: &Scene) {
    assert_eq!(t.lane("a").await, unknown("a"));

    let limits = Limits::new().concurrency(2);
    t.limit_lanes(limits.clone()).await;
    assert_eq!(t.lane("a").await, LaneView::new(lane_key("a"), limits));
    assert_eq!(shown(t).await, [""; 0]);
}

/// Lanes with something ready or running are listed, by key and byte by byte.
pub async fn lanes_are_listed_by_key(t: &Scene) {
    for lane in ["b", "a", "B", "10", "9"] {
        t.enqueue_laned(lane).await;
    }
    t.enqueue().await;
    t.lease(2).await;

    assert_eq!(shown(t).await, ["10", "9", "B", "a", "b"]);
}

/// A list of lanes is read page by page.
pub async fn a_list_of_lanes_is_read_page_by_page(t: &Scene) {
    for n in 10..20 {
        t.enqueue_laned(&n.to_string()).await;
    }

    let page = async |after: &str| {
        let after = lane_key(after);
        t.store().lanes(t.queue(), Some(&after), 3).await.unwrap()
    };
    let of_13 = page("13").await;
    let keys: Vec<_> = of_13.iter().map(|view| view.lane.as_str()).collect();
    assert_eq!(keys, ["14", "15", "16"]);
    assert_eq!(of_13[0], t.lane("14").await);
    assert_eq!(page("130").await, of_13, "after one that there is not");
    assert_eq!(page("18").await, [t.lane("19").await]);
    assert_eq!(page("19").await, []);
    assert_eq!(page("~").await, []);
}

/// A lane with nothing to do is not listed, unless somebody has set something for it.
pub async fn an_idle_lane_is_listed_for_what_was_set(t: &Scene) {
    for lane in ["idle", "limited", "paused"] {
        t.enqueue_laned(lane).await;
    }
    for lease in t.lease(3).await {
        t.ack(&lease).await;
    }
    assert_eq!(shown(t).await, [""; 0]);

    t.limit_lane("limited", Limits::new().weight(2)).await;
    t.pause_lane("paused").await;
    assert_eq!(shown(t).await, ["limited", "paused"]);
    t.limit_lane("limited", Limits::new()).await;
    t.resume_lane("paused").await;
    assert_eq!(shown(t).await, [""; 0]);
}

/// Ready jobs are listed lane by lane, those without one first.
pub async fn ready_jobs_are_listed_lane_by_lane(t: &Scene) {
    let b = t.fill("b", 2).await;
    let a = t.fill("a", 2).await;
    let first_of_b = enqueue_at(t, "b", 3).await;
    let plain = t.enqueue().await;

    assert_eq!(t.ids(JobState::Ready).await, [plain, a[0], a[1], first_of_b, b[0], b[1]]);
}

/// A job is listed also under an id that was called off before, when it had no lane.
pub async fn a_job_that_has_changed_to_a_lane_is_listed(t: &Scene) {
    let id = t.enqueue().await;
    t.cancel(id).await;
    let mut again = t.job();
    again.record.id = id;
    again.record.lane = Some(lane_key("a"));
    t.add(&again).await;

    assert_eq!(t.stats().await.ready, 1);
    assert_eq!(t.ids(JobState::Ready).await, [id]);
}

/// The job that has waited longest is seen also in a lane.
pub async fn the_oldest_ready_job_of_a_lane_can_be_seen(t: &Scene) {
    let then = t.now();
    t.fill("b", 2).await;
    t.advance(SECOND);
    t.fill("a", 2).await;
    t.enqueue().await;

    assert_eq!(t.stats().await.oldest_ready_at, Some(then));
}

/// Leases of lanes are extended, fenced and lost like all others.
pub async fn a_leased_job_of_a_lane_is_like_any_other(t: &Scene) {
    t.enqueue_laned("a").await;
    let lost = t.lease_one().await;
    t.crash().await;
    let held = t.lease_as(WorkerId::generate(), 1).await;

    assert_eq!(t.ack(&lost).await, crate::Held::Lost);
    assert_eq!(t.extend(&held[0], LEASE).await, crate::Extended::Yes);
    assert_eq!(t.lane("a").await.leased, 1);
    assert_eq!(t.ack(&held[0]).await, crate::Held::Yes);
    assert_eq!(t.lane("a").await.leased, 0);
}

/// Jobs of a thousand lanes are all leased, and leave nothing behind once the lanes are forgotten.
pub async fn many_lanes_leave_nothing_behind(t: &Scene) {
    let jobs: Vec<_> = (0..1_200)
        .map(|n| t.job_with(|record| record.lane = Some(lane_key(&format!("store-{n}")))))
        .collect();
    t.add_all(&jobs).await;
    let leases = t.lease(1_200).await;
    assert_eq!(leases.len(), 1_200);
    let done = |lease| crate::Settlement::new(lease, crate::Next::Complete { result: None });
    t.settle_all(&leases.into_iter().map(done).collect::<Vec<_>>()).await;

    t.advance(SECOND * 60);
    for _ in 0..3 {
        t.maintain().await;
    }
    t.assert_pristine().await;
}

/// Limits that the program has set once are there for an operator to see, and his beside them.
pub async fn lanes_show_what_limits_them(t: &Scene) {
    t.limit_lanes(Limits::new().concurrency(5).weight(2)).await;
    let scope = crate::LimitScope::Lane(t.queue().clone(), lane_key("a"));
    t.set_limits(scope, LimitSource::Operator, Limits::new().concurrency(1)).await;

    assert_eq!(t.lane("a").await.limits, Limits::new().concurrency(1).weight(2));
    assert_eq!(t.lane("b").await.limits, Limits::new().concurrency(5).weight(2));
    assert_eq!(shown(t).await, ["a"]);
}

/// A ready job of a lane with a priority.
async fn enqueue_at(t: &Scene, lane: &str, priority: u8) -> JobId {
    t.enqueue_with(|record| {
        record.lane = Some(lane_key(lane));
        record.priority = Priority::constant(priority);
    })
    .await
}

fn unknown(lane: &str) -> LaneView {
    LaneView::new(lane_key(lane), Limits::new())
}

/// The keys of all lanes that are listed.
async fn shown(t: &Scene) -> Vec<String> {
    let views = t.store().lanes(t.queue(), None, 1_000).await.unwrap();
    views.iter().map(|view| view.lane.to_string()).collect()
}

/// Those of `ids` that are among `some`, in their order.
fn of(ids: &[JobId], some: &[JobId]) -> Vec<JobId> {
    ids.iter().copied().filter(|id| some.contains(id)).collect()
}
