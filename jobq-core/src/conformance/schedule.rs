//! Jobs that wait for their time.

use std::time::Duration;

use super::Scene;
use super::scene::{AT_ONCE, MS, SECOND};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::id::JobId;
use crate::lease::Next;
use crate::priority::Priority;
use crate::record::{NewJob, When};
use crate::state::JobState;

/// A job for later waits where people can see when it is due.
pub async fn a_job_for_later_is_scheduled(t: &Scene) {
    let id = t.schedule(SECOND).await;

    let view = t.view(id).await;
    assert_eq!(view.state, JobState::Scheduled);
    assert_eq!(view.at, Some(t.now() + SECOND));
}

/// Not a millisecond too early.
pub async fn a_job_is_not_leased_before_its_time(t: &Scene) {
    t.schedule(SECOND).await;
    t.advance(SECOND - MS);

    assert_eq!(t.lease_ids(1).await, []);
}

/// A job is due at its instant, not after it.
pub async fn a_job_is_leased_at_its_time(t: &Scene) {
    let id = t.schedule(SECOND).await;
    t.advance(SECOND);

    assert_eq!(t.lease_ids(1).await, [id]);
}

/// An instant may be named instead of a delay.
pub async fn a_job_may_be_due_at_an_instant(t: &Scene) {
    let mut job = t.job();
    job.when = When::At(t.now() + SECOND);
    t.add(&job).await;

    assert_eq!(t.lease_ids(1).await, []);
    t.advance(SECOND);
    assert_eq!(t.lease_ids(1).await, [job.record.id]);
}

/// An instant in the past is as good as now: the job is not even scheduled.
pub async fn an_instant_in_the_past_is_now(t: &Scene) {
    let mut job = t.job();
    job.when = When::At(t.now() - SECOND);
    t.add(&job).await;

    assert_eq!(t.state(job.record.id).await, Some(JobState::Ready));
}

/// The present instant is now.
pub async fn the_present_instant_is_now(t: &Scene) {
    let mut job = t.job();
    job.when = When::At(t.now());
    t.add(&job).await;

    assert_eq!(t.state(job.record.id).await, Some(JobState::Ready));
}

