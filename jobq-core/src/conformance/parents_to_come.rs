//! Jobs that are enqueued before the jobs that they wait for.

use std::time::Duration;

use super::Scene;
use super::scene::SECOND;
use crate::lease::Next;
use crate::parents::Parent;
use crate::record::{Enqueued, NewJob};
use crate::state::JobState;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A job may be enqueued before its parent, which names it then.
pub async fn a_parent_may_be_enqueued_after_its_child(t: &Scene) {
    let (parent, child) = to_come(t);
    t.add(&child).await;
    assert_eq!(t.state(child.record.id).await, Some(JobState::Waiting));
    t.add(&parent).await;
    assert_eq!(t.lease_ids(0).await, []);
    let lease = t.lease_one().await;
    assert_eq!(lease.job.id, parent.record.id);
    t.settle(&lease, Next::Complete { result: Some(vec![1]) }).await;

    assert_eq!(t.lease_ids(1).await, [child.record.id]);
    assert_eq!(t.parents(child.record.id).await[0].result, Some(vec![1]));
}

/// It does not matter which of them comes first.
pub async fn a_parent_to_come_may_come_first(t: &Scene) {
    let (parent, child) = to_come(t);
    t.add(&parent).await;
    t.add(&child).await;
    assert_eq!(t.state(child.record.id).await, Some(JobState::Waiting));
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.lease_ids(1).await, [child.record.id]);
}

/// Not even when it has ended before its child came.
pub async fn a_parent_to_come_may_have_ended(t: &Scene) {
    let (parent, child) = to_come(t);
    t.add(&parent).await;
    let lease = t.lease_one().await;
    t.settle(&lease, Next::Complete { result: Some(vec![1]) }).await;
    t.add(&child).await;

    let lease = t.lease_one().await;
    assert_eq!(lease.job.id, child.record.id);
    assert_eq!(t.parents(child.record.id).await[0].result, Some(vec![1]));
    t.ack(&lease).await;
    t.advance(DAY);
    t.maintain().await;
    t.assert_pristine().await;
}

/// Of a parent that was enqueued again, and ended otherwise, its first end counts: as for a child that was there.
pub async fn the_first_end_of_a_parent_to_come_counts(t: &Scene) {
    let (parent, child) = to_come(t);
    t.add(&parent).await;
    let lease = t.lease_one().await;
    t.settle(&lease, Next::Complete { result: Some(vec![1]) }).await;
    t.add(&parent).await;
    t.cancel(parent.record.id).await;
    t.add(&child).await;

    assert_eq!(t.lease_ids(1).await, [child.record.id]);
    assert_eq!(t.parents(child.record.id).await[0].result, Some(vec![1]));
}

/// A failed one fails a child that comes later.
pub async fn a_parent_to_come_may_have_failed(t: &Scene) {
    let (parent, child) = to_come(t);
    t.add(&parent).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;

    assert_eq!(t.add(&child).await, Enqueued::Created(child.record.id));
    assert_eq!(t.state(child.record.id).await, Some(JobState::Dead));
}

/// What was kept for a child that never came is forgotten after a day.
pub async fn a_child_is_waited_for_a_day(t: &Scene) {
    let (parent, _) = to_come(t);
    t.add(&parent).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    t.advance(DAY);
    t.maintain().await;
    t.assert_pristine().await;
}

/// A parent that was enqueued without its child takes it on when it is enqueued again.
pub async fn a_repeated_enqueue_adds_children(t: &Scene) {
    let (parent, child) = to_come(t);
    let mut alone = parent.clone();
    alone.children.clear();
    t.add(&alone).await;
    t.add(&child).await;
    for _ in 0..2 {
        assert_eq!(t.add(&parent).await, Enqueued::Duplicate(t.at(parent.record.id)));
    }
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.lease_ids(9).await, [child.record.id]);
}

/// Also when it has ended meanwhile, if it is kept.
pub async fn a_repeated_enqueue_of_an_ended_parent_tells_children(t: &Scene) {
    let (mut parent, child) = to_come(t);
    parent.record.retention = Some(SECOND * 60);
    let mut alone = parent.clone();
    alone.children.clear();
    t.add(&alone).await;
    let lease = t.lease_one().await;
    t.settle(&lease, Next::Complete { result: Some(vec![1]) }).await;
    t.add(&child).await;
    assert_eq!(t.add(&parent).await, Enqueued::Duplicate(t.at(parent.record.id)));

    assert_eq!(t.lease_ids(9).await, [child.record.id]);
    assert_eq!(t.parents(child.record.id).await[0].result, Some(vec![1]));
}

/// A child that is ready by it comes after the jobs that stand before its parent in the call.
pub async fn a_child_that_is_told_comes_in_its_turn(t: &Scene) {
    let (mut parent, child) = to_come(t);
    parent.record.retention = Some(SECOND * 60);
    let mut alone = parent.clone();
    alone.children.clear();
    t.add(&alone).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.add(&child).await;
    let (before, after) = (t.job(), t.job());
    t.add_all(&[before.clone(), parent, after.clone()]).await;

    let expected = [before.record.id, child.record.id, after.record.id];
    assert_eq!(t.lease_ids(9).await, expected);
}

/// A parent to come and its child, not yet enqueued.
fn to_come(t: &Scene) -> (NewJob, NewJob) {
    let (mut parent, mut child) = (t.job(), t.job());
    parent.children = vec![t.at(child.record.id)];
    child.parents = vec![Parent::to_come(t.at(parent.record.id))];
    (parent, child)
}
