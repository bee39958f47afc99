//! Who waits for a job sees what becomes of it, without asking again and again.

use super::Scene;
use super::scene::{MS, SECOND};
use crate::id::JobId;
use crate::lease::Next;
use crate::progress::{Progress, Report};
use crate::sighting::Sighting;
use crate::state::JobState;

/// The first look is answered at once.
pub async fn what_is_there_is_seen_at_once(t: &Scene) {
    let id = t.enqueue().await;

    let seen = t.sight(id).await;
    assert_eq!(seen, Sighting { state: Some(JobState::Ready), ..Sighting::default() });
}

/// So it is for a job that nobody knows.
pub async fn nothing_is_seen_of_an_unknown_job(t: &Scene) {
    assert_eq!(t.sight(JobId::from_bytes([7; 16])).await, Sighting::default());
}

/// What changed before the watch began is not waited for.
pub async fn a_change_before_the_wait_is_seen(t: &Scene) {
    let id = t.enqueue().await;
    let seen = t.sight(id).await;
    t.lease_one().await;

    assert_eq!(t.sight_after(id, &seen).await.state, Some(JobState::Leased));
}

/// Who waits for a job that nobody knows sees it come.
pub async fn a_job_is_seen_to_come(t: &Scene) {
    let job = t.job();
    let unknown = Sighting::default();
    let (seen, _) = tokio::join!(t.sight_after(job.record.id, &unknown), t.add(&job));

    assert_eq!(seen.state, Some(JobState::Ready));
}

/// A job is seen to start.
pub async fn a_lease_is_seen(t: &Scene) {
    let id = t.enqueue().await;
    let seen = t.sight(id).await;
    let (seen, _) = tokio::join!(t.sight_after(id, &seen), t.lease_one());

    assert_eq!(seen.state, Some(JobState::Leased));
}

/// A job is seen to become due.
pub async fn a_promotion_is_seen(t: &Scene) {
    let id = t.schedule(SECOND).await;
    let seen = t.sight(id).await;
    assert_eq!(seen.state, Some(JobState::Scheduled));
    t.advance(SECOND);
    let (seen, _) = tokio::join!(t.sight_after(id, &seen), t.maintain());

    assert_eq!(seen.state, Some(JobState::Ready));
}

/// What a handler says of itself is seen while it runs.
pub async fn a_report_is_seen(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let seen = t.sight(id).await;
    let report = Report { progress: Some(Progress::new(1, 2, "half")), ..Report::default() };
    let store = t.store();
    let write = store.report(t.queue(), lease.proof(), &report);
    let (seen, _) = tokio::join!(t.sight_after(id, &seen), write);

    assert_eq!((seen.state, seen.report), (Some(JobState::Leased), report));
}

/// Of several reports, at least the last is seen.
pub async fn the_last_of_several_reports_is_seen(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let seen = t.sight(id).await;
    for done in 1..=3 {
        let report = Report { progress: Some(Progress::new(done, 3, "")), ..Report::default() };
        t.store().report(t.queue(), lease.proof(), &report).await.unwrap();
    }

    let seen = t.sight_after(id, &seen).await;
    assert_eq!(seen.report.progress, Some(Progress::new(3, 3, "")));
}

/// The result comes with the end of a job that is kept.
pub async fn a_result_is_seen(t: &Scene) {
    let id = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    let lease = t.lease_one().await;
    let seen = t.sight(id).await;
    let result = Some(vec![42]);
    let done = t.settle(&lease, Next::Complete { result: result.clone() });
    let (seen, _) = tokio::join!(t.sight_after(id, &seen), done);

    assert_eq!((seen.state, seen.result), (Some(JobState::Completed), result));
}

/// A job that leaves nothing behind is seen to be gone.
pub async fn a_job_is_seen_to_be_gone(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let seen = t.sight(id).await;
    let (seen, _) = tokio::join!(t.sight_after(id, &seen), t.ack(&lease));

    assert_eq!(seen, Sighting::default());
    t.assert_pristine().await;
}

/// What went wrong is seen of a dead job.
pub async fn the_error_of_a_dead_job_is_seen(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let seen = t.sight(id).await;
    let (seen, _) = tokio::join!(t.sight_after(id, &seen), t.bury(&lease));

    assert_eq!((seen.state, seen.error.as_deref()), (Some(JobState::Dead), Some("never")));
}

/// So it is of one that waits for its next attempt, and not of one that has it.
pub async fn the_error_of_a_job_that_backs_off_is_seen(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.retry(&lease, SECOND).await;
    let backing_off = t.sight(id).await;
    t.advance(SECOND);
    t.lease_one().await;
    let again = t.sight_after(id, &backing_off).await;

    assert_eq!(backing_off.state, Some(JobState::Scheduled));
    assert_eq!(backing_off.error.as_deref(), Some("no"));
    assert_eq!((again.state, again.error), (Some(JobState::Leased), None));
}

/// That a worker has died is seen when the job is taken back.
pub async fn a_reclaim_is_seen(t: &Scene) {
    let id = t.enqueue().await;
    t.lease_one().await;
    let seen = t.sight(id).await;
    let (seen, _) = tokio::join!(t.sight_after(id, &seen), t.crash());

    assert_eq!(seen.state, Some(JobState::Ready));
}

/// What people do to a job is seen.
pub async fn a_cancel_a_requeue_and_a_delete_are_seen(t: &Scene) {
    let cancelled = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    let seen = t.sight(cancelled).await;
    let (seen, _) = tokio::join!(t.sight_after(cancelled, &seen), t.cancel(cancelled));
    assert_eq!(seen.state, Some(JobState::Cancelled));

    let dead = t.dead().await;
    let seen = t.sight(dead).await;
    let (seen, _) = tokio::join!(t.sight_after(dead, &seen), t.requeue(dead));
    assert_eq!(seen.state, Some(JobState::Ready));

    let (seen, _) = tokio::join!(t.sight_after(dead, &seen), t.delete(dead));
    assert_eq!(seen, Sighting::default());
}

/// A kept job is seen to be forgotten.
pub async fn a_prune_is_seen(t: &Scene) {
    let id = t.kept(SECOND).await;
    let seen = t.sight(id).await;
    t.advance(SECOND);
    let (seen, _) = tokio::join!(t.sight_after(id, &seen), t.maintain());

    assert_eq!(seen, Sighting::default());
}

/// Everybody who waits is told.
pub async fn every_watcher_is_told(t: &Scene) {
    let id = t.enqueue().await;
    let seen = t.sight(id).await;
    let (first, second, _) =
        tokio::join!(t.sight_after(id, &seen), t.sight_after(id, &seen), t.lease_one());

    assert_eq!((first.state, &second), (Some(JobState::Leased), &first));
}

/// Nobody is told of what does not concern them.
pub async fn other_jobs_are_not_seen(t: &Scene) {
    let watched = t.schedule(SECOND * 60).await;
    let seen = t.sight(watched).await;
    let others = async {
        t.enqueue().await;
        let lease = t.lease_one().await;
        t.ack(&lease).await;
        t.advance(MS);
        t.maintain().await;
    };
    let (told, ()) = tokio::join!(t.sight_in_vain(watched, &seen), others);

    assert!(!told);
}

/// Who stops waiting is in nobody's way.
pub async fn a_watch_may_be_dropped(t: &Scene) {
    let id = t.enqueue().await;
    let seen = t.sight(id).await;
    assert!(!t.sight_in_vain(id, &seen).await);
    let (told, _) = tokio::join!(t.sight_after(id, &seen), t.lease_one());

    assert_eq!(told.state, Some(JobState::Leased));
}
