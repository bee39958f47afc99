//! Jobs put aside for people.

use super::Scene;
use super::scene::{AT_ONCE, SECOND};
use crate::history::{Failure, FailureKind};
use crate::lease::{Held, Next};
use crate::progress::{Progress, Report};
use crate::state::JobState;

/// A dead job is kept, with the time of its death.
pub async fn a_dead_job_is_kept(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.advance(SECOND);
    assert_eq!(t.bury(&lease).await, Held::Yes);

    let view = t.view(id).await;
    assert_eq!(view.state, JobState::Dead);
    assert_eq!(view.at, Some(t.now()));
    assert_eq!(view.held_by, None);
    assert_eq!(view.record, lease.job);
}

/// A dead job does not run.
pub async fn a_dead_job_is_not_leased(t: &Scene) {
    t.dead().await;
    t.advance(SECOND * 3_600);
    t.maintain().await;

    assert_eq!(t.lease_ids(1).await, []);
}

/// People can see what killed it, after all that went wrong before.
pub async fn a_dead_job_keeps_its_failures(t: &Scene) {
    let id = t.enqueue().await;
    let first = t.lease_one().await;
    t.retry(&first, AT_ONCE).await;
    let second = t.lease_one().await;
    let failure = Failure::new(FailureKind::Panic, 2, t.now(), t.worker(), "index out of bounds");
    let last = failure.clone();
    t.settle(&second, Next::Dead { failure }).await;

    let history = t.view(id).await.history;
    assert_eq!(history.failures().len(), 2);
    assert_eq!(history.failures()[0].message, "no");
    assert_eq!(history.last(), Some(&last));
}

/// The attempt that ends a job has failed as those before it have.
pub async fn death_counts_the_attempt_that_failed(t: &Scene) {
    let id = t.dead().await;

    let view = t.view(id).await;
    assert_eq!((view.failed_attempts, view.crashes), (1, 0));
}

/// What the job said of itself before it died is kept.
pub async fn a_dead_job_keeps_its_report(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let report = Report { progress: Some(Progress::new(3, 10, "row 3")), ..Report::default() };
    let store = t.store();
    let held = store.report(t.queue(), lease.proof(), &report).await;
    assert_eq!(held.unwrap(), Held::Yes);
    t.bury(&lease).await;

    assert_eq!(t.view(id).await.report, report);
}

/// Dead jobs are listed by the time of their death, the oldest first.
pub async fn dead_jobs_are_listed_oldest_first(t: &Scene) {
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(t.dead().await);
        t.advance(SECOND);
    }

    assert_eq!(t.ids(JobState::Dead).await, ids);
    assert_eq!(t.stats().await.dead, 3);
}

/// A retention is for jobs that ended well: the dead are kept without one.
pub async fn a_dead_job_needs_no_retention(t: &Scene) {
    let id = t.dead_with(|record| record.retention = Some(SECOND)).await;
    t.advance(SECOND * 60);
    t.maintain().await;

    assert_eq!(t.state(id).await, Some(JobState::Dead));
}
