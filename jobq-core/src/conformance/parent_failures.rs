//! What becomes of jobs whose parents did not complete.

use super::Scene;
use super::scene::{AT_ONCE, SECOND};
use crate::history::FailureKind;
use crate::parents::OnParentFailure;
use crate::record::Enqueued;
use crate::state::JobState;

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
    let gone = t.child_with(&[t.at(parent)], OnParentFailure::Skip);
    let mut kept = t.child_with(&[t.at(parent)], OnParentFailure::Skip);
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
    let job = t.child_with(&parents, OnParentFailure::Continue);
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
    let fails = t.child_with(&[t.at(parent)], OnParentFailure::Fail);
    let mut skips = t.child_with(&[t.at(parent)], OnParentFailure::Skip);
    skips.record.retention = Some(SECOND * 60);
    let continues = t.child_with(&[t.at(parent)], OnParentFailure::Continue);
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
    let last = t.child_with(&[t.at(line[20])], OnParentFailure::Continue);
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
