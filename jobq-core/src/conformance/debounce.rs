//! Jobs that wait for a delay that each further one with their key starts anew.

use super::Scene;
use super::scene::{AT_ONCE, MS, SECOND};
use super::unique_modes::{DEBOUNCE, add, keyed};
use crate::id::JobId;
use crate::record::{Enqueued, When};
use crate::state::JobState;
use crate::unique::UniqueMode;

/// A debounced job is due a delay after its enqueue, whatever it was to be due.
pub async fn a_debounced_job_waits_for_its_delay(t: &Scene) {
    for when in [When::Now, When::At(t.now()), When::After(SECOND * 900)] {
        let mut job = keyed(t, DEBOUNCE);
        job.when = when;
        t.add(&job).await;
        let view = t.view(job.record.id).await;
        assert_eq!((view.state, view.at), (JobState::Scheduled, Some(t.now() + SECOND * 10)));
        t.delete(job.record.id).await;
    }
}

/// A second one takes its place, with its own payload, and the delay starts anew.
pub async fn a_debounced_job_takes_the_place_of_the_one_before(t: &Scene) {
    let first = add(t, DEBOUNCE).await;
    t.advance(SECOND * 9);
    let mut second = keyed(t, DEBOUNCE);
    second.record.payload = crate::Payload::encode("newest").unwrap();
    let id = second.record.id;
    assert_eq!(t.add(&second).await, Enqueued::Replaced { id, previous: first });
    assert_eq!(t.state(first).await, None);
    t.advance(SECOND * 10 - MS);
    assert_eq!(t.lease_ids(9).await, []);

    t.advance(MS);
    let lease = t.lease_one().await;
    assert_eq!((lease.job.id, &lease.job.payload), (id, &second.record.payload));
}

/// The one before ends as cancelled, and is kept if it has a retention.
pub async fn a_replaced_job_is_cancelled(t: &Scene) {
    for mode in [DEBOUNCE, UniqueMode::LatestWins] {
        let mut first = keyed(t, mode);
        first.record.retention = Some(SECOND * 60);
        t.add(&first).await;
        t.add(&keyed(t, mode)).await;

        assert_eq!(t.state(first.record.id).await, Some(JobState::Cancelled));
        assert_eq!(t.view(first.record.id).await.at, Some(t.now() + SECOND * 60));
        assert_eq!(
            t.add(&first).await,
            Enqueued::Duplicate(t.at(first.record.id)),
            "its id is known"
        );
        t.delete(first.record.id).await;
        for id in t.ids(JobState::Scheduled).await {
            t.delete(id).await;
        }
    }
}

/// A debounce may be put off for so long at most, counted from the first of the row.
pub async fn a_debounce_is_put_off_for_so_long_at_most(t: &Scene) {
    let mode = UniqueMode::Debounce { delay: SECOND * 10, at_most: Some(SECOND * 25) };
    let began = t.now();
    add(t, mode).await;
    for due in [18, 25, 25] {
        t.advance(SECOND * 8);
        let job = keyed(t, mode);
        t.add(&job).await;
        assert_eq!(t.view(job.record.id).await.at, Some(began + SECOND * due));
    }
    t.advance(SECOND);
    assert_eq!(t.lease(9).await.len(), 1);

    let job = keyed(t, mode);
    t.add(&job).await;
    assert_eq!(t.view(job.record.id).await.at, Some(t.now() + SECOND * 10), "a new row");
}

/// A row that is due may not have been leased yet: the next job is due at once.
pub async fn a_debounce_past_its_time_is_due_at_once(t: &Scene) {
    let mode = UniqueMode::Debounce { delay: SECOND * 10, at_most: Some(SECOND * 15) };
    add(t, mode).await;
    t.advance(SECOND * 20);
    t.maintain().await;
    let job = keyed(t, mode);
    t.add(&job).await;

    assert_eq!(t.state(job.record.id).await, Some(JobState::Ready));
    assert_eq!(t.lease_ids(9).await, [job.record.id]);
}

/// A debounced job that is ready but not leased is still replaced.
pub async fn a_ready_debounced_job_is_replaced(t: &Scene) {
    let first = add(t, DEBOUNCE).await;
    t.advance(SECOND * 10);
    assert_eq!(t.maintain().await.promoted, 1);
    let second = keyed(t, DEBOUNCE);

    let id = second.record.id;
    assert_eq!(t.add(&second).await, Enqueued::Replaced { id, previous: first });
    assert_eq!(t.lease_ids(9).await, []);
}

/// Once it runs the key is free: the next one starts a row of its own.
pub async fn a_running_debounced_job_is_left_alone(t: &Scene) {
    add(t, DEBOUNCE).await;
    t.advance(SECOND * 10);
    let lease = t.lease_one().await;

    let second = add(t, DEBOUNCE).await;
    t.retry(&lease, AT_ONCE).await;
    assert_eq!(t.lease_ids(9).await, [lease.job.id]);
    assert_eq!(t.state(second).await, Some(JobState::Scheduled));
}

/// Two debounced jobs of one call are a row as well.
pub async fn debounced_jobs_of_one_call_replace_each_other(t: &Scene) {
    let jobs = [keyed(t, DEBOUNCE), keyed(t, DEBOUNCE), keyed(t, DEBOUNCE)];
    let ids: Vec<JobId> = jobs.iter().map(|job| job.record.id).collect();

    assert_eq!(
        t.add_all(&jobs).await,
        [
            Enqueued::Created(ids[0]),
            Enqueued::Replaced { id: ids[1], previous: ids[0] },
            Enqueued::Replaced { id: ids[2], previous: ids[1] },
        ]
    );
    assert_eq!(t.ids(JobState::Scheduled).await, [ids[2]]);
}

/// A cancelled or deleted debounced job ends the row.
pub async fn a_called_off_debounced_job_ends_its_row(t: &Scene) {
    let mode = UniqueMode::Debounce { delay: SECOND * 10, at_most: Some(SECOND * 15) };
    let first = add(t, mode).await;
    t.advance(SECOND * 8);
    t.cancel(first).await;
    let second = add(t, mode).await;
    assert_eq!(t.view(second).await.at, Some(t.now() + SECOND * 10));
    t.delete(second).await;

    add(t, mode).await;
}
