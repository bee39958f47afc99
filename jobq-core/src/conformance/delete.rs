//! Jobs that people delete.

use super::Scene;
use super::scene::SECOND;
use crate::id::JobId;
use crate::inspect::DeleteOutcome;
use crate::lease::Held;
use crate::record::Enqueued;
use crate::state::JobState;

/// A ready job can be deleted, and is not leased any more.
pub async fn a_ready_job_is_deleted(t: &Scene) {
    let id = t.enqueue().await;

    assert_eq!(t.delete(id).await, DeleteOutcome::Deleted);
    assert_eq!(t.lease_ids(1).await, []);
    t.assert_pristine().await;
}

/// A scheduled job can be deleted, and never becomes due.
pub async fn a_scheduled_job_is_deleted(t: &Scene) {
    let id = t.schedule(SECOND).await;

    assert_eq!(t.delete(id).await, DeleteOutcome::Deleted);
    t.advance(SECOND);
    assert_eq!(t.maintain().await.promoted, 0);
    t.assert_pristine().await;
}

/// A dead job can be deleted, history and all.
pub async fn a_dead_job_is_deleted(t: &Scene) {
    let id = t.dead().await;

    assert_eq!(t.delete(id).await, DeleteOutcome::Deleted);
    t.assert_pristine().await;
}

/// A completed job can be deleted before its retention is over.
pub async fn a_kept_job_is_deleted(t: &Scene) {
    let id = t.kept(SECOND * 60).await;

    assert_eq!(t.delete(id).await, DeleteOutcome::Deleted);
    t.assert_pristine().await;
}

/// So can a cancelled one.
pub async fn a_cancelled_job_is_deleted(t: &Scene) {
    let id = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    t.cancel(id).await;

    assert_eq!(t.delete(id).await, DeleteOutcome::Deleted);
    t.assert_pristine().await;
}

/// A running job is not deleted under its worker.
pub async fn a_leased_job_is_not_deleted(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;

    assert_eq!(t.delete(id).await, DeleteOutcome::Running);
    assert_eq!(t.state(id).await, Some(JobState::Leased));
    assert_eq!(t.ack(&lease).await, Held::Yes);
}

/// A dead job that somebody has put back before it could be deleted stays, and runs.
pub async fn a_job_that_has_moved_on_is_not_deleted(t: &Scene) {
    let id = t.dead().await;
    t.requeue(id).await;

    assert_eq!(t.delete_seen(id, JobState::Dead).await, DeleteOutcome::MovedOn);
    assert_eq!(t.state(id).await, Some(JobState::Ready));
    let lease = t.lease_one().await;
    assert_eq!(t.delete_seen(id, JobState::Dead).await, DeleteOutcome::Running);
    assert_eq!(t.ack(&lease).await, Held::Yes);
    assert_eq!(t.delete_seen(id, JobState::Dead).await, DeleteOutcome::NotFound);
}

/// Of several jobs only those go that are still where they were seen, in whichever state that is.
pub async fn only_jobs_in_the_state_that_was_seen_are_deleted(t: &Scene) {
    let (dead, scheduled) = (t.dead().await, t.schedule(SECOND).await);
    let kept = t.kept(SECOND * 60).await;
    let cancelled = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    t.cancel(cancelled).await;
    let ready = t.enqueue().await;

    let states = [
        (ready, JobState::Ready),
        (scheduled, JobState::Scheduled),
        (dead, JobState::Dead),
        (kept, JobState::Completed),
        (cancelled, JobState::Cancelled),
    ];
    let mut left: Vec<_> = states.iter().map(|(id, _)| *id).collect();
    for (id, seen) in states {
        let expected: Vec<_> = left
            .iter()
            .map(|other| if *other == id { DeleteOutcome::Deleted } else { DeleteOutcome::MovedOn })
            .collect();
        assert_eq!(t.store().delete(t.queue(), seen, &left).await.unwrap(), expected, "{seen}");
        left.retain(|other| *other != id);
    }
    t.advance(SECOND);
    t.maintain().await;
    t.assert_pristine().await;
}

/// A job that the queue does not know is not found, nor one that was deleted before.
pub async fn a_job_is_deleted_once(t: &Scene) {
    let id = t.enqueue().await;
    assert_eq!(t.delete(id).await, DeleteOutcome::Deleted);

    assert_eq!(t.delete(id).await, DeleteOutcome::NotFound);
    let unknown = JobId::from_bytes([7; 16]);
    assert_eq!(t.delete(unknown).await, DeleteOutcome::NotFound);
}

/// A deleted job is not known, so its id is free.
pub async fn the_id_of_a_deleted_job_is_free(t: &Scene) {
    let job = t.job();
    t.add(&job).await;
    t.delete(job.record.id).await;

    assert_eq!(t.add(&job).await, Enqueued::Created(job.record.id));
}

/// Answers are matched to ids by their position.
pub async fn answers_are_in_the_order_of_the_ids(t: &Scene) {
    let leased = t.enqueue().await;
    t.lease_one().await;
    let ready = t.enqueue().await;
    let unknown = JobId::from_bytes([7; 16]);

    let ids = [unknown, ready, leased];
    assert_eq!(
        t.store().delete(t.queue(), JobState::Ready, &ids).await.unwrap(),
        [DeleteOutcome::NotFound, DeleteOutcome::Deleted, DeleteOutcome::Running]
    );
    assert_eq!(t.store().delete(t.queue(), JobState::Ready, &[]).await.unwrap(), []);
}