/// A delay of nothing is now.
pub async fn a_delay_of_zero_is_now(t: &Scene) {
    let id = t.schedule(AT_ONCE).await;

    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

/// Jobs may be scheduled for next century.
pub async fn a_job_may_wait_for_years(t: &Scene) {
    let years = SECOND * 3_600 * 24 * 365 * 80;
    let id = t.schedule(years).await;

    assert_eq!(t.view(id).await.at, Some(t.now() + years));
    t.advance(years - MS);
    assert_eq!(t.lease_ids(1).await, []);
    t.advance(MS);
    assert_eq!(t.lease_ids(1).await, [id]);
}

/// Maintenance promotes what is due even when nobody leases, and leaves the rest.
pub async fn maintenance_promotes_what_is_due(t: &Scene) {
    let id = t.schedule(SECOND).await;
    let later = t.schedule(SECOND * 2).await;
    t.advance(SECOND);

    assert_eq!(t.maintain().await.promoted, 1);
    assert_eq!(t.state(id).await, Some(JobState::Ready));
    assert_eq!(t.state(later).await, Some(JobState::Scheduled));
}

/// What is not due is not promoted.
pub async fn maintenance_leaves_what_is_not_due(t: &Scene) {
    t.schedule(SECOND).await;
    t.advance(SECOND - MS);

    let done = t.maintain().await;
    assert_eq!((done.promoted, done.more), (0, false));
}

/// Maintenance does a bounded amount, and says that there may be more.
pub async fn maintenance_promotes_no_more_than_its_limit(t: &Scene) {
    for _ in 0..5 {
        t.schedule(SECOND).await;
    }
    t.advance(SECOND);

    let first = t.store().maintain(t.queue(), 3).await.unwrap();
    let second = t.store().maintain(t.queue(), 3).await.unwrap();
    assert_eq!((first.promoted, first.more), (3, true));
    assert_eq!((second.promoted, second.more), (2, false));
}

/// A limit of zero is a bound like any other.
pub async fn maintenance_with_no_room_does_nothing(t: &Scene) {
    let id = t.schedule(SECOND).await;
    t.advance(SECOND);

    let done = t.store().maintain(t.queue(), 0).await.unwrap();
    assert_eq!(done.promoted, 0);
    assert_eq!(t.state(id).await, Some(JobState::Scheduled));
}

/// An exchange promotes even when it leases nothing.
pub async fn an_exchange_without_a_lease_promotes(t: &Scene) {
    let id = t.schedule(SECOND).await;
    t.advance(SECOND);
    t.settle_all(&[]).await;

    assert_eq!(t.state(id).await, Some(JobState::Ready));
}

/// Jobs become ready in the order in which they were due, whatever the order of their enqueues.
pub async fn due_jobs_come_in_the_order_of_their_times(t: &Scene) {
    let last = t.schedule(SECOND * 3).await;
    let first = t.schedule(SECOND).await;
    let middle = t.schedule(SECOND * 2).await;
    t.advance(SECOND * 3);

    assert_eq!(t.lease_ids(10).await, [first, middle, last]);
}

/// A delay that is more likely a mistake is refused, and so is a time; nothing is written then.
pub async fn an_absurd_delay_is_refused(t: &Scene) {
    for when in [
        When::After(CENTURY + MS),
        When::After(Duration::MAX),
        When::At(END_OF_9999 + MS),
        When::At(Timestamp::from_millis(u64::MAX)),
    ] {
        let mut absurd = t.job();
        absurd.when = when;
        let refusal = t.store().enqueue_jobs(&[t.job(), absurd]).await.unwrap_err();
        assert_eq!(refusal.kind(), ErrorKind::InvalidInput, "{when:?}");
        let told = refusal.to_string();
        assert!(
            told.contains("100 years at most") || told.contains("after the year 9999"),
            "{told}"
        );
    }
    t.assert_pristine().await;
}

/// The longest delays are kept, snoozes for ever too, and keep no other job from being leased.
pub async fn the_longest_delay_delays_nothing_else(t: &Scene) {
    let (mut late, mut later) = (t.job(), t.job());
    late.when = When::After(CENTURY);
    later.when = When::At(END_OF_9999);
    t.add_all(&[late.clone(), later.clone()]).await;
    assert_eq!(t.view(late.record.id).await.at, Some(t.now() + CENTURY));
    assert_eq!(t.view(later.record.id).await.at, Some(END_OF_9999));
    let snoozed = t.enqueue().await;
    let lease = t.lease_one().await;
    t.settle(&lease, Next::Snooze { after: Duration::MAX }).await;

    assert!(t.exchange(&[], 5).await.next_in.is_some());
    assert_eq!(t.state(snoozed).await, Some(JobState::Scheduled));
    let id = t.enqueue().await;
    assert_eq!(t.lease_ids(5).await, [id]);
}

/// Of jobs due together, the ones with the higher priority are promoted first.
pub async fn jobs_due_together_are_promoted_by_priority(t: &Scene) {
    let low = due_in_a_second(t, 1, 0);
    let high = due_in_a_second(t, 2, 5);
    t.add_all(&[low.clone(), high.clone()]).await;
    t.advance(SECOND);
    t.store().maintain(t.queue(), 1).await.unwrap();

    assert_eq!(t.state(high.record.id).await, Some(JobState::Ready));
    assert_eq!(t.state(low.record.id).await, Some(JobState::Scheduled));
}

/// Of jobs due together with one priority, ids decide: those made later sort later.
pub async fn jobs_due_together_of_one_priority_come_by_id(t: &Scene) {
    let jobs = [3, 1, 2].map(|n| due_in_a_second(t, n, 0));
    t.add_all(&jobs).await;
    t.advance(SECOND);

    let [third, first, second] = jobs.map(|job| job.record.id);
    assert_eq!(t.lease_ids(10).await, [first, second, third]);
}

/// A promoted job goes to the back: those that are ready have waited for a worker longer.
pub async fn a_promoted_job_goes_behind_those_that_are_ready(t: &Scene) {
    let scheduled = t.schedule(SECOND).await;
    let ready = t.enqueue().await;
    t.advance(SECOND);

    assert_eq!(t.lease_ids(10).await, [ready, scheduled]);
}

/// A promoted job goes before ready ones of lower priority.
pub async fn a_promoted_job_keeps_its_priority(t: &Scene) {
    let ready = t.enqueue().await;
    let scheduled = due_in_a_second(t, 1, 5);
    t.add(&scheduled).await;
    t.advance(SECOND);

    assert_eq!(t.lease_ids(10).await, [scheduled.record.id, ready]);
}

const CENTURY: Duration = Duration::from_secs(36_525 * 24 * 3_600);
const END_OF_9999: Timestamp = Timestamp::from_millis(253_402_300_799_999);

fn due_in_a_second(t: &Scene, id: u8, priority: u8) -> NewJob {
    let mut job = t.job_with(|record| {
        record.id = JobId::from_bytes([id; 16]);
        record.priority = Priority::constant(priority);
    });
    job.when = When::After(SECOND);
    job
}
