//! The typed producer, over the memory backend.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jobq_core::inspect::JobView;
use jobq_core::{
    Backend, Enqueued, ErrorKind, Inspect, Job, JobId, JobRef, JobState, LeaseRequest, ManualClock,
    MemoryBackend, Metadata, Queue, QueueName, Timestamp, UniqueKey, WorkerId,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(
    queue = "mail",
    max_attempts = 3,
    timeout = "30s",
    retention = "1h",
    priority = 2,
    unique(user)
)]
struct SendWelcome {
    user: u64,
}

fn welcome(user: u64) -> SendWelcome {
    SendWelcome { user }
}

fn mail() -> QueueName {
    QueueName::new("mail").unwrap()
}

fn found_at(id: JobId) -> JobRef {
    JobRef::new(mail(), id)
}

async fn the_job(queue: &MemoryBackend, id: JobId) -> JobView {
    queue.job(&mail(), id).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_job_gets_what_its_type_says() {
    let queue = MemoryBackend::new();

    let enqueued = queue.enqueue(welcome(1)).await.unwrap();

    assert!(enqueued.is_created());
    let job = the_job(&queue, enqueued.id()).await;
    assert_eq!(job.state, JobState::Ready);
    assert_eq!(job.record.kind.as_str(), "send_welcome");
    assert_eq!(job.record.max_attempts, 3);
    assert_eq!(job.record.timeout, Some(Duration::from_secs(30)));
    assert_eq!(job.record.retention, Some(Duration::from_secs(3_600)));
    assert_eq!(job.record.priority.level(), 2);
    assert_eq!(job.record.unique, UniqueKey::new("send_welcome", &(1_u64,)).ok().map(Into::into));
}

#[tokio::test]
async fn every_option_overrides_its_type() {
    let queue = MemoryBackend::new();
    let key = UniqueKey::new("send_welcome", "another").unwrap();

    let enqueued = queue
        .enqueue(welcome(1))
        .priority(15)
        .max_attempts(9)
        .timeout(None)
        .retention(None)
        .unique(key)
        .metadata("tenant", "7")
        .traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .await
        .unwrap();

    let record = the_job(&queue, enqueued.id()).await.record;
    assert_eq!((record.priority.level(), record.max_attempts), (15, 9));
    assert_eq!((record.timeout, record.retention, record.unique), (None, None, Some(key.into())));
    assert_eq!(record.metadata.get("tenant"), Some("7"));
    assert!(record.metadata.get(Metadata::TRACEPARENT).unwrap().starts_with("00-4bf9"));
}

#[tokio::test]
async fn a_job_may_go_to_another_queue() {
    let queue = MemoryBackend::new();

    let id = queue.enqueue(welcome(1)).on("bulk").await.unwrap().id();

    assert_eq!(queue.locate(id).await.unwrap(), Some(QueueName::new("bulk").unwrap()));
}

#[tokio::test]
async fn a_job_may_wait_for_a_time_or_an_instant() {
    let start = Timestamp::from_millis(1_800_000_000_000);
    let clock = ManualClock::starting_at(start);
    let queue = MemoryBackend::with_clock(clock);
    let minute = Duration::from_secs(60);

    let after = queue.enqueue(welcome(1)).after(minute).await.unwrap().id();
    let at = queue.enqueue(welcome(2)).at(start + minute * 2).await.unwrap().id();
    let past = queue.enqueue(welcome(3)).at(start - minute).await.unwrap().id();

    assert_eq!(the_job(&queue, after).await.at, Some(start + minute));
    assert_eq!(the_job(&queue, at).await.at, Some(start + minute * 2));
    assert_eq!(the_job(&queue, past).await.state, JobState::Ready);
}

#[tokio::test]
async fn an_enqueue_under_one_id_can_be_repeated() {
    let queue = MemoryBackend::new();
    let id = JobId::from_key("welcome-1");

    let first = queue.enqueue(welcome(1)).id(id).await.unwrap();
    let again = queue.enqueue(welcome(1)).id(id).await.unwrap();

    assert_eq!((first, again), (Enqueued::Created(id), Enqueued::Duplicate(found_at(id))));
}

#[tokio::test]
async fn an_equal_job_is_named_in_place_of_a_second_one() {
    let queue = MemoryBackend::new();
    let first = queue.enqueue(welcome(1)).await.unwrap().id();

    assert_eq!(queue.enqueue(welcome(1)).await.unwrap(), Enqueued::Duplicate(found_at(first)));
    assert!(queue.enqueue(welcome(2)).await.unwrap().is_created());
    assert!(queue.enqueue(welcome(1)).not_unique().await.unwrap().is_created());
}

#[tokio::test]
async fn impossible_options_are_refused_and_nothing_is_stored() {
    let queue = MemoryBackend::new();
    let job = || queue.enqueue(welcome(1));

    for (said, enqueue) in [
        ("priority 16", job().priority(16)),
        ("queue name \"a b\"", job().on("a b")),
        ("max_attempts", job().max_attempts(0)),
        ("timeout", job().timeout(Duration::ZERO)),
        ("retention", job().retention(Duration::ZERO)),
        ("metadata has", job().metadata("big", "x".repeat(5_000))),
    ] {
        let error = enqueue.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(said), "{error}");
    }
    assert_eq!(queue.queue(&mail()).await.unwrap().ready, 0);
}

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "mail")]
struct Big {
    data: String,
}

