//! Jobs that wait for jobs of other queues: they are told a moment later, once.

use std::time::Duration;

use super::Scene;
use super::scene::SECOND;
use crate::error::ErrorKind;
use crate::id::JobId;
use crate::lease::Next;
use crate::parents::{OnParentFailure, Parent, ParentOutcome};
use crate::record::{Enqueued, NewJob};
use crate::state::JobState;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A child becomes ready a moment after its parent in another queue has completed.
pub async fn a_child_is_told_in_its_own_queue(t: &Scene) {
    let u = t.elsewhere();
    let parent = t.enqueue().await;
    let child = u.enqueue_after(&[t.at(parent)]).await;
    t.calm_down(&[&u]).await;
    assert_eq!(u.state(child).await, Some(JobState::Waiting));
    let lease = t.lease_one().await;
    t.settle(&lease, Next::Complete { result: Some(vec![1]) }).await;
    ready(t, &u, child).await;

    let lease = u.lease_one().await;
    assert_eq!(lease.job.id, child);
    let done = ParentOutcome::new(t.at(parent), JobState::Completed, Some(vec![1]));
    assert_eq!(u.parents(child).await, [done]);
    u.ack(&lease).await;
    t.calm_down(&[&u]).await;
    t.assert_pristine().await;
    u.assert_pristine().await;
}

/// It is told once: what has run does not come back.
pub async fn a_child_is_told_once(t: &Scene) {
    let u = t.elsewhere();
    let parent = t.enqueue().await;
    let mut job = u.child(&[t.at(parent)]);
    job.record.retention = Some(SECOND * 60);
    u.add(&job).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.ack(&lease).await;
    ready(t, &u, job.record.id).await;
    let lease = u.lease_one().await;
    u.ack(&lease).await;

    t.calm_down(&[&u]).await;
    assert_eq!(u.state(job.record.id).await, Some(JobState::Completed));
    assert_eq!(u.lease_ids(9).await, []);
}

/// A worker of the child's queue is woken.
pub async fn a_child_elsewhere_wakes_a_worker(t: &Scene) {
    let u = t.elsewhere();
    let parent = t.enqueue().await;
    let child = u.enqueue_after(&[t.at(parent)]).await;
    let lease = t.lease_one().await;
    u.calm().await;
    let end = async {
        t.ack(&lease).await;
        ready(t, &u, child).await;
    };
    tokio::join!(u.woken(), end);
}

/// Parents in several queues are waited for, and told in the order in which they were named.
pub async fn a_child_may_have_parents_in_several_queues(t: &Scene) {
    let (u, v) = (t.elsewhere(), t.elsewhere());
    let parents = [v.at(v.enqueue().await), t.at(t.enqueue().await), u.at(u.enqueue().await)];
    let child = u.enqueue_after(&parents).await;
    for (n, scene) in [t, &v, &u].into_iter().enumerate() {
        t.calm_down(&[&u, &v]).await;
        assert_eq!(u.state(child).await, Some(JobState::Waiting), "after {n} of 3");
        let lease = scene.lease_one().await;
        scene.settle(&lease, Next::Complete { result: Some(vec![n as u8]) }).await;
    }
    t.until(&[&u, &v], "the child is ready", async || {
        u.state(child).await == Some(JobState::Ready)
    })
    .await;

    let results: Vec<_> = u.parents(child).await.into_iter().map(|p| p.result).collect();
    assert_eq!(results, [Some(vec![1]), Some(vec![0]), Some(vec![2])]);
}

/// Children in several queues are told.
pub async fn a_parent_may_have_children_in_several_queues(t: &Scene) {
    let (u, v) = (t.elsewhere(), t.elsewhere());
    let parent = t.enqueue().await;
    for scene in [t, &u, &v, &u] {
        scene.enqueue_after(&[t.at(parent)]).await;
    }
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.until(&[&u, &v], "all are ready", async || {
        let ready = [t.stats().await.ready, u.stats().await.ready, v.stats().await.ready];
        ready == [1, 2, 1]
    })
    .await;
}

