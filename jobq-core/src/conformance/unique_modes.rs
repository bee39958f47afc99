//! For how long a unique key is held, and what becomes of a second job. How keys are held until the job
//! is finished is in [`unique`](super::unique); those that run alone are in
//! [`unique_running`](super::unique_running), those that are put off in [`debounce`](super::debounce).

use std::time::Duration;

use super::Scene;
use super::scene::{AT_ONCE, MS, SECOND};
use crate::id::JobId;
use crate::inspect::RequeueOutcome;
use crate::lease::Next;
use crate::record::{Enqueued, NewJob, When};
use crate::state::JobState;
use crate::unique::{Unique, UniqueKey, UniqueMode};

const UNTIL_STARTED: UniqueMode = UniqueMode::UntilStarted;
const THROTTLE: UniqueMode = UniqueMode::Throttle { per: Duration::from_secs(10) };
pub(super) const DEBOUNCE: UniqueMode =
    UniqueMode::Debounce { delay: Duration::from_secs(10), at_most: None };

// Until started

/// A second job is a duplicate as long as the first has not started, also if it is for later.
pub async fn until_started_refuses_while_waiting(t: &Scene) {
    let mut first = keyed(t, UNTIL_STARTED);
    first.when = When::After(SECOND);
    t.add(&first).await;
    let id = first.record.id;
    assert_eq!(t.add(&keyed(t, UNTIL_STARTED)).await, Enqueued::Duplicate(t.at(id)));

    t.advance(SECOND);
    t.maintain().await;
    assert_eq!(t.add(&keyed(t, UNTIL_STARTED)).await, Enqueued::Duplicate(t.at(id)));
}

/// Once it runs the key is free.
pub async fn until_started_is_free_when_leased(t: &Scene) {
    add(t, UNTIL_STARTED).await;
    t.lease_one().await;

    let second = add(t, UNTIL_STARTED).await;
    assert_eq!(t.add(&keyed(t, UNTIL_STARTED)).await, Enqueued::Duplicate(t.at(second)));
}

/// It is not taken back when the attempt fails, is given back or crashes: both then wait.
pub async fn until_started_is_not_taken_back(t: &Scene) {
    for end in [0, 1, 2] {
        let first = add(t, UNTIL_STARTED).await;
        let lease = t.lease_one().await;
        let second = add(t, UNTIL_STARTED).await;
        match end {
            0 => drop(t.retry(&lease, AT_ONCE).await),
            1 => drop(t.release(&lease).await),
            _ => drop(t.crash().await),
        }
        let mut ids = t.lease_ids(9).await;
        ids.sort_unstable();
        let mut expected = [first, second];
        expected.sort_unstable();
        assert_eq!(ids, expected);
        finish_all(t).await;
    }
}

/// A job that ends before it starts frees the key.
pub async fn until_started_is_free_when_called_off(t: &Scene) {
    let first = add(t, UNTIL_STARTED).await;
    t.cancel(first).await;
    let second = add(t, UNTIL_STARTED).await;
    t.delete(second).await;

    add(t, UNTIL_STARTED).await;
}

/// A dead job that is requeued holds its key again until it starts.
pub async fn until_started_is_held_after_a_requeue(t: &Scene) {
    let dead = add(t, UNTIL_STARTED).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    let other = add(t, UNTIL_STARTED).await;
    assert_eq!(t.requeue(dead).await, RequeueOutcome::Conflict(other));
    t.lease_one().await;
    assert_eq!(t.requeue(dead).await, RequeueOutcome::Requeued);

    assert_eq!(t.add(&keyed(t, UNTIL_STARTED)).await, Enqueued::Duplicate(t.at(dead)));
    t.lease_one().await;
    add(t, UNTIL_STARTED).await;
}

// Throttle

/// A second job is a duplicate for a time, counted from the enqueue, to the millisecond.
pub async fn a_throttle_refuses_for_its_time(t: &Scene) {
    let first = add(t, THROTTLE).await;
    t.advance(SECOND * 10 - MS);
    assert_eq!(t.add(&keyed(t, THROTTLE)).await, Enqueued::Duplicate(t.at(first)));

    t.advance(MS);
    add(t, THROTTLE).await;
}

/// Whatever becomes of the job: the key is held also when it is gone.
pub async fn a_throttle_outlasts_its_job(t: &Scene) {
    let done = add(t, THROTTLE).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    assert_eq!(t.state(done).await, None);
    assert_eq!(t.add(&keyed(t, THROTTLE)).await, Enqueued::Duplicate(t.at(done)));
    t.advance(SECOND * 10);

    let dead = add(t, THROTTLE).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    assert_eq!(t.add(&keyed(t, THROTTLE)).await, Enqueued::Duplicate(t.at(dead)));
}

