//! Jobs that wait for other jobs of their queue.

use std::time::Duration;

use super::Scene;
use super::scene::{AT_ONCE, SECOND};
use crate::id::JobId;
use crate::inspect::{CancelOutcome, DeleteOutcome};
use crate::lease::{Next, Settlement};
use crate::parents::ParentOutcome;
use crate::record::{Enqueued, NewJob, When};
use crate::state::JobState;
use crate::unique::UniqueKey;

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A job whose parent has not ended is not leased.
pub async fn a_job_with_a_live_parent_waits(t: &Scene) {
    let parent = t.enqueue().await;
    let child = t.enqueue_after(&[t.at(parent)]).await;

    let view = t.view(child).await;
    assert_eq!((view.state, view.at), (JobState::Waiting, None));
    assert_eq!((t.stats().await.waiting, t.stats().await.ready), (1, 1));
    assert_eq!(t.ids(JobState::Waiting).await, [child]);
    assert_eq!(t.lease_ids(9).await, [parent]);
}

/// Scheduled and running parents are waited for as ready ones are.
pub async fn a_parent_is_live_in_every_state_before_its_end(t: &Scene) {
    let running = t.enqueue().await;
    t.lease_one().await;
    let scheduled = t.schedule(SECOND).await;
    let waiting = t.enqueue_after(&[t.at(running)]).await;

    for parent in [running, scheduled, waiting] {
        let child = t.enqueue_after(&[t.at(parent)]).await;
        assert_eq!(t.state(child).await, Some(JobState::Waiting));
    }
}

/// What a settlement frees can be leased in the same step.
pub async fn a_child_is_leased_in_the_step_in_which_its_parent_completes(t: &Scene) {
    let parent = t.enqueue().await;
    let child = t.enqueue_after(&[t.at(parent)]).await;
    let done = Settlement::new(t.lease_one().await, Next::Complete { result: None });

    let leases = t.exchange(&[done], 1).await.leases;
    assert_eq!(leases.iter().map(|lease| lease.job.id).collect::<Vec<_>>(), [child]);
    assert_eq!(t.ack(&leases[0]).await, crate::lease::Held::Yes);
    t.assert_pristine().await;
}

/// All parents must have ended.
pub async fn a_child_waits_for_the_last_of_its_parents(t: &Scene) {
    let parents = [t.enqueue().await, t.enqueue().await, t.enqueue().await];
    let child = t.enqueue_after(&parents.map(|id| t.at(id))).await;
    for lease in t.lease(3).await {
        assert_eq!(t.state(child).await, Some(JobState::Waiting));
        t.ack(&lease).await;
    }

    assert_eq!(t.state(child).await, Some(JobState::Ready));
    assert_eq!(t.lease_ids(9).await, [child]);
}

/// A parent has as many children as are named.
pub async fn all_children_are_told(t: &Scene) {
    let parent = t.enqueue().await;
    let jobs: Vec<NewJob> = (0..50).map(|_| t.child(&[t.at(parent)])).collect();
    t.add_all(&jobs).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!((t.stats().await.waiting, t.stats().await.ready), (0, 50));
    let mut leased = t.lease_ids(99).await;
    leased.sort_unstable();
    let mut children: Vec<JobId> = jobs.iter().map(|job| job.record.id).collect();
    children.sort_unstable();
    assert_eq!(leased, children);
}

/// A worker that waits for something to do is told of a child that became ready.
pub async fn a_child_wakes_a_worker(t: &Scene) {
    let parent = t.enqueue().await;
    let child = t.enqueue_after(&[t.at(parent)]).await;
    let lease = t.lease_one().await;
    t.calm().await;
    let (_, _) = tokio::join!(t.woken(), t.ack(&lease));

    assert_eq!(t.lease_ids(1).await, [child]);
}