/// A chain that goes back and forth between queues comes to its end.
pub async fn a_chain_may_go_back_and_forth(t: &Scene) {
    let u = t.elsewhere();
    let mut last = t.at(t.enqueue().await);
    let mut chain = vec![last.clone()];
    for n in 0..6 {
        let scene = if n % 2 == 0 { &u } else { t };
        last = scene.at(scene.enqueue_after(&[last]).await);
        chain.push(last.clone());
    }
    for (n, job) in chain.iter().enumerate() {
        let scene = if n % 2 == 1 { &u } else { t };
        ready(t, scene, job.id).await;
        let lease = scene.lease_one().await;
        assert_eq!(lease.job.id, job.id);
        scene.ack(&lease).await;
    }

    t.calm_down(&[&u]).await;
    t.assert_pristine().await;
    u.assert_pristine().await;
}

/// A parent that failed elsewhere is dealt with as the child's policy says.
pub async fn a_failure_elsewhere_is_told(t: &Scene) {
    let u = t.elsewhere();
    let parent = t.enqueue().await;
    let with_policy = |policy| {
        let mut job = u.child(&[t.at(parent)]);
        job.on_parent_failure = policy;
        job.record.retention = Some(SECOND * 60);
        job
    };
    let jobs =
        [OnParentFailure::Fail, OnParentFailure::Skip, OnParentFailure::Continue].map(with_policy);
    u.add_all(&jobs).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;

    let states = [JobState::Dead, JobState::Cancelled, JobState::Ready];
    for (job, state) in jobs.iter().zip(states) {
        t.until(&[&u], "the child is told", async || u.state(job.record.id).await == Some(state))
            .await;
    }
}

/// A failure goes down a line through several queues.
pub async fn a_failure_goes_down_the_line_elsewhere(t: &Scene) {
    let (u, v) = (t.elsewhere(), t.elsewhere());
    let first = t.enqueue().await;
    let second = u.enqueue_after(&[t.at(first)]).await;
    let third = v.enqueue_after(&[u.at(second)]).await;
    t.delete(first).await;

    t.until(&[&u, &v], "the last of them is dead", async || {
        v.state(third).await == Some(JobState::Dead)
    })
    .await;
    assert_eq!(u.state(second).await, Some(JobState::Dead));
}

/// A parent elsewhere that has ended when it is named counts at once.
pub async fn an_ended_parent_elsewhere_counts_at_once(t: &Scene) {
    let u = t.elsewhere();
    let completed = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    let lease = t.lease_one().await;
    t.settle(&lease, Next::Complete { result: Some(vec![1]) }).await;
    let dead = t.dead().await;

    let child = u.enqueue_after(&[t.at(completed)]).await;
    assert_eq!(u.state(child).await, Some(JobState::Ready));
    assert_eq!(u.parents(child).await[0].result, Some(vec![1]));
    let failed = u.child(&[t.at(dead)]);
    assert_eq!(u.add(&failed).await, Enqueued::Created(failed.record.id));
    assert_eq!(u.state(failed.record.id).await, Some(JobState::Dead));
}

/// A parent elsewhere that nothing is known of is refused, and nothing is written.
pub async fn an_unknown_parent_elsewhere_is_refused(t: &Scene) {
    let u = t.elsewhere();
    let known = t.enqueue().await;
    let unknown = t.at(JobId::from_bytes([7; 16]));
    let jobs = [u.job(), u.child(&[t.at(known)]), u.child(&[unknown])];

    assert_eq!(u.refusal(&jobs).await, ErrorKind::NotFound);
    u.assert_pristine().await;
}

