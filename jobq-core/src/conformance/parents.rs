//! Jobs that wait for other jobs of their queue.

use std::time::Duration;

use super::Scene;
use super::scene::{AT_ONCE, SECOND};
use crate::error::ErrorKind;
use crate::history::FailureKind;
use crate::id::JobId;
use crate::inspect::{CancelOutcome, DeleteOutcome};
use crate::job_ref::JobRef;
use crate::lease::{Next, Settlement};
use crate::parents::{MAX_PARENTS, OnParentFailure, Parent, ParentOutcome};
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

// Failed parents

/// Unless it says otherwise, a job whose parent failed is dead without having run.
pub async fn a_dead_parent_fails_its_child(t: &Scene) {
    let parent = t.enqueue().await;
    let child = t.enqueue_after(&[t.at(parent)]).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;

    let view = t.view(child).await;
    assert_eq!((view.state, view.at), (JobState::Dead, Some(t.now())));
    assert_eq!((view.failed_attempts, view.crashes), (0, 0));
    let failure = view.history.last().expect("a dead job says why");
    assert_eq!(failure.kind, FailureKind::Parent);
    assert!(failure.message.contains(&parent.to_string()), "{}", failure.message);
    assert_eq!(t.lease_ids(9).await, []);
}

/// A parent that was cancelled or deleted before it ended has failed too, and so has a poison pill.
pub async fn every_way_to_end_badly_fails_a_child(t: &Scene) {
    let cancelled = t.enqueue().await;
    let of_cancelled = t.enqueue_after(&[t.at(cancelled)]).await;
    t.cancel(cancelled).await;

    let deleted = t.schedule(SECOND).await;
    let of_deleted = t.enqueue_after(&[t.at(deleted)]).await;
    t.delete(deleted).await;

    let poison = t.enqueue_with(|record| record.max_crashes = 1).await;
    let of_poison = t.enqueue_after(&[t.at(poison)]).await;
    t.lease_one().await;
    t.crash().await;

    let stopped = t.enqueue().await;
    let of_stopped = t.enqueue_after(&[t.at(stopped)]).await;
    let lease = t.lease_one().await;
    t.cancel(stopped).await;
    t.retry(&lease, AT_ONCE).await;

    for child in [of_cancelled, of_deleted, of_poison, of_stopped] {
        assert_eq!(t.state(child).await, Some(JobState::Dead));
    }
}

/// A child may be content with being cancelled.
pub async fn a_child_may_be_skipped(t: &Scene) {
    let parent = t.enqueue().await;
    let gone = with_policy(t, &[t.at(parent)], OnParentFailure::Skip);
    let mut kept = with_policy(t, &[t.at(parent)], OnParentFailure::Skip);
    kept.record.retention = Some(SECOND * 60);
    t.add_all(&[gone.clone(), kept.clone()]).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;

    assert_eq!(t.state(gone.record.id).await, None);
    assert_eq!(t.state(kept.record.id).await, Some(JobState::Cancelled));
}

/// A child may run all the same, and learns which parents failed.
pub async fn a_child_may_continue(t: &Scene) {
    let (bad, good) = (t.enqueue().await, t.enqueue().await);
    let parents = [t.at(good), t.at(bad)];
    let job = with_policy(t, &parents, OnParentFailure::Continue);
    t.add(&job).await;
    let leases = t.lease(2).await;
    t.bury(&leases[0]).await;
    assert_eq!(t.state(job.record.id).await, Some(JobState::Waiting));
    t.ack(&leases[1]).await;

    assert_eq!(t.lease_ids(1).await, [job.record.id]);
    let states: Vec<_> = t.parents(job.record.id).await.iter().map(|p| p.state).collect();
    assert_eq!(states, [JobState::Completed, JobState::Dead]);
}

/// A parent that had failed when it was named counts as failed.
pub async fn a_failed_parent_counts_at_once(t: &Scene) {
    let parent = t.dead().await;
    let fails = with_policy(t, &[t.at(parent)], OnParentFailure::Fail);
    let mut skips = with_policy(t, &[t.at(parent)], OnParentFailure::Skip);
    skips.record.retention = Some(SECOND * 60);
    let continues = with_policy(t, &[t.at(parent)], OnParentFailure::Continue);
    let jobs = [fails, skips, continues];
    let answers = t.add_all(&jobs).await;

    let states = [JobState::Dead, JobState::Cancelled, JobState::Ready];
    for ((job, answer), state) in jobs.iter().zip(answers).zip(states) {
        assert_eq!(answer, Enqueued::Created(job.record.id));
        assert_eq!(t.state(job.record.id).await, Some(state));
    }
}