/// The delay of a child starts when its last parent has ended.
pub async fn the_delay_of_a_child_starts_with_the_end_of_its_parents(t: &Scene) {
    let parent = t.enqueue().await;
    let mut job = t.child(&[t.at(parent)]);
    job.when = When::After(SECOND * 60);
    t.add(&job).await;
    let lease = t.lease_one().await;
    t.advance(SECOND * 10);
    t.ack(&lease).await;

    let view = t.view(job.record.id).await;
    assert_eq!((view.state, view.at), (JobState::Scheduled, Some(t.now() + SECOND * 60)));
}

/// A child for a certain time is ready then, or as soon as its parents have ended.
pub async fn a_child_may_be_due_at_an_instant(t: &Scene) {
    let parent = t.enqueue().await;
    let (mut early, mut late) = (t.child(&[t.at(parent)]), t.child(&[t.at(parent)]));
    early.when = When::At(t.now() + SECOND);
    late.when = When::At(t.now() + SECOND * 60);
    t.add_all(&[early.clone(), late.clone()]).await;
    let lease = t.lease_one().await;
    t.advance(SECOND * 2);
    assert_eq!(t.lease_ids(9).await, []);
    t.ack(&lease).await;

    assert_eq!(t.state(early.record.id).await, Some(JobState::Ready));
    assert_eq!(t.state(late.record.id).await, Some(JobState::Scheduled));
}

/// A parent that is not done yet is not done.
pub async fn an_attempt_that_does_not_end_its_job_tells_nobody(t: &Scene) {
    let parent = t.enqueue().await;
    let child = t.enqueue_after(&[t.at(parent)]).await;
    let lease = t.lease_one().await;
    t.retry(&lease, AT_ONCE).await;
    let lease = t.lease_one().await;
    t.snooze(&lease, AT_ONCE).await;
    let lease = t.lease_one().await;
    t.release(&lease).await;
    t.lease_one().await;
    t.crash().await;

    assert_eq!(t.state(child).await, Some(JobState::Waiting));
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    assert_eq!(t.state(child).await, Some(JobState::Ready));
}

/// A parent that had completed when it was named is as good as any, if it was kept.
pub async fn a_completed_parent_counts_at_once(t: &Scene) {
    let parent = t.kept(SECOND * 60).await;
    let child = t.enqueue_after(&[t.at(parent)]).await;

    assert_eq!(t.state(child).await, Some(JobState::Ready));
    let outcome = ParentOutcome::new(t.at(parent), JobState::Completed, None);
    assert_eq!(t.parents(child).await, [outcome]);
}

// What a child learns of its parents

/// A child reads what its parents have returned, in the order in which it named them.
pub async fn a_child_reads_the_results_of_its_parents(t: &Scene) {
    let (first, second) = (t.enqueue().await, t.enqueue().await);
    let child = t.enqueue_after(&[t.at(second), t.at(first)]).await;
    let leases = t.lease(2).await;
    t.settle(&leases[0], Next::Complete { result: Some(vec![1]) }).await;
    t.settle(&leases[1], Next::Complete { result: None }).await;

    t.lease_one().await;
    let done = |id, result| ParentOutcome::new(t.at(id), JobState::Completed, result);
    assert_eq!(t.parents(child).await, [done(second, None), done(first, Some(vec![1]))]);
}

/// So it does when the parent was kept, and had ended before.
pub async fn a_child_reads_the_result_of_a_kept_parent(t: &Scene) {
    let parent = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    let lease = t.lease_one().await;
    t.settle(&lease, Next::Complete { result: Some(vec![7; 1_000]) }).await;
    let child = t.enqueue_after(&[t.at(parent)]).await;

    let done = ParentOutcome::new(t.at(parent), JobState::Completed, Some(vec![7; 1_000]));
    assert_eq!(t.parents(child).await, [done]);
}

/// Nothing is said of a parent that has not ended, nor of one that nobody named.
pub async fn parents_that_have_not_ended_are_not_told(t: &Scene) {
    let (first, second) = (t.enqueue().await, t.enqueue().await);
    let child = t.enqueue_after(&[t.at(first), t.at(second)]).await;
    assert_eq!(t.parents(child).await, []);
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.parents(child).await.len(), 1);
    assert_eq!(t.parents(second).await, []);
    assert_eq!(t.parents(JobId::from_bytes([7; 16])).await, []);
}