/// A kept job that is pruned meanwhile frees nothing.
pub async fn a_throttle_outlasts_a_prune(t: &Scene) {
    let mut job = keyed(t, THROTTLE);
    job.record.retention = Some(SECOND);
    t.add(&job).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;
    t.advance(SECOND);
    assert_eq!(t.maintain().await.pruned, 1);

    assert_eq!(t.add(&keyed(t, THROTTLE)).await, Enqueued::Duplicate(t.at(job.record.id)));
}

/// It also ends while its job still waits: then both do.
pub async fn a_throttle_ends_before_its_job(t: &Scene) {
    let first = add(t, THROTTLE).await;
    t.advance(SECOND * 10);
    let second = add(t, THROTTLE).await;

    assert_eq!(t.lease_ids(9).await, [first, second]);
    finish_all(t).await;
    assert_eq!(t.add(&keyed(t, THROTTLE)).await, Enqueued::Duplicate(t.at(second)));
}

/// A job that is cancelled, waiting or running, or deleted, gives the key back.
pub async fn a_throttle_ends_with_a_cancelled_or_deleted_job(t: &Scene) {
    let waiting = add(t, THROTTLE).await;
    t.cancel(waiting).await;
    let running = add(t, THROTTLE).await;
    let lease = t.lease_one().await;
    t.cancel(running).await;
    assert_eq!(t.add(&keyed(t, THROTTLE)).await, Enqueued::Duplicate(t.at(running)));
    t.retry(&lease, AT_ONCE).await;
    let deleted = add(t, THROTTLE).await;
    t.delete(deleted).await;

    add(t, THROTTLE).await;
}

/// A job that was deleted after its time does not free the key of another.
pub async fn a_throttle_is_freed_by_nobody_else(t: &Scene) {
    let first = add(t, THROTTLE).await;
    t.advance(SECOND * 10);
    let second = add(t, THROTTLE).await;
    t.delete(first).await;

    assert_eq!(t.add(&keyed(t, THROTTLE)).await, Enqueued::Duplicate(t.at(second)));
}

/// A requeue takes no part in it.
pub async fn a_requeue_knows_no_throttle(t: &Scene) {
    let dead = add(t, THROTTLE).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;
    assert_eq!(t.requeue(dead).await, RequeueOutcome::Requeued);

    t.advance(SECOND * 10);
    let other = add(t, THROTTLE).await;
    assert_ne!(other, dead);
}

/// Keys of throttles that are over leave nothing behind.
pub async fn a_throttle_leaves_nothing_behind(t: &Scene) {
    for n in 0..20 {
        let mut job = keyed(t, THROTTLE);
        job.record.unique = Some(Unique::new(UniqueKey::from_bytes([n; 16]), THROTTLE));
        t.add(&job).await;
    }
    finish_all(t).await;
    t.advance(SECOND * 10);
    t.maintain().await;

    t.assert_pristine().await;
}

// Several modes of one key

/// The newest job's mode decides: who would take a place does, who would not is a duplicate.
pub async fn the_newest_mode_decides(t: &Scene) {
    let first = add(t, UniqueMode::UntilFinished).await;
    assert_eq!(t.add(&keyed(t, UNTIL_STARTED)).await, Enqueued::Duplicate(t.at(first)));
    let second = keyed(t, UniqueMode::LatestWins);
    let id = second.record.id;
    assert_eq!(t.add(&second).await, Enqueued::Replaced { id, previous: first });

    assert_eq!(t.add(&keyed(t, UniqueMode::UntilFinished)).await, Enqueued::Duplicate(t.at(id)));
    assert_eq!(t.lease_ids(9).await, [id]);
}

/// A holder that is running cannot be replaced; one that waits for its next attempt can.
pub async fn a_running_holder_is_not_replaced(t: &Scene) {
    let first = add(t, UniqueMode::UntilFinished).await;
    let lease = t.lease_one().await;
    assert_eq!(t.add(&keyed(t, DEBOUNCE)).await, Enqueued::Duplicate(t.at(first)));

    t.retry(&lease, SECOND).await;
    let next = keyed(t, DEBOUNCE);
    let id = next.record.id;
    assert_eq!(t.add(&next).await, Enqueued::Replaced { id, previous: first });
}

/// A holder that has ended cannot be replaced either: its time goes on.
pub async fn an_ended_holder_is_not_replaced(t: &Scene) {
    let done = add(t, THROTTLE).await;
    finish_all(t).await;

    assert_eq!(t.add(&keyed(t, DEBOUNCE)).await, Enqueued::Duplicate(t.at(done)));
    t.advance(SECOND * 10);
    add(t, DEBOUNCE).await;
}

