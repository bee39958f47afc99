//! Waiting for a job's result and following it, over the memory backend.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use jobq_core::{
    Backend, Cancellation, Enqueued, ErrorKind, Failure, FailureKind, Inspect, Job, JobContext,
    JobRef, JobState, Lease, LeaseRequest, MemoryBackend, Next, Queue, QueueName, Settlement,
    Timestamp, WorkerId,
};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "sums", retention = "1h")]
struct Sum {
    of: Vec<u64>,
}

const PATIENCE: Duration = Duration::from_secs(10);

fn sum() -> Sum {
    Sum { of: vec![1, 2, 3] }
}

fn sums() -> QueueName {
    QueueName::new("sums").unwrap()
}

async fn lease(queue: &MemoryBackend) -> Arc<Lease> {
    let request = LeaseRequest::new(WorkerId::from_u64(1), 1, Duration::from_secs(60));
    let leases = queue.exchange(&sums(), &[], Some(request)).await.unwrap().leases;
    Arc::clone(&leases[0])
}

async fn settle(queue: &MemoryBackend, lease: Arc<Lease>, next: Next) {
    queue.exchange(&sums(), &[Settlement::new(lease, next)], None).await.unwrap();
}

async fn complete<T: Serialize>(queue: &MemoryBackend, result: &T) {
    let result = rmp_serde::to_vec_named(result).ok();
    settle(queue, lease(queue).await, Next::Complete { result }).await;
}

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "mail", unique(user), unique_scope = "everywhere")]
struct Greet {
    user: u64,
}

#[tokio::test]
async fn a_handle_of_a_duplicate_is_that_of_the_job_that_holds_the_key() {
    let queue = MemoryBackend::new();
    let first = queue.enqueue(Greet { user: 1 }).handle().await.unwrap();

    let again = queue.enqueue(Greet { user: 1 }).on("letters").handle().await.unwrap();

    assert_eq!(again.reference(), first.reference());
    assert_eq!(again.enqueued(), Some(&Enqueued::Duplicate(first.reference().clone())));
    let other = queue.enqueue(Greet { user: 2 }).on("letters").handle().await.unwrap();
    assert_eq!(other.reference().queue.as_str(), "letters");
}

#[tokio::test(start_paused = true)]
async fn a_result_is_waited_for() {
    let queue = MemoryBackend::new();
    let handle = queue.enqueue(sum()).handle().await.unwrap();

    let (result, ()) = tokio::join!(handle.result::<u64>(PATIENCE), complete(&queue, &6_u64));

    assert_eq!(result.unwrap(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_result_may_be_read_later_and_elsewhere() {
    let queue = MemoryBackend::new();
    let id = queue.enqueue(sum()).await.unwrap().id();
    complete(&queue, &6_u64).await;

    let handle = queue.handle::<Sum>(JobRef::new(sums(), id));
    assert_eq!(handle.result::<u64>(Duration::ZERO).await.unwrap(), 6);
    assert_eq!(handle.enqueued(), None);
}

#[tokio::test(start_paused = true)]
async fn no_result_reads_as_unit() {
    let queue = MemoryBackend::new();
    let handle = queue.enqueue(sum()).handle().await.unwrap();
    settle(&queue, lease(&queue).await, Next::Complete { result: None }).await;

    handle.result::<()>(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_in_time() {
    let queue = MemoryBackend::new();
    let handle = queue.enqueue(sum()).handle().await.unwrap();

    let error = handle.result::<u64>(PATIENCE).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.to_string().contains("has not ended within 10s"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_job_tells_its_error() {
    let queue = MemoryBackend::new();
    let handle = queue.enqueue(sum()).handle().await.unwrap();
    let leased = lease(&queue).await;
    let failure =
        Failure::new(FailureKind::Error, 1, Timestamp::EPOCH, leased.worker, "no such number");
    settle(&queue, leased, Next::Dead { failure }).await;

    let error = handle.result::<u64>(PATIENCE).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Failed);
    assert!(error.to_string().ends_with("is dead: no such number"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_left_nothing_behind_is_told_as_that() {
    let queue = MemoryBackend::new();
    let handle = queue.enqueue(sum()).retention(None).handle().await.unwrap();
    complete(&queue, &6_u64).await;

    let error = handle.result::<u64>(PATIENCE).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("give it a retention"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn another_type_of_result_is_told_as_that() {
    let queue = MemoryBackend::new();
    let handle = queue.enqueue(sum()).handle().await.unwrap();
    complete(&queue, &"six").await;

    let error = handle.result::<u64>(PATIENCE).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[tokio::test(start_paused = true)]
async fn a_job_is_followed_to_its_end() {
    let queue = MemoryBackend::new();
    let handle = queue.enqueue(sum()).handle().await.unwrap();
    let mut watch = Box::pin(handle.watch().map_ok(|sighting| {
        let progress = sighting.report.progress.map(|progress| progress.done);
        (sighting.state, progress)
    }));

    assert_eq!(watch.try_next().await.unwrap(), Some((Some(JobState::Ready), None)));
    let leased = lease(&queue).await;
    assert_eq!(watch.try_next().await.unwrap(), Some((Some(JobState::Leased), None)));
    let cx = JobContext::new(leased.clone(), None, Cancellation::new(), queue.detached());
    let (_, seen) = tokio::join!(cx.progress(1, 3, "adding"), watch.try_next());
    assert_eq!(seen.unwrap(), Some((Some(JobState::Leased), Some(1))));
    settle(&queue, leased, Next::Complete { result: None }).await;
    assert_eq!(watch.try_next().await.unwrap(), Some((Some(JobState::Completed), Some(1))));
    assert_eq!(watch.try_next().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn following_ends_with_a_job_that_is_deleted() {
    let queue = MemoryBackend::new();
    let handle = queue.enqueue(sum()).handle().await.unwrap();
    let mut watch = Box::pin(handle.watch());
    assert_eq!(watch.next().await.unwrap().unwrap().state, Some(JobState::Ready));
    queue.delete(&sums(), JobState::Ready, &[handle.id()]).await.unwrap();

    assert_eq!(watch.next().await.unwrap().unwrap().state, None);
    assert!(watch.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_cursor_is_saved_and_read_by_the_next_attempt() {
    let queue = MemoryBackend::new();
    queue.enqueue(sum()).await.unwrap();
    let context = |leased: &Arc<Lease>| {
        JobContext::new(leased.clone(), None, Cancellation::new(), queue.detached())
    };
    let first = lease(&queue).await;
    assert_eq!(context(&first).saved::<u64>().unwrap(), None);
    context(&first).save(&7_u64).await.unwrap();
    settle(&queue, first, Next::Release).await;

    let second = lease(&queue).await;
    assert_eq!(context(&second).saved::<u64>().unwrap(), Some(7));
    assert_eq!(context(&second).saved::<String>().unwrap_err().kind(), ErrorKind::Corrupt);
}