/// What a child knows of its parents is known as long as the child is, and no longer.
pub async fn parents_are_known_as_long_as_their_child(t: &Scene) {
    let parent = t.enqueue().await;
    let mut job = t.child(&[t.at(parent)]);
    job.record.retention = Some(SECOND * 60);
    t.add(&job).await;
    for _ in 0..2 {
        let lease = t.lease_one().await;
        t.settle(&lease, Next::Complete { result: Some(vec![1]) }).await;
    }
    t.advance(SECOND * 59);
    t.maintain().await;
    assert_eq!(t.parents(job.record.id).await.len(), 1);

    t.advance(SECOND);
    t.maintain().await;
    assert_eq!(t.parents(job.record.id).await, []);
    t.assert_pristine().await;
}

/// A retried child still knows them.
pub async fn a_later_attempt_knows_the_parents(t: &Scene) {
    let parent = t.enqueue().await;
    let child = t.enqueue_after(&[t.at(parent)]).await;
    let lease = t.lease_one().await;
    t.settle(&lease, Next::Complete { result: Some(vec![1]) }).await;
    let lease = t.lease_one().await;
    t.retry(&lease, AT_ONCE).await;
    t.lease_one().await;

    assert_eq!(t.parents(child).await.len(), 1);
}

// What people do to a child that waits

/// A job that waits can be called off, and its parent's end does not bring it back.
pub async fn a_waiting_job_can_be_cancelled(t: &Scene) {
    let parent = t.enqueue().await;
    let mut job = t.child(&[t.at(parent)]);
    job.record.retention = Some(SECOND * 60);
    t.add(&job).await;
    assert_eq!(t.cancel(job.record.id).await, CancelOutcome::Cancelled);
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.state(job.record.id).await, Some(JobState::Cancelled));
    assert_eq!(t.lease_ids(9).await, []);
}

/// A job that waits can be deleted; what its parent leaves for it is forgotten after a day.
pub async fn a_waiting_job_can_be_deleted(t: &Scene) {
    let parent = t.enqueue().await;
    let child = t.enqueue_after(&[t.at(parent)]).await;
    assert_eq!(t.delete(child).await, DeleteOutcome::Deleted);
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    assert_eq!(t.lease_ids(9).await, []);

    t.advance(DAY);
    t.maintain().await;
    t.assert_pristine().await;
}

/// A job that waits holds its unique key.
pub async fn a_waiting_job_holds_its_key(t: &Scene) {
    let key = UniqueKey::from_bytes([1; 16]);
    let parent = t.enqueue().await;
    let mut job = t.child(&[t.at(parent)]);
    job.record.unique = Some(key.into());
    t.add(&job).await;

    let rival = t.job_with(|record| record.unique = Some(key.into()));
    assert_eq!(t.add(&rival).await, Enqueued::Duplicate(t.at(job.record.id)));
    t.cancel(job.record.id).await;
    assert_eq!(t.add(&rival).await, Enqueued::Created(rival.record.id));
}

/// A paused queue goes on telling children, and leases none.
pub async fn a_child_becomes_ready_while_the_queue_is_paused(t: &Scene) {
    let parent = t.enqueue().await;
    let child = t.enqueue_after(&[t.at(parent)]).await;
    let lease = t.lease_one().await;
    t.pause().await;
    t.ack(&lease).await;

    assert_eq!(t.state(child).await, Some(JobState::Ready));
    assert_eq!(t.lease_ids(1).await, []);
}

/// A repeated enqueue finds the child waiting.
pub async fn a_waiting_job_is_not_added_again(t: &Scene) {
    let parent = t.enqueue().await;
    let job = t.child(&[t.at(parent)]);
    t.add(&job).await;

    assert_eq!(t.add(&job).await, Enqueued::Duplicate(t.at(job.record.id)));
    assert_eq!(t.stats().await.waiting, 1);
}
