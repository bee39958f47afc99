//! Workers that come back from the dead must not disturb those that took over.

use std::sync::Arc;

use super::scene::SECOND;
use super::{LEASE, Scene};
use crate::id::WorkerId;
use crate::inspect::JobView;
use crate::lease::{Extended, Held, Lease, Next};
use crate::progress::{Progress, Report};
use crate::record::Enqueued;
use crate::state::JobState;
use crate::unique::UniqueKey;

/// A worker that stalls past its lease must not settle the job it lost.
pub async fn a_late_ack_after_a_reclaim_is_lost(t: &Scene) {
    let (stale, held) = taken_over(t).await;

    assert_eq!(t.ack(&stale).await, Held::Lost);
    assert_eq!(t.ack(&held).await, Held::Yes);
}

/// A late failure uses no attempt of the job.
pub async fn a_late_retry_changes_nothing(t: &Scene) {
    let (stale, _) = taken_over(t).await;
    let before = view(t, &stale).await;

    assert_eq!(t.retry(&stale, SECOND).await, Held::Lost);
    assert_eq!(view(t, &stale).await, before);
}

/// A late snooze does not put the job to sleep.
pub async fn a_late_snooze_changes_nothing(t: &Scene) {
    let (stale, _) = taken_over(t).await;
    let before = view(t, &stale).await;

    assert_eq!(t.snooze(&stale, SECOND).await, Held::Lost);
    assert_eq!(view(t, &stale).await, before);
}

/// A late release does not hand the job to a third worker.
pub async fn a_late_release_changes_nothing(t: &Scene) {
    let (stale, _) = taken_over(t).await;
    let before = view(t, &stale).await;

    assert_eq!(t.release(&stale).await, Held::Lost);
    assert_eq!(view(t, &stale).await, before);
    assert_eq!(t.lease_ids(1).await, []);
}

/// A late verdict does not kill the job.
pub async fn a_late_death_changes_nothing(t: &Scene) {
    let (stale, _) = taken_over(t).await;
    let before = view(t, &stale).await;

    assert_eq!(t.bury(&stale).await, Held::Lost);
    assert_eq!(view(t, &stale).await, before);
}

/// A late cancellation does not end the job.
pub async fn a_late_cancel_changes_nothing(t: &Scene) {
    let (stale, _) = taken_over(t).await;
    let before = view(t, &stale).await;

    assert_eq!(t.settle(&stale, Next::Cancel).await, Held::Lost);
    assert_eq!(view(t, &stale).await, before);
}

/// A late extension does not give the new holder more time.
pub async fn a_late_extension_changes_nothing(t: &Scene) {
    let (stale, _) = taken_over(t).await;
    let before = view(t, &stale).await;

    assert_eq!(t.extend(&stale, LEASE * 9).await, Extended::Lost);
    assert_eq!(view(t, &stale).await, before);
}

/// A late report does not replace what the new holder says.
pub async fn a_late_report_changes_nothing(t: &Scene) {
    let (stale, _) = taken_over(t).await;
    let before = view(t, &stale).await;
    let report = Report { progress: Some(Progress::new(1, 2, "late")), ..Report::default() };

    let store = t.store();
    let held = store.report(t.queue(), stale.proof(), &report).await;
    assert_eq!(held.unwrap(), Held::Lost);
    assert_eq!(view(t, &stale).await, before);
}

/// Between the reclaim and the next lease nobody holds the job, least of all its former worker.
pub async fn a_late_ack_does_not_end_a_job_that_waits_again(t: &Scene) {
    let id = t.enqueue().await;
    let stale = t.lease_one().await;
    t.crash().await;

    assert_eq!(t.ack(&stale).await, Held::Lost);
    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

/// A worker that gets the same job again must not use its former lease.
pub async fn the_former_lease_of_the_same_worker_is_lost(t: &Scene) {
    t.enqueue().await;
    let former = t.lease_one().await;
    t.release(&former).await;
    let held = t.lease_one().await;

    assert_eq!(t.ack(&former).await, Held::Lost);
    assert_eq!(t.extend(&former, LEASE).await, Extended::Lost);
    assert_eq!(t.ack(&held).await, Held::Yes);
}

/// A late ack after the new holder has finished finds nothing, and makes nothing.
pub async fn a_late_ack_after_the_end_is_lost(t: &Scene) {
    let (stale, held) = taken_over(t).await;
    t.ack(&held).await;

    assert_eq!(t.ack(&stale).await, Held::Lost);
    t.assert_pristine().await;
}

/// A poison pill stays dead when its last worker comes back.
pub async fn a_late_ack_does_not_revive_a_dead_job(t: &Scene) {
    let id = t.enqueue_with(|record| record.max_crashes = 1).await;
    let stale = t.lease_one().await;
    t.crash().await;

    assert_eq!(t.ack(&stale).await, Held::Lost);
    assert_eq!(t.retry(&stale, SECOND).await, Held::Lost);
    assert_eq!(t.state(id).await, Some(JobState::Dead));
}

/// A job enqueued again under its old id is another job to whoever held the first.
pub async fn a_lease_of_a_former_life_is_lost(t: &Scene) {
    let job = t.job();
    t.add(&job).await;
    let former = t.lease_one().await;
    t.ack(&former).await;
    t.add(&job).await;
    t.lease_one().await;

    assert_eq!(t.ack(&former).await, Held::Lost);
    assert_eq!(t.state(job.record.id).await, Some(JobState::Leased));
}

/// A stale settlement frees no unique key.
pub async fn a_late_ack_frees_no_unique_key(t: &Scene) {
    let key = Some(UniqueKey::from_bytes([1; 16]));
    let id = t.enqueue_with(|record| record.unique = key.map(Into::into)).await;
    let stale = t.lease_one().await;
    t.crash().await;
    t.ack(&stale).await;

    let rival = t.job_with(|record| record.unique = key.map(Into::into));
    assert_eq!(t.add(&rival).await, Enqueued::Duplicate(t.at(id)));
}

/// A stale settlement among good ones spoils none of them.
pub async fn a_stale_settlement_spoils_no_other(t: &Scene) {
    let (stale, held) = taken_over(t).await;
    let done = || Next::Complete { result: None };
    let settlements = [crate::Settlement::new(stale, done()), crate::Settlement::new(held, done())];

    assert_eq!(t.settle_all(&settlements).await, [Held::Lost, Held::Yes]);
    t.assert_pristine().await;
}

/// A job whose first worker stalled and whose second one holds it: both leases.
async fn taken_over(t: &Scene) -> (Arc<Lease>, Arc<Lease>) {
    t.enqueue().await;
    let stale = t.lease_one().await;
    t.crash().await;
    let held = t.lease_as(WorkerId::generate(), 1).await;
    assert_eq!(held.len(), 1, "the job is ready again");
    (stale, Arc::clone(&held[0]))
}

async fn view(t: &Scene, lease: &Lease) -> JobView {
    t.view(lease.job.id).await
}