/// What was to be told to a child that was not added after all is forgotten after a day.
pub async fn a_refused_child_leaves_nothing_behind(t: &Scene) {
    let u = t.elsewhere();
    let parent = t.enqueue().await;
    let unknown = t.at(JobId::from_bytes([7; 16]));
    let jobs = [u.child(&[t.at(parent)]), u.child(&[unknown])];
    assert_eq!(u.refusal(&jobs).await, ErrorKind::NotFound);
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.calm_down(&[&u]).await;
    t.advance(DAY);
    t.calm_down(&[&u]).await;

    t.assert_pristine().await;
    u.assert_pristine().await;
}

/// One call may enqueue a parent in one queue and its child in another.
pub async fn a_parent_elsewhere_may_come_in_the_same_call(t: &Scene) {
    let u = t.elsewhere();
    let parent = t.job();
    let child = u.child(&[t.at(parent.record.id)]);
    t.add_all(&[parent, child.clone()]).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    ready(t, &u, child.record.id).await;
}

/// A job may wait for one that is enqueued later, in another queue.
pub async fn a_parent_elsewhere_may_be_to_come(t: &Scene) {
    let u = t.elsewhere();
    let (parent, child) = to_come(t, &u);
    u.add(&child).await;
    t.add(&parent).await;
    t.calm_down(&[&u]).await;
    assert_eq!(u.state(child.record.id).await, Some(JobState::Waiting));
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    ready(t, &u, child.record.id).await;
}

/// One that has ended before its child came has left word for it.
pub async fn a_parent_elsewhere_may_end_before_its_child_comes(t: &Scene) {
    let u = t.elsewhere();
    let (parent, child) = to_come(t, &u);
    t.add(&parent).await;
    let lease = t.lease_one().await;
    t.settle(&lease, Next::Complete { result: Some(vec![1]) }).await;
    t.calm_down(&[&u]).await;
    t.advance(DAY - SECOND);
    t.calm_down(&[&u]).await;
    u.add(&child).await;

    ready(t, &u, child.record.id).await;
    assert_eq!(u.parents(child.record.id).await[0].result, Some(vec![1]));
}

/// Word for a child that never comes is kept for a day.
pub async fn a_child_elsewhere_is_waited_for_a_day(t: &Scene) {
    let u = t.elsewhere();
    let (parent, _) = to_come(t, &u);
    t.add(&parent).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.calm_down(&[&u]).await;
    t.advance(DAY);
    t.calm_down(&[&u]).await;

    t.assert_pristine().await;
    u.assert_pristine().await;
}

/// An enqueue that was cut short between two queues is completed by doing it again.
pub async fn a_repeated_enqueue_completes_one_cut_short(t: &Scene) {
    let u = t.elsewhere();
    let (mut parent, child) = to_come(t, &u);
    parent.record.retention = Some(SECOND * 60);
    u.add(&child).await;
    for _ in 0..2 {
        u.add(&child).await;
        t.add(&parent).await;
    }
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    ready(t, &u, child.record.id).await;
    let lease = u.lease_one().await;
    u.ack(&lease).await;
    u.add(&child).await;
    t.add(&parent).await;

    ready(t, &u, child.record.id).await;
}

/// A child that was called off while it waited is not brought back.
pub async fn a_cancelled_child_elsewhere_stays_cancelled(t: &Scene) {
    let u = t.elsewhere();
    let parent = t.enqueue().await;
    let mut child = u.child(&[t.at(parent)]);
    child.record.retention = Some(SECOND * 60);
    u.add(&child).await;
    u.cancel(child.record.id).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.calm_down(&[&u]).await;

    assert_eq!(u.state(child.record.id).await, Some(JobState::Cancelled));
}

async fn ready(t: &Scene, u: &Scene, id: JobId) {
    t.until(&[u], "the child is ready", async || u.state(id).await == Some(JobState::Ready)).await;
}

/// A parent to come here and its child elsewhere, not yet enqueued.
fn to_come(t: &Scene, u: &Scene) -> (NewJob, NewJob) {
    let (mut parent, mut child) = (t.job(), u.job());
    parent.children = vec![u.at(child.record.id)];
    child.parents = vec![Parent::to_come(t.at(parent.record.id))];
    (parent, child)
}