/// A job that was requeued, or waits again after an attempt, begins a row: its enqueue was long ago.
pub async fn a_job_that_takes_its_key_again_begins_a_row(t: &Scene) {
    for mode in [UniqueMode::UntilFinished, UNTIL_STARTED, UniqueMode::LatestWins] {
        let first = add(t, mode).await;
        let lease = t.lease_one().await;
        t.advance(SECOND * 20);
        if mode == UniqueMode::LatestWins {
            t.release(&lease).await;
        } else {
            t.bury(&lease).await;
            t.requeue(first).await;
        }
        let began = t.now();
        t.advance(SECOND * 8);
        let next =
            keyed(t, UniqueMode::Debounce { delay: SECOND * 10, at_most: Some(SECOND * 15) });
        let id = next.record.id;
        assert_eq!(t.add(&next).await, Enqueued::Replaced { id, previous: first });

        assert_eq!(t.view(id).await.at, Some(began + SECOND * 15), "{mode:?}");
        t.delete(id).await;
    }
}

/// A throttle whose time is over holds nothing: who runs with its key may wait again.
pub async fn an_old_throttle_takes_nobodys_place(t: &Scene) {
    for is_over in [false, true] {
        let latest = add(t, UniqueMode::LatestWins).await;
        let lease = t.lease_one().await;
        let throttled = add(t, THROTTLE).await;
        t.advance(if is_over { SECOND * 10 } else { SECOND * 10 - MS });
        t.release(&lease).await;

        assert_eq!(t.state(latest).await, is_over.then_some(JobState::Ready));
        for id in [throttled, latest] {
            t.delete(id).await;
        }
    }
}

/// Modes that no backend could keep are refused, and nothing is written.
pub async fn impossible_times_are_refused(t: &Scene) {
    for mode in [
        UniqueMode::Throttle { per: AT_ONCE },
        UniqueMode::Throttle { per: SECOND * 3_600 * 24 * 50 },
        UniqueMode::Debounce { delay: AT_ONCE, at_most: None },
        UniqueMode::Debounce { delay: SECOND, at_most: Some(AT_ONCE) },
    ] {
        let refused = t.store().enqueue_jobs(&[t.job(), keyed(t, mode)]).await;
        assert_eq!(refused.unwrap_err().kind(), crate::ErrorKind::InvalidInput, "{mode:?}");
    }
    assert_eq!(t.stats().await.ready, 0);
}

/// The record comes back with its key, its mode and its scope.
pub async fn a_job_keeps_its_mode(t: &Scene) {
    let longest = Duration::from_millis(u32::MAX.into());
    for mode in [
        UniqueMode::UntilFinished,
        UNTIL_STARTED,
        UniqueMode::WhileRunning,
        UniqueMode::Throttle { per: longest },
        UniqueMode::Debounce { delay: MS, at_most: Some(longest) },
        UniqueMode::LatestWins,
    ] {
        let job = keyed(t, mode);
        t.add(&job).await;
        t.advance(MS);
        let lease = t.lease_one().await;
        assert_eq!(lease.job.unique, job.record.unique);
        t.settle(&lease, Next::Cancel).await;
    }
}

// Who holds a key

/// People see who waits with a key, and nobody once it is free.
pub async fn the_holder_of_a_key_can_be_seen(t: &Scene) {
    for mode in [UniqueMode::UntilFinished, UNTIL_STARTED, THROTTLE, DEBOUNCE] {
        assert_eq!(holders(t).await, []);
        let id = add(t, mode).await;
        assert_eq!(holders(t).await, [id], "{mode:?}");
        t.cancel(id).await;
    }
    assert_eq!(holders(t).await, []);
}

/// A throttle's holder is seen for its time.
pub async fn the_holder_of_a_throttle_is_seen_for_its_time(t: &Scene) {
    let id = add(t, THROTTLE).await;
    finish_all(t).await;
    t.advance(SECOND * 10 - MS);
    assert_eq!(holders(t).await, [id]);

    t.advance(MS);
    assert_eq!(holders(t).await, []);
}

const KEY: UniqueKey = UniqueKey::from_bytes([1; 16]);

/// A job with the key, not yet enqueued.
pub(super) fn keyed(t: &Scene, mode: UniqueMode) -> NewJob {
    t.job_with(|record| record.unique = Some(Unique::new(KEY, mode)))
}

/// A job with the key that is added as the first of it.
pub(super) async fn add(t: &Scene, mode: UniqueMode) -> JobId {
    let job = keyed(t, mode);
    assert_eq!(t.add(&job).await, Enqueued::Created(job.record.id), "{mode:?}");
    job.record.id
}

/// Completes all that is ready or leased.
async fn finish_all(t: &Scene) {
    t.store().forfeit(t.queue(), t.worker(), &[]).await.unwrap();
    for lease in t.lease(100).await {
        t.ack(&lease).await;
    }
}

async fn holders(t: &Scene) -> Vec<JobId> {
    let holders = t.store().unique(t.queue(), KEY).await.unwrap();
    holders.iter().map(|job| job.id).collect()
}
