//! Where a job has got to, for its later attempts to go on from.

use super::Scene;
use super::scene::{AT_ONCE, SECOND};
use crate::backend::MAX_CHECKPOINT_BYTES;
use crate::error::ErrorKind;
use crate::lease::{Held, Next};

/// A job that has saved nothing starts from the beginning.
pub async fn a_first_attempt_has_no_checkpoint(t: &Scene) {
    t.enqueue().await;

    assert_eq!(t.lease_one().await.checkpoint, None);
}

/// The attempt after a failed one goes on where that one got to.
pub async fn a_retry_goes_on_from_the_checkpoint(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;

    assert_eq!(t.save(&lease, b"row 7").await, Held::Yes);
    t.retry(&lease, AT_ONCE).await;
    assert_eq!(t.lease_one().await.checkpoint.as_deref(), Some(&b"row 7"[..]));
}

/// So does the one after a crash.
pub async fn a_crash_loses_no_checkpoint(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.save(&lease, b"row 7").await;
    t.crash().await;

    assert_eq!(t.lease_one().await.checkpoint.as_deref(), Some(&b"row 7"[..]));
}

/// So does one that comes back later, or was given back.
pub async fn a_snoozed_or_released_job_keeps_its_checkpoint(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.save(&lease, b"row 7").await;
    t.snooze(&lease, AT_ONCE).await;
    let again = t.lease_one().await;
    t.release(&again).await;

    assert_eq!(t.lease_one().await.checkpoint.as_deref(), Some(&b"row 7"[..]));
}

/// Only the newest cursor is kept, also across attempts.
pub async fn a_later_checkpoint_takes_the_place_of_an_earlier_one(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.save(&lease, b"row 7").await;
    t.save(&lease, b"row 8").await;
    t.retry(&lease, AT_ONCE).await;
    let second = t.lease_one().await;
    assert_eq!(second.checkpoint.as_deref(), Some(&b"row 8"[..]));
    t.save(&second, b"row 9").await;
    t.retry(&second, AT_ONCE).await;

    assert_eq!(t.lease_one().await.checkpoint.as_deref(), Some(&b"row 9"[..]));
}

/// An attempt that saves nothing passes on what it was given.
pub async fn a_checkpoint_is_kept_by_an_attempt_that_saves_none(t: &Scene) {
    t.enqueue().await;
    let first = t.lease_one().await;
    t.save(&first, b"row 7").await;
    t.retry(&first, AT_ONCE).await;
    let second = t.lease_one().await;
    t.retry(&second, AT_ONCE).await;

    assert_eq!(t.lease_one().await.checkpoint.as_deref(), Some(&b"row 7"[..]));
}

/// A job may decide to start from the beginning.
pub async fn an_empty_checkpoint_takes_it_away(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.save(&lease, b"row 7").await;

    assert_eq!(t.save(&lease, b"").await, Held::Yes);
    t.retry(&lease, AT_ONCE).await;
    assert_eq!(t.lease_one().await.checkpoint, None);
}

/// A cursor is bytes, not text.
pub async fn any_bytes_may_be_a_checkpoint(t: &Scene) {
    let bytes: Vec<u8> = (0..=255).collect();
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.save(&lease, &bytes).await;
    t.retry(&lease, AT_ONCE).await;

    assert_eq!(t.lease_one().await.checkpoint, Some(bytes));
}

/// The most that may be saved is saved.
pub async fn the_largest_checkpoint_is_kept(t: &Scene) {
    let bytes = vec![0xAB; MAX_CHECKPOINT_BYTES];
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.save(&lease, &bytes).await;
    t.retry(&lease, AT_ONCE).await;

    assert_eq!(t.lease_one().await.checkpoint, Some(bytes));
}

/// More is refused, and what was saved before stays.
pub async fn too_large_a_checkpoint_is_refused(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.save(&lease, b"row 7").await;

    let bytes = vec![0xAB; MAX_CHECKPOINT_BYTES + 1];
    let refused = t.store().checkpoint(t.queue(), lease.proof(), &bytes).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    t.retry(&lease, AT_ONCE).await;
    assert_eq!(t.lease_one().await.checkpoint.as_deref(), Some(&b"row 7"[..]));
}

/// Who has lost the job does not overwrite what the new holder has saved.
pub async fn a_lost_lease_saves_nothing(t: &Scene) {
    t.enqueue().await;
    let lost = t.lease_one().await;
    t.crash().await;
    assert_eq!(t.save(&lost, b"old").await, Held::Lost);
    let current = t.lease_one().await;
    t.save(&current, b"new").await;

    assert_eq!(t.save(&lost, b"old").await, Held::Lost);
    t.retry(&current, AT_ONCE).await;
    assert_eq!(t.lease_one().await.checkpoint.as_deref(), Some(&b"new"[..]));
}

/// Nor does who has settled it, whatever became of it.
pub async fn a_settled_lease_saves_nothing(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.save(&lease, b"late").await, Held::Lost);
    t.assert_pristine().await;
}

/// A dead job that is brought back goes on where it had got to.
pub async fn a_dead_job_keeps_its_checkpoint(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.save(&lease, b"row 7").await;
    t.bury(&lease).await;
    t.requeue(id).await;

    assert_eq!(t.lease_one().await.checkpoint.as_deref(), Some(&b"row 7"[..]));
}

/// Nothing is left of the checkpoint of a job that is done and gone.
pub async fn a_checkpoint_goes_with_its_job(t: &Scene) {
    let job = t.job();
    t.add(&job).await;
    let lease = t.lease_one().await;
    t.save(&lease, b"row 7").await;
    t.ack(&lease).await;

    t.assert_pristine().await;
    t.add(&job).await;
    assert_eq!(t.lease_one().await.checkpoint, None, "a new job under the same id");
}

/// A job that is done and kept has no use for it.
pub async fn a_kept_job_leaves_no_checkpoint(t: &Scene) {
    let job = t.job_with(|record| record.retention = Some(SECOND));
    for next in [Next::Complete { result: None }, Next::Cancel] {
        t.add(&job).await;
        let lease = t.lease_one().await;
        assert_eq!(lease.checkpoint, None);
        t.save(&lease, b"row 7").await;
        t.settle(&lease, next).await;
        t.advance(SECOND);
        assert_eq!(t.maintain().await.pruned, 1);
    }

    t.assert_pristine().await;
}

/// Nor is anything left of that of a dead job that is deleted.
pub async fn a_deleted_job_leaves_no_checkpoint(t: &Scene) {
    let id = t.enqueue().await;
    let lease = t.lease_one().await;
    t.save(&lease, b"row 7").await;
    t.bury(&lease).await;
    t.delete(id).await;

    t.assert_pristine().await;
}

/// Jobs do not read each other's.
pub async fn every_job_has_a_checkpoint_of_its_own(t: &Scene) {
    t.enqueue().await;
    t.enqueue().await;
    let leases = t.lease(2).await;
    t.save(&leases[0], b"first").await;
    t.save(&leases[1], b"second").await;
    t.crash().await;

    let again = t.lease(2).await;
    let saved: Vec<_> = again.iter().map(|lease| lease.checkpoint.as_deref()).collect();
    assert_eq!(saved, [Some(&b"first"[..]), Some(&b"second"[..])]);
}
