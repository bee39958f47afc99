//! What running jobs say of themselves.

use super::Scene;
use super::scene::{AT_ONCE, SECOND};
use crate::id::{JobId, WorkerId};
use crate::lease::{Held, Lease, LeaseRef};
use crate::progress::{MAX_LOG_LINES, Progress, Report};
use crate::state::JobState;

/// People see what a running job says.
pub async fn a_report_can_be_seen(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let mut report = progress(3, "halfway – „über“");
    report.push_line(t.now(), 1, "a line\nof two");

    assert_eq!(tell(t, &lease, &report).await, Held::Yes);
    assert_eq!(t.view(id).await.report, report);
}

/// A job that has said nothing has an empty report.
pub async fn a_job_that_said_nothing_has_an_empty_report(t: &Scene) {
    let id = t.enqueue().await;

    assert_eq!(t.view(id).await.report, Report::default());
}

/// The newest report counts.
pub async fn a_report_replaces_the_one_before(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    tell(t, &lease, &progress(1, "one")).await;
    tell(t, &lease, &progress(2, "two")).await;

    assert_eq!(t.view(id).await.report, progress(2, "two"));
}

/// A log of the greatest length is kept whole, in its order.
pub async fn a_full_log_is_kept(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let mut report = Report::default();
    for n in 0..MAX_LOG_LINES {
        report.push_line(t.now(), 1, format!("line {n} {}", "x".repeat(400)));
    }
    tell(t, &lease, &report).await;

    assert_eq!(t.view(id).await.report, report);
}

/// A report changes nothing else.
pub async fn a_report_does_not_extend_the_lease(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.advance(SECOND);
    tell(t, &lease, &progress(1, "one")).await;

    let view = t.view(id).await;
    assert_eq!(view.at, Some(lease.expires_at));
    assert_eq!(view.held_by, Some((lease.worker, lease.token)));
}

/// A job that has ended says nothing more.
pub async fn a_report_after_the_end_is_lost(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(tell(t, &lease, &progress(1, "late")).await, Held::Lost);
    t.assert_pristine().await;
}

/// Only the holder speaks for a job.
pub async fn another_workers_report_is_lost(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    let stranger = LeaseRef::new(id, lease.token, WorkerId::generate());
    let store = t.store();

    let held = store.report(t.queue(), stranger, &progress(1, "x")).await;
    assert_eq!(held.unwrap(), Held::Lost);
    assert_eq!(t.view(id).await.report, Report::default());
}

/// A job that the queue does not know has nothing to say.
pub async fn a_report_of_an_unknown_job_is_lost(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    let unknown = LeaseRef::new(JobId::from_bytes([7; 16]), lease.token, lease.worker);

    let held = t.store().report(t.queue(), unknown, &progress(1, "x")).await;
    assert_eq!(held.unwrap(), Held::Lost);
}

/// What an attempt said is there until the next one speaks.
pub async fn a_report_outlives_its_attempt(t: &Scene) {
    let id = t.enqueue().await;
    let first = t.lease_one().await;
    tell(t, &first, &progress(1, "first")).await;
    t.retry(&first, AT_ONCE).await;
    let second = t.lease_one().await;
    assert_eq!(t.view(id).await.report, progress(1, "first"));

    tell(t, &second, &progress(2, "second")).await;
    assert_eq!(t.view(id).await.report, progress(2, "second"));
}

/// A completed job that is kept keeps its report.
pub async fn a_kept_job_keeps_its_report(t: &Scene) {
    let id = t.enqueue_with(|record| record.retention = Some(SECOND * 60)).await;
    let lease = t.lease_one().await;
    tell(t, &lease, &progress(4, "all")).await;
    t.ack(&lease).await;

    let view = t.view(id).await;
    assert_eq!(view.state, JobState::Completed);
    assert_eq!(view.report, progress(4, "all"));
}

/// A completed job that is not kept leaves no report behind.
pub async fn a_report_is_gone_with_its_job(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    tell(t, &lease, &progress(4, "all")).await;
    t.ack(&lease).await;

    t.assert_pristine().await;
}

fn progress(done: u64, message: &str) -> Report {
    Report { progress: Some(Progress::new(done, 4, message)), ..Report::default() }
}

async fn tell(t: &Scene, lease: &Lease, report: &Report) -> Held {
    let store = t.store();
    store.report(t.queue(), lease.proof(), report).await.unwrap()
}
