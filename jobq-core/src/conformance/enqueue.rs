//! Adding jobs, once each.

use std::time::Duration;

use super::Scene;
use super::scene::{SECOND, fresh_queue};
use crate::error::ErrorKind;
use crate::id::JobId;
use crate::lease::Held;
use crate::name::Kind;
use crate::payload::Payload;
use crate::priority::Priority;
use crate::record::{Enqueued, When};
use crate::state::JobState;
use crate::unique::UniqueKey;

/// A job enqueued for now can be leased at once.
pub async fn an_enqueued_job_is_ready(t: &Scene) {
    let id = t.enqueue().await;

    assert_eq!(t.state(id).await, Some(JobState::Ready));
    assert_eq!(t.lease_ids(10).await, [id]);
}

/// Every field of a record is stored as it was given.
pub async fn a_job_comes_back_as_it_was_enqueued(t: &Scene) {
    let mut job = t.job_with(|record| {
        record.kind = Kind::new("crm.sync").unwrap();
        record.version = 7;
        record.priority = Priority::constant(9);
        record.max_attempts = 11;
        record.max_crashes = 4;
        record.timeout = Some(Duration::from_millis(90_001));
        record.retention = Some(Duration::from_secs(3_600));
        record.unique = Some(UniqueKey::from_bytes([0xa5; 16]).into());
        record.metadata.insert("tenant", "bücher:42");
    });
    t.add(&job).await;

    let lease = t.lease_one().await;
    job.record.enqueued_at = t.now();
    assert_eq!(lease.job, job.record);
    assert_eq!(t.view(job.record.id).await.record, job.record);
}

/// What a record leaves out is still left out when it comes back.
pub async fn a_plain_job_comes_back_plain(t: &Scene) {
    let mut job = t.job();
    t.add(&job).await;

    let lease = t.lease_one().await;
    job.record.enqueued_at = t.now();
    assert_eq!(lease.job, job.record);
}

/// Payloads are bytes: no value of them has a meaning to a backend.
pub async fn any_bytes_may_be_a_payload(t: &Scene) {
    let every_byte: Vec<u8> = (0..=255).cycle().take(1_000).collect();
    let payload = Payload::from_bytes(every_byte).unwrap();
    t.enqueue_with(|record| record.payload = payload.clone()).await;

    assert_eq!(t.lease_one().await.job.payload, payload);
}

/// A job may have nothing to say.
pub async fn a_payload_may_be_empty(t: &Scene) {
    let empty = Payload::from_bytes(Vec::new()).unwrap();
    t.enqueue_with(|record| record.payload = empty.clone()).await;

    assert_eq!(t.lease_one().await.job.payload, empty);
}

/// The caller's clock has no say in when a job was enqueued.
pub async fn the_backend_stamps_the_time_of_the_enqueue(t: &Scene) {
    t.advance(SECOND);
    t.enqueue_with(|record| record.enqueued_at = crate::Timestamp::EPOCH).await;

    assert_eq!(t.lease_one().await.job.enqueued_at, t.now());
}

/// Callers match answers to jobs by their position.
pub async fn answers_are_in_the_order_of_the_jobs(t: &Scene) {
    let jobs = [t.job(), t.job(), t.job()];
    t.add(&jobs[1]).await;

    let [first, known, last] = [0, 1, 2].map(|n: usize| jobs[n].record.id);
    assert_eq!(
        t.add_all(&jobs).await,
        [Enqueued::Created(first), Enqueued::Duplicate(t.at(known)), Enqueued::Created(last)]
    );
}

/// Nothing to add is not a mistake.
pub async fn an_empty_batch_adds_nothing(t: &Scene) {
    assert_eq!(t.add_all(&[]).await, []);
    t.assert_pristine().await;
}

/// Batches may be larger than what a backend moves at a time.
pub async fn a_large_batch_is_added_whole_and_in_order(t: &Scene) {
    let jobs: Vec<_> = (0..1_200).map(|_| t.job()).collect();
    let answers = t.add_all(&jobs).await;

    let ids: Vec<_> = jobs.iter().map(|job| job.record.id).collect();
    assert!(answers.iter().all(|answer| answer.is_created()));
    assert_eq!(t.lease_ids(2_000).await, ids);
}