/// A cancelled parent that is kept counts as failed too.
pub async fn a_kept_cancelled_parent_counts_as_failed(t: &Scene) {
    let parent = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    t.cancel(parent).await;
    let child = t.enqueue_after(&[t.at(parent)]).await;

    assert_eq!(t.state(child).await, Some(JobState::Dead));
    assert_eq!(t.parents(child).await[0].state, JobState::Cancelled);
}

/// The first failure is enough: other parents are not waited for, and go on.
pub async fn one_failed_parent_is_enough(t: &Scene) {
    let (bad, good) = (t.enqueue().await, t.enqueue().await);
    let child = t.enqueue_after(&[t.at(bad), t.at(good)]).await;
    let leases = t.lease(2).await;
    t.bury(&leases[0]).await;
    assert_eq!(t.state(child).await, Some(JobState::Dead));
    t.ack(&leases[1]).await;

    assert_eq!(t.state(child).await, Some(JobState::Dead));
    assert_eq!(t.view(child).await.history.failures().len(), 1);
}

/// Children of a child that did not run are told in turn, each by its own policy.
pub async fn a_failure_goes_down_the_line(t: &Scene) {
    let root = t.enqueue().await;
    let mut line = vec![root];
    for _ in 0..20 {
        line.push(t.enqueue_after(&[t.at(line[line.len() - 1])]).await);
    }
    let last = with_policy(t, &[t.at(line[20])], OnParentFailure::Continue);
    t.add(&last).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;

    t.until(&[], "the last one is ready", async || {
        t.state(last.record.id).await == Some(JobState::Ready)
    })
    .await;
    let dead: Vec<_> = line.iter().map(|_| JobState::Dead).collect();
    let mut states = Vec::new();
    for id in &line {
        // The scene keeps five dead jobs only.
        states.push(t.state(*id).await.unwrap_or(JobState::Dead));
    }
    assert_eq!(states, dead);
}

/// A parent that people bring back does not bring back those that were told.
pub async fn a_requeued_parent_does_not_bring_back_its_children(t: &Scene) {
    let parent = t.enqueue().await;
    let child = t.enqueue_after(&[t.at(parent)]).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    t.requeue(parent).await;
    let later = t.enqueue_after(&[t.at(parent)]).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.state(child).await, Some(JobState::Dead));
    assert_eq!(t.state(later).await, Some(JobState::Ready), "one that came while it was back");
}

/// A child that people bring back runs, whatever its parents did.
pub async fn a_requeued_child_runs(t: &Scene) {
    let (bad, other) = (t.enqueue().await, t.schedule(SECOND * 60).await);
    let child = t.enqueue_after(&[t.at(bad), t.at(other)]).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    t.requeue(child).await;

    let lease = t.lease_one().await;
    assert_eq!((lease.job.id, lease.attempt()), (child, 1));
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
    assert_eq!(t.add(&rival).await, Enqueued::Duplicate(job.record.id));
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

    assert_eq!(t.add(&job).await, Enqueued::Duplicate(job.record.id));
    assert_eq!(t.stats().await.waiting, 1);
}

// What is refused

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

    assert_eq!(t.add(&child).await, Enqueued::Duplicate(child.record.id));
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

// Parents to come

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
        assert_eq!(t.add(&parent).await, Enqueued::Duplicate(parent.record.id));
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
    assert_eq!(t.add(&parent).await, Enqueued::Duplicate(parent.record.id));

    assert_eq!(t.lease_ids(9).await, [child.record.id]);
    assert_eq!(t.parents(child.record.id).await[0].result, Some(vec![1]));
}

fn with_policy(t: &Scene, parents: &[JobRef], policy: OnParentFailure) -> NewJob {
    let mut job = t.child(parents);
    job.on_parent_failure = policy;
    job
}

/// A parent to come and its child, not yet enqueued.
fn to_come(t: &Scene) -> (NewJob, NewJob) {
    let (mut parent, mut child) = (t.job(), t.job());
    parent.children = vec![t.at(child.record.id)];
    child.parents = vec![Parent::to_come(t.at(parent.record.id))];
    (parent, child)
}
