//! Families that cannot be.

use super::Scene;
use crate::error::ErrorKind;
use crate::id::JobId;
use crate::job_ref::JobRef;
use crate::parents::{MAX_PARENTS, Parent};
use crate::record::{Enqueued, NewJob};
use crate::state::JobState;
use crate::unique::UniqueKey;

/// A parent that nothing is known of is refused, and nothing is written.
pub async fn an_unknown_parent_is_refused(t: &Scene) {
    let unknown = t.at(JobId::from_bytes([7; 16]));
    let jobs = [t.job(), t.child(&[unknown])];

    assert_eq!(t.refusal(&jobs).await, ErrorKind::NotFound);
    t.assert_pristine().await;
}

/// One that has completed and was not kept is not known any more.
pub async fn a_parent_that_left_nothing_behind_is_refused(t: &Scene) {
    let parent = t.enqueue().await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.refusal(&[t.child(&[t.at(parent)])]).await, ErrorKind::NotFound);
    t.assert_pristine().await;
}

/// A child that is known is a duplicate, also when its parents are gone by now.
pub async fn a_known_child_may_be_enqueued_again_without_its_parents(t: &Scene) {
    let parent = t.enqueue().await;
    let child = t.child(&[t.at(parent)]);
    t.add(&child).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.add(&child).await, Enqueued::Duplicate(t.at(child.record.id)));
}

/// A parent may be enqueued by the same call, before its child.
pub async fn a_parent_may_come_in_the_same_call(t: &Scene) {
    let parent = t.job();
    let child = t.child(&[t.at(parent.record.id)]);
    t.add_all(&[parent.clone(), child.clone()]).await;

    assert_eq!(t.state(child.record.id).await, Some(JobState::Waiting));
    assert_eq!(t.lease_ids(9).await, [parent.record.id]);
}

/// But not behind it, unless it is named as one to come.
pub async fn a_parent_that_comes_later_in_the_same_call_is_refused(t: &Scene) {
    let parent = t.job();
    let child = t.child(&[t.at(parent.record.id)]);

    assert_eq!(t.refusal(&[child, parent]).await, ErrorKind::NotFound);
    t.assert_pristine().await;
}

/// Nor may it be one that may turn out to be another job.
pub async fn a_parent_in_the_same_call_may_not_be_a_duplicate(t: &Scene) {
    let key = UniqueKey::from_bytes([1; 16]);
    let parent = t.job_with(|record| record.unique = Some(key.into()));
    let child = t.child(&[t.at(parent.record.id)]);
    let jobs = [parent.clone(), child];
    assert_eq!(t.refusal(&jobs).await, ErrorKind::NotFound);

    t.add(&parent).await;
    assert!(t.add_all(&jobs).await[1].is_created(), "known by now");
}

/// There is a bound to the parents of a job.
pub async fn too_many_parents_are_refused(t: &Scene) {
    let jobs: Vec<NewJob> = (0..=MAX_PARENTS).map(|_| t.job()).collect();
    let ids: Vec<JobRef> = jobs.iter().map(|job| t.at(job.record.id)).collect();
    t.add_all(&jobs).await;

    assert_eq!(t.refusal(&[t.child(&ids)]).await, ErrorKind::InvalidInput);
    assert!(t.add(&t.child(&ids[1..])).await.is_created());
}

/// And to the children of a job.
pub async fn too_many_children_are_refused(t: &Scene) {
    let parent = t.enqueue().await;
    let jobs: Vec<NewJob> = (0..MAX_PARENTS).map(|_| t.child(&[t.at(parent)])).collect();
    t.add_all(&jobs[1..]).await;
    let one_more = t.child(&[t.at(parent)]);

    assert_eq!(t.refusal(&[jobs[0].clone(), one_more.clone()]).await, ErrorKind::Conflict);
    assert!(t.add(&jobs[0]).await.is_created());
    assert_eq!(t.refusal(&[one_more]).await, ErrorKind::Conflict);
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.until(&[], "all are ready", async || t.stats().await.ready == MAX_PARENTS as u64).await;
}

/// What makes no sense is refused.
pub async fn impossible_families_are_refused(t: &Scene) {
    let parent = t.enqueue().await;
    let mut itself = t.job();
    itself.parents = vec![Parent::known(t.at(itself.record.id))];
    let mut its_own_child = t.job();
    its_own_child.children = vec![t.at(its_own_child.record.id)];
    let twice = t.child(&[t.at(parent), t.at(parent)]);
    let key = UniqueKey::from_bytes([1; 16]);
    let mut may_be_duplicate = t.job_with(|record| record.unique = Some(key.into()));
    may_be_duplicate.children = vec![t.at(parent)];

    for job in [itself, its_own_child, twice, may_be_duplicate] {
        assert_eq!(t.refusal(&[job]).await, ErrorKind::InvalidInput);
    }
    assert_eq!(t.stats().await.waiting, 0);
}