/// One call may add to several queues, and mix them.
pub async fn a_batch_may_span_queues(t: &Scene) {
    let other = fresh_queue();
    let elsewhere = t.job_with(|record| record.queue = other.clone());
    let jobs = [t.job(), elsewhere, t.job()];
    let answers = t.add_all(&jobs).await;

    let ids: Vec<JobId> = jobs.iter().map(|job| job.record.id).collect();
    let created: Vec<_> = ids.iter().map(|id| Enqueued::Created(*id)).collect();
    assert_eq!(answers, created);
    assert_eq!(t.ids(JobState::Ready).await, [ids[0], ids[2]]);
    let located = t.store().locate(ids[1]).await.unwrap();
    assert_eq!(located, Some(other));
}

/// An enqueue whose answer was lost can be repeated.
pub async fn a_waiting_job_is_not_added_again(t: &Scene) {
    let job = t.job();
    let id = job.record.id;
    assert_eq!(t.add(&job).await, Enqueued::Created(id));

    assert_eq!(t.add(&job).await, Enqueued::Duplicate(t.at(id)));
    assert_eq!(t.stats().await.ready, 1);
}

/// A repeated enqueue does not run a job twice at once.
pub async fn a_leased_job_is_not_added_again(t: &Scene) {
    let job = t.job();
    t.add(&job).await;
    t.lease_one().await;

    assert_eq!(t.add(&job).await, Enqueued::Duplicate(t.at(job.record.id)));
    assert_eq!(t.lease_ids(1).await, []);
}

/// A job that waits for its time is known as well.
pub async fn a_scheduled_job_is_not_added_again(t: &Scene) {
    let mut job = t.job();
    job.when = When::After(SECOND);
    t.add(&job).await;
    job.when = When::Now;

    assert_eq!(t.add(&job).await, Enqueued::Duplicate(t.at(job.record.id)));
    assert_eq!(t.state(job.record.id).await, Some(JobState::Scheduled));
}

/// Only a person brings a dead job back.
pub async fn a_dead_job_is_not_added_again(t: &Scene) {
    let job = t.job();
    t.add(&job).await;
    let lease = t.lease_one().await;
    t.bury(&lease).await;

    assert_eq!(t.add(&job).await, Enqueued::Duplicate(t.at(job.record.id)));
    assert_eq!(t.state(job.record.id).await, Some(JobState::Dead));
}

/// As long as a completed job is kept, it does not run again.
pub async fn a_kept_job_is_not_added_again(t: &Scene) {
    let job = t.job_with(|record| record.retention = Some(SECOND * 60));
    t.add(&job).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.add(&job).await, Enqueued::Duplicate(t.at(job.record.id)));
    assert_eq!(t.state(job.record.id).await, Some(JobState::Completed));
}

/// What left nothing behind is not known, so its id is free.
pub async fn the_id_of_a_job_that_is_gone_is_free(t: &Scene) {
    let job = t.job();
    t.add(&job).await;
    let lease = t.lease_one().await;
    t.ack(&lease).await;

    assert_eq!(t.add(&job).await, Enqueued::Created(job.record.id));
    assert_eq!(t.lease_one().await.attempt(), 1);
}

/// The first of two jobs with one id stays as it is.
pub async fn a_duplicate_changes_nothing(t: &Scene) {
    let mut job = t.job();
    t.add(&job).await;
    let payload = job.record.payload.clone();
    job.record.payload = Payload::encode("another").unwrap();
    job.record.priority = Priority::HIGHEST;
    t.add(&job).await;

    let lease = t.lease_one().await;
    assert_eq!(lease.job.payload, payload);
    assert_eq!(lease.job.priority, Priority::DEFAULT);
}

/// Jobs of one call are treated as if they had come one after the other.
pub async fn the_same_job_twice_in_a_batch_is_added_once(t: &Scene) {
    let job = t.job();
    let id = job.record.id;

    assert_eq!(
        t.add_all(&[job.clone(), job]).await,
        [Enqueued::Created(id), Enqueued::Duplicate(t.at(id))]
    );
    assert_eq!(t.stats().await.ready, 1);
}

/// One record that cannot be kept refuses the call before anything is written.
pub async fn a_bad_record_refuses_the_whole_batch(t: &Scene) {
    let bad = t.job_with(|record| record.max_attempts = 0);

    let refusal = t.store().enqueue_jobs(&[t.job(), bad, t.job()]).await;
    assert_eq!(refusal.unwrap_err().kind(), ErrorKind::InvalidInput);
    t.assert_pristine().await;
}

/// A producer that adds to what a worker is leasing from disturbs nothing.
pub async fn jobs_may_be_added_while_others_are_leased(t: &Scene) {
    t.enqueue().await;
    let lease = t.lease_one().await;
    let second = t.enqueue().await;

    assert_eq!(t.ack(&lease).await, Held::Yes);
    assert_eq!(t.lease_ids(10).await, [second]);
}
