//! Jobs that are kept for a time, and then no more.

use super::scene::{MS, SECOND};
use super::{DEAD_RETENTION, Scene};
use crate::record::Enqueued;
use crate::state::JobState;

/// A completed job is kept until its retention is over, to the millisecond.
pub async fn a_completed_job_is_kept_for_its_retention(t: &Scene) {
    let id = t.kept(SECOND * 60).await;
    t.advance(SECOND * 60 - MS);

    assert_eq!(t.maintain().await.pruned, 0);
    assert_eq!(t.state(id).await, Some(JobState::Completed));
}

/// When its retention is over a completed job leaves nothing behind.
pub async fn a_completed_job_is_pruned_after_its_retention(t: &Scene) {
    t.kept(SECOND * 60).await;
    t.advance(SECOND * 60);

    assert_eq!(t.maintain().await.pruned, 1);
    t.assert_pristine().await;
}

/// Cancelled jobs are kept and pruned like completed ones.
pub async fn a_cancelled_job_is_pruned_after_its_retention(t: &Scene) {
    let id = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    t.cancel(id).await;
    t.advance(SECOND * 60 - MS);
    assert_eq!(t.maintain().await.pruned, 0);
    t.advance(MS);

    assert_eq!(t.maintain().await.pruned, 1);
    t.assert_pristine().await;
}

/// Each job has a retention of its own.
pub async fn retentions_end_one_by_one(t: &Scene) {
    let long = t.kept(SECOND * 60).await;
    let short = t.kept(SECOND * 30).await;
    t.advance(SECOND * 30);

    assert_eq!(t.maintain().await.pruned, 1);
    assert_eq!(t.state(short).await, None);
    assert_eq!(t.state(long).await, Some(JobState::Completed));
}

/// The retention counts from the end of the job, not from its enqueue.
pub async fn a_retention_counts_from_the_end(t: &Scene) {
    let id = t.enqueue_with(|record| record.retention = Some(SECOND)).await;
    t.advance(SECOND * 20);
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.maintain().await.pruned, 0);
    assert_eq!(t.view(id).await.at, Some(t.now() + SECOND));
}

/// A retention says nothing about a job that has not ended.
pub async fn a_live_job_is_never_pruned(t: &Scene) {
    let id = t.enqueue_with(|record| record.retention = Some(SECOND)).await;
    t.advance(DEAD_RETENTION.max_age * 2);

    assert_eq!(t.maintain().await.pruned, 0);
    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

/// A job that was pruned is not known, so its id is free.
pub async fn the_id_of_a_pruned_job_is_free(t: &Scene) {
    let job = t.job_with(|record| record.retention = Some(SECOND));
    t.add(&job).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.advance(SECOND);
    t.maintain().await;

    assert_eq!(t.add(&job).await, Enqueued::Created(job.record.id));
}

/// A dead job is kept as long as dead jobs are kept, to the millisecond.
pub async fn a_dead_job_is_kept_for_its_age(t: &Scene) {
    let id = t.dead().await;
    t.advance(DEAD_RETENTION.max_age - MS);

    assert_eq!(t.maintain().await.pruned, 0);
    assert_eq!(t.state(id).await, Some(JobState::Dead));
}

/// A dead job that nobody looked at in time is pruned, history and all.
pub async fn a_dead_job_is_pruned_at_its_age(t: &Scene) {
    t.dead().await;
    t.advance(DEAD_RETENTION.max_age);

    assert_eq!(t.maintain().await.pruned, 1);
    t.assert_pristine().await;
}

/// As many dead jobs are kept as may be.
pub async fn as_many_dead_jobs_are_kept_as_may_be(t: &Scene) {
    for _ in 0..DEAD_RETENTION.max_count {
        t.dead().await;
    }

    assert_eq!(t.maintain().await.pruned, 0);
}

/// Beyond that the oldest are pruned.
pub async fn the_oldest_dead_jobs_make_room(t: &Scene) {
    let mut ids = Vec::new();
    for _ in 0..DEAD_RETENTION.max_count + 2 {
        ids.push(t.dead().await);
        t.advance(SECOND);
    }

    assert_eq!(t.maintain().await.pruned, 2);
    assert_eq!(t.ids(JobState::Dead).await, ids[2..]);
}

/// Maintenance does a bounded amount, and says that there may be more.
pub async fn maintenance_prunes_no_more_than_its_limit(t: &Scene) {
    for _ in 0..5 {
        t.kept(SECOND).await;
    }
    t.advance(SECOND);

    let first = t.store().maintain(t.queue(), 3).await.unwrap();
    let second = t.store().maintain(t.queue(), 3).await.unwrap();
    assert_eq!((first.pruned, first.more), (3, true));
    assert_eq!((second.pruned, second.more), (2, false));
    t.assert_pristine().await;
}

/// All sorts of jobs past their time go in the end.
pub async fn maintenance_prunes_all_sorts_in_the_end(t: &Scene) {
    t.dead().await;
    t.kept(SECOND).await;
    let id = t.enqueue_with(|record| record.retention = Some(SECOND)).await;
    t.cancel(id).await;
    t.advance(DEAD_RETENTION.max_age);

    while t.store().maintain(t.queue(), 1).await.unwrap().more {}
    t.assert_pristine().await;
}