#[tokio::test]
async fn a_payload_over_the_limit_is_refused_with_the_limit() {
    let queue = MemoryBackend::new();

    let error = queue.enqueue(Big { data: "x".repeat(1_048_576) }).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("more than the 1048576 allowed"), "{error}");
}

#[tokio::test]
async fn many_jobs_keep_the_order_of_their_stream() {
    let queue = MemoryBackend::new();

    let sum = queue.enqueue_all((0..1_000).map(welcome)).await.unwrap();
    let request = LeaseRequest::new(WorkerId::from_u64(1), 1_000, Duration::from_secs(10));
    let leases = queue.exchange(&mail(), &[], Some(request)).await.unwrap().leases;

    assert_eq!((sum.created, sum.duplicates), (1_000, 0));
    let users: Vec<_> = leases
        .iter()
        .map(|lease| lease.job.payload.decode::<SendWelcome>().unwrap().user)
        .collect();
    assert!(users.iter().copied().eq(0..1_000));
}

#[tokio::test]
async fn many_jobs_can_be_repeated_by_their_ids() {
    let queue = MemoryBackend::new();
    let id_of = |job: &SendWelcome| JobId::from_key(&format!("welcome-{}", job.user));
    queue.enqueue_all((0..300).map(welcome)).ids(id_of).await.unwrap();

    let again = queue.enqueue_all((0..400).map(welcome)).ids(id_of).await.unwrap();

    assert_eq!((again.created, again.duplicates), (100, 300));
}

#[tokio::test]
async fn no_jobs_are_none() {
    let queue = MemoryBackend::new();

    let sum = queue.enqueue_all(std::iter::empty::<SendWelcome>()).await.unwrap();

    assert_eq!((sum.created, sum.duplicates), (0, 0));
}

/// A million jobs go through in the memory of a few batches: no more are taken from the stream than
/// are on their way.
#[tokio::test]
async fn a_stream_is_read_no_further_ahead_than_a_few_batches() {
    let queue = MemoryBackend::new();
    let stored = Arc::new(AtomicUsize::new(0));
    let furthest = Arc::new(AtomicUsize::new(0));
    let jobs = stream::unfold(0_u64, {
        let (queue, stored, furthest) = (queue.clone(), Arc::clone(&stored), Arc::clone(&furthest));
        move |number| {
            let (queue, stored, furthest) =
                (queue.clone(), Arc::clone(&stored), Arc::clone(&furthest));
            async move {
                if number % 100 == 0 {
                    let ready = queue.queue(&mail()).await.unwrap().ready;
                    stored.store(usize::try_from(ready).unwrap(), Ordering::Relaxed);
                }
                let ahead = usize::try_from(number).unwrap() - stored.load(Ordering::Relaxed);
                furthest.fetch_max(ahead, Ordering::Relaxed);
                (number < 20_000).then(|| (welcome(number), number + 1))
            }
        }
    });

    let sum = queue.enqueue_many(jobs).await.unwrap();

    assert_eq!(sum.created, 20_000);
    assert!(furthest.load(Ordering::Relaxed) <= 2_000, "{furthest:?} jobs ahead");
}

/// Refuses after a number of jobs.
#[tokio::test]
async fn an_error_says_how_many_jobs_were_stored() {
    let queue = MemoryBackend::new();
    let jobs = (0..600)
        .map(|n| Big { data: if n == 550 { "x".repeat(2_000_000) } else { String::new() } });

    let error = queue.enqueue_all(jobs).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(
        error.to_string().starts_with("550 jobs were stored before this went wrong: "),
        "{error}"
    );
    assert_eq!(queue.queue(&mail()).await.unwrap().ready, 550);
}

#[tokio::test]
async fn jobs_of_a_slow_stream_are_not_withheld() {
    let queue = MemoryBackend::new();
    let jobs = stream::iter((0..3).map(welcome)).chain(stream::pending());

    // The stream never ends, so neither does this.
    let enqueueing = tokio::spawn({
        let queue = queue.clone();
        async move { queue.enqueue_many(jobs).await }
    });

    for _ in 0..3 {
        queue.wait(&[mail()]).await.unwrap();
        if queue.queue(&mail()).await.unwrap().ready == 3 {
            break;
        }
    }
    assert_eq!(queue.queue(&mail()).await.unwrap().ready, 3);
    enqueueing.abort();
}

#[tokio::test]
async fn follow_up_jobs_can_be_enqueued_through_a_shared_backend() {
    let shared: Arc<dyn Backend> = Arc::new(MemoryBackend::new());

    assert!(shared.enqueue(welcome(1)).await.unwrap().is_created());
}
