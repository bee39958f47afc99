//! Who goes first.

use super::Scene;
use super::scene::SECOND;
use crate::id::JobId;
use crate::priority::Priority;
use crate::state::JobState;

/// First in, first out.
pub async fn jobs_of_one_priority_come_in_their_order(t: &Scene) {
    let ids = [t.enqueue().await, t.enqueue().await, t.enqueue().await];

    assert_eq!(t.lease_ids(10).await, ids);
}

/// Taking them one by one makes no difference.
pub async fn jobs_leased_one_by_one_come_in_their_order(t: &Scene) {
    let ids = [t.enqueue().await, t.enqueue().await, t.enqueue().await];

    for id in ids {
        assert_eq!(t.lease_one().await.job.id, id);
    }
}

/// The order of the ids has no say in the order of the jobs.
pub async fn ids_do_not_decide_the_order_of_ready_jobs(t: &Scene) {
    let mut ids = Vec::new();
    for n in [3, 1, 2] {
        let id = JobId::from_bytes([n; 16]);
        ids.push(t.enqueue_with(|record| record.id = id).await);
    }

    assert_eq!(t.lease_ids(10).await, ids);
}

/// A higher number goes first.
pub async fn a_higher_priority_goes_first(t: &Scene) {
    let low = with_priority(t, 1).await;
    let high = with_priority(t, 2).await;

    assert_eq!(t.lease_ids(10).await, [high, low]);
}

/// Jobs that say nothing have the lowest priority.
pub async fn the_default_priority_goes_last(t: &Scene) {
    let plain = t.enqueue().await;
    let least = with_priority(t, 1).await;

    assert_eq!(t.lease_ids(10).await, [least, plain]);
}

/// All sixteen levels are told apart.
pub async fn every_level_goes_before_the_one_below(t: &Scene) {
    let mut ids = Vec::new();
    for level in [7, 0, 15, 3, 11, 1, 14, 8, 4, 12, 2, 9, 5, 13, 6, 10] {
        ids.push((level, with_priority(t, level).await));
    }

    ids.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
    let expected: Vec<_> = ids.into_iter().map(|(_, id)| id).collect();
    assert_eq!(t.lease_ids(16).await, expected);
}

/// Within each priority the order is kept when they are mixed.
pub async fn priorities_do_not_mix_up_the_order_within(t: &Scene) {
    let low_1 = with_priority(t, 0).await;
    let high_1 = with_priority(t, 9).await;
    let low_2 = with_priority(t, 0).await;
    let high_2 = with_priority(t, 9).await;

    assert_eq!(t.lease_ids(10).await, [high_1, high_2, low_1, low_2]);
}

/// One lease may take jobs of several priorities.
pub async fn a_lease_goes_on_with_the_next_priority(t: &Scene) {
    let low = with_priority(t, 0).await;
    let middle = with_priority(t, 4).await;
    let high = with_priority(t, 9).await;

    assert_eq!(t.lease_ids(2).await, [high, middle]);
    assert_eq!(t.lease_ids(2).await, [low]);
}

/// An urgent job that comes late overtakes all that wait.
pub async fn a_late_urgent_job_overtakes(t: &Scene) {
    let first = t.enqueue().await;
    t.enqueue().await;
    assert_eq!(t.lease_ids(1).await, [first]);
    let urgent = t.enqueue_with(|record| record.priority = Priority::HIGHEST).await;

    assert_eq!(t.lease_ids(1).await, [urgent]);
}

/// A failed job queues up again, behind those that waited meanwhile.
pub async fn a_retried_job_goes_to_the_back(t: &Scene) {
    let failed = t.enqueue().await;
    let lease = t.lease_one().await;
    let waiting = t.enqueue().await;
    t.retry(&lease, SECOND).await;
    t.advance(SECOND);

    assert_eq!(t.lease_ids(10).await, [waiting, failed]);
}

/// Taking one job out of the middle leaves the others in their order.
pub async fn a_gap_does_not_change_the_order(t: &Scene) {
    let ids = [t.enqueue().await, t.enqueue().await, t.enqueue().await];
    t.delete(ids[1]).await;
    let last = t.enqueue().await;

    assert_eq!(t.lease_ids(10).await, [ids[0], ids[2], last]);
}

/// People see ready jobs in the order in which they will be leased.
pub async fn the_list_of_ready_jobs_is_in_the_order_of_leasing(t: &Scene) {
    with_priority(t, 0).await;
    with_priority(t, 9).await;
    with_priority(t, 0).await;
    let listed = t.ids(JobState::Ready).await;

    assert_eq!(t.lease_ids(10).await, listed);
}

async fn with_priority(t: &Scene, level: u8) -> JobId {
    let priority = Priority::constant(level);
    t.enqueue_with(|record| record.priority = priority).await
}
