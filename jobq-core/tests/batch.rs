//! Batches through the typed producer, over the memory backend.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream;
use jobq_core::backend::WorkerStatus;
use jobq_core::explain::explain;
use jobq_core::inspect::RequeueOutcome;
use jobq_core::{
    Backend, BatchId, BatchRef, BatchState, Clock, ErrorKind, Inspect, Job, JobId, JobRecord,
    JobRef, JobState, Kind, ManualClock, MemoryBackend, NewJob, Payload, Queue, QueueName,
    Timestamp, UniqueKey, When, WorkerId,
};
use serde::{Deserialize, Serialize};

use self::worker::work_off;

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "rows")]
struct ImportRow {
    row: u64,
}

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "rows")]
struct Report;

fn row(row: u64) -> ImportRow {
    ImportRow { row }
}

fn rows() -> QueueName {
    QueueName::new("rows").unwrap()
}

/// What workers do.
mod worker {
    use std::sync::Arc;
    use std::time::Duration;

    use jobq_core::{
        Backend, Cancellation, Failure, FailureKind, JobContext, Lease, LeaseRequest,
        MemoryBackend, Next, QueueName, Settlement, WorkerId,
    };

    pub(crate) async fn lease(queue: &MemoryBackend, limit: usize) -> Vec<Arc<Lease>> {
        lease_from(queue, &super::rows(), limit).await
    }

    pub(crate) async fn lease_from(
        queue: &MemoryBackend,
        name: &QueueName,
        limit: usize,
    ) -> Vec<Arc<Lease>> {
        let request = LeaseRequest::new(WorkerId::from_u64(1), limit, Duration::from_secs(60));
        queue.exchange(name, &[], Some(request)).await.unwrap().leases
    }

    pub(crate) async fn complete(queue: &MemoryBackend, lease: Arc<Lease>) {
        let name = lease.job.queue.clone();
        let done = Settlement::new(lease, Next::Complete { result: None });
        queue.exchange(&name, &[done], None).await.unwrap();
    }

    pub(crate) async fn bury(queue: &MemoryBackend, lease: Arc<Lease>) {
        let name = lease.job.queue.clone();
        let (now, nobody) = (queue.clock().now(), WorkerId::from_u64(1));
        let failure = Failure::new(FailureKind::Error, lease.attempt(), now, nobody, "no luck");
        let dead = Settlement::new(lease, Next::Dead { failure });
        queue.exchange(&name, &[dead], None).await.unwrap();
    }

    /// Leases jobs and completes them; says of which kinds they were.
    pub(crate) async fn work_off(queue: &MemoryBackend, limit: usize) -> Vec<String> {
        let mut kinds = Vec::new();
        for lease in lease(queue, limit).await {
            kinds.push(lease.job.kind.to_string());
            complete(queue, lease).await;
        }
        kinds
    }

    pub(crate) fn context(queue: &MemoryBackend, lease: &Arc<Lease>) -> JobContext {
        JobContext::new(Arc::clone(lease), None, Cancellation::new(), queue.detached())
    }
}

#[tokio::test]
async fn a_batch_is_opened_filled_closed_and_followed() {
    let queue = MemoryBackend::new();
    let batch = queue.batch("price list").on("rows").on_complete(Report).open().await.unwrap();
    batch.enqueue(row(1)).priority(3).await.unwrap();
    batch.enqueue_all((2..=5).map(row)).await.unwrap();

    let closed = batch.close().await.unwrap();
    assert_eq!((closed.name.as_str(), closed.total, closed.pending()), ("price list", 5, 5));
    work_off(&queue, 4).await;
    let elsewhere = queue.batch_of(batch.reference().clone());
    assert_eq!(elsewhere.view().await.unwrap().done, 4);
    work_off(&queue, 4).await;

    assert_eq!(elsewhere.view().await.unwrap().state, BatchState::Succeeded);
    assert_eq!(work_off(&queue, 4).await, ["report"]);
}

#[tokio::test]
async fn batches_may_be_nested() {
    let queue = MemoryBackend::new();
    let outer = queue.batch("all stores").on("rows").open().await.unwrap();
    let inner = outer.nested("store 7").on_failure(Report).open().await.unwrap();
    inner.enqueue(row(1)).await.unwrap();
    inner.close().await.unwrap();
    outer.close().await.unwrap();

    assert_eq!(inner.reference().queue, rows(), "at home with its parent");
    work_off(&queue, 1).await;
    assert_eq!(outer.view().await.unwrap().state, BatchState::Succeeded);
}

#[tokio::test]
async fn a_handler_adds_to_its_batch() {
    let queue = MemoryBackend::new();
    let batch = queue.batch("pages").on("rows").open().await.unwrap();
    batch.enqueue(row(1)).await.unwrap();
    batch.close().await.unwrap();
    let lease = worker::lease(&queue, 1).await.remove(0);
    let cx = worker::context(&queue, &lease);

    cx.batch().unwrap().enqueue_all((2..=3).map(row)).await.unwrap();

    worker::complete(&queue, lease).await;
    let view = batch.view().await.unwrap();
    assert_eq!((view.state, view.total, view.done), (BatchState::Closed, 3, 1));
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_words() {
    let queue = MemoryBackend::new();

    let error = queue.batch("x").on("no such queue").open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = queue.batch("x".repeat(201)).open().await.unwrap_err();
    assert!(error.to_string().contains("201 bytes, more than the 200 allowed"), "{error}");
    let error = queue.batch("x").retention(Duration::ZERO).open().await.unwrap_err();
    assert!(error.to_string().contains("1s to 366d"), "{error}");

    let unknown = queue.batch_of(BatchRef::new(rows(), BatchId::from_key("never")));
    let error = unknown.view().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = unknown.enqueue(row(1)).await.unwrap_err();
    assert!(error.to_string().contains("was never opened, or its retention is over"), "{error}");

    let batch = queue.batch("x").open().await.unwrap();
    batch.close().await.unwrap();
    let error = batch.close().await.unwrap_err();
    assert!(error.to_string().ends_with("is closed already"), "{error}");
    let error = batch.enqueue(row(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert!(error.to_string().contains("has ended"), "{error}");
}

#[tokio::test]
async fn a_batch_under_an_id_of_its_own_can_be_opened_again() {
    let queue = MemoryBackend::new();
    for is_new in [true, false] {
        let id = BatchId::from_key("import-4711");
        let batch = queue.batch("import").on("rows").id(id).open().await.unwrap();
        assert_eq!(batch.is_new(), is_new);
        assert!(!queue.batch_of(batch.reference().clone()).is_new(), "nothing was opened");
        let ids = |row: &ImportRow| jobq_core::JobId::from_key(&format!("4711-{}", row.row));
        batch.enqueue_all((0..10).map(row)).ids(ids).await.unwrap();
    }

    assert_eq!(queue.batches(&rows(), 0, 9).await.unwrap()[0].total, 10);
}

#[tokio::test]
async fn a_callback_takes_what_an_enqueue_takes() {
    let clock = ManualClock::starting_at(Timestamp::from_millis(1_800_000_000_000));
    let queue = MemoryBackend::with_clock(clock.clone());
    let minute = Duration::from_secs(60);
    let report = || queue.enqueue(Report).on("mail").lane(7).priority(3).after(minute);
    let id = JobId::from_key("report");
    let report = report().id(id).retention(minute);
    let batch = queue.batch("x").on("rows").on_complete(report).on_success(Report).open().await;
    let batch = batch.unwrap();
    clock.advance(minute);
    batch.close().await.unwrap();

    let mail = QueueName::new("mail").unwrap();
    let job = queue.job(&mail, id).await.unwrap().unwrap();
    assert_eq!((job.state, job.at), (JobState::Scheduled, Some(clock.now() + minute)));
    assert_eq!((job.record.priority.level(), job.record.retention), (3, Some(minute)));
    assert_eq!(job.record.lane.unwrap().as_str(), "7");
    assert_eq!(job.record.metadata.get("batch"), Some(&*batch.reference().id.to_string()));
    assert_eq!(work_off(&queue, 9).await, ["report"], "the other one, in its own queue");
}

#[tokio::test]
async fn a_callback_that_cannot_be_enqueued_is_refused_when_the_batch_is_opened() {
    let queue = MemoryBackend::new();
    let other = queue.batch("other").open().await.unwrap().reference().clone();
    let of_a_batch = queue.enqueue(Report).batch(other);
    let child = queue.enqueue(Report).after(JobRef::new(rows(), JobId::from_key("x")));
    for (callback, why) in [
        (queue.enqueue(Report).on("no such queue"), "queue name"),
        (queue.enqueue(Report).priority(99), "priority"),
        (of_a_batch, "cannot be counted by a batch"),
        (child, "cannot have parents or children"),
    ] {
        let error = queue.batch("x").on_complete(callback).open().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(why), "{error}");
    }
    assert_eq!(queue.batches(&QueueName::new("default").unwrap(), 0, 9).await.unwrap().len(), 1);
}

/// No producer knows what every worker handles: such a job waits, and it can be asked why.
#[tokio::test]
async fn a_callback_of_an_unknown_kind_waits_and_says_why() {
    let queue = MemoryBackend::new();
    let id = JobId::from_key("callback");
    let kind = Kind::new("no.such.kind").unwrap();
    let record = JobRecord::new(id, rows(), kind, Payload::encode(&()).unwrap());
    let callback = NewJob::new(record, When::Now);
    let batch = queue.batch("x").on("rows").on_complete(callback).open().await.unwrap();
    batch.close().await.unwrap();
    let mut worker = WorkerStatus::new(WorkerId::from_u64(1), "w1", queue.clock().now());
    (worker.queues, worker.kinds) = (vec!["rows".into()], vec!["report".into()]);
    queue.heartbeat(&worker, Duration::from_secs(60)).await.unwrap();

    let now = queue.clock().now();
    let explained = explain(&queue, &JobRef::new(rows(), id), now).await.unwrap().unwrap();

    assert_eq!(
        explained.reasons[0].text,
        "no living worker of queue rows handles kind no.such.kind"
    );
    assert_eq!(explained.starts_at, None);
}

#[tokio::test]
async fn what_failed_of_a_batch_is_retried_and_nothing_else() {
    let queue = MemoryBackend::new();
    let batch = queue.batch("x").on("rows").open().await.unwrap();
    batch.enqueue_all((0..250).map(row)).max_attempts(1).await.unwrap();
    batch.enqueue(row(250)).unique(UniqueKey::from_bytes([7; 16])).await.unwrap();
    batch.close().await.unwrap();
    for lease in worker::lease(&queue, 251).await {
        if lease.job.payload.decode::<ImportRow>().unwrap().row < 10 {
            worker::complete(&queue, lease).await;
        } else {
            worker::bury(&queue, lease).await;
        }
    }
    let rival = queue.enqueue(row(251)).unique(UniqueKey::from_bytes([7; 16])).await.unwrap().id();

    let retried = batch.retry_failed(&queue).await.unwrap();
    assert_eq!((retried.requeued, retried.left.len()), (240, 1));
    assert_eq!(retried.left[0].1, RequeueOutcome::Conflict(rival));
    let view = batch.view().await.unwrap();
    assert_eq!((view.done, view.failed, view.pending()), (10, 1, 240));
    let again = batch.retry_failed(&queue).await.unwrap();
    assert_eq!((again.requeued, again.left), (0, retried.left));

    let unknown = queue.batch_of(BatchRef::new(rows(), BatchId::from_key("never")));
    let error = unknown.retry_failed(&queue).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

/// Many threads end jobs of one batch in four queues, and add some: nothing is counted twice or lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_batch_over_several_queues_is_counted_exactly_by_many_threads() {
    const QUEUES: [&str; 4] = ["rows", "north", "south", "east"];
    let queue = MemoryBackend::new();
    let batch = queue.batch("busy").on("rows").on_success(Report).open().await.unwrap();
    let reference = batch.reference().clone();
    let reports = Arc::new(AtomicUsize::new(0));
    let producers = QUEUES.map(|name| {
        let (queue, reference) = (queue.clone(), reference.clone());
        tokio::spawn(async move {
            let batch = queue.batch_of(reference);
            for n in 0..500 {
                batch.enqueue(row(n)).on(name).await.unwrap();
            }
        })
    });
    let workers = [QUEUES, QUEUES].concat().into_iter().map(|name| {
        let (queue, reference) = (queue.clone(), reference.clone());
        let (name, reports) = (QueueName::new(name).unwrap(), Arc::clone(&reports));
        tokio::spawn(async move {
            let batch = queue.batch_of(reference);
            while !batch.view().await.unwrap().state.has_ended() {
                for lease in worker::lease_from(&queue, &name, 7).await {
                    if lease.job.kind.as_str() == "report" {
                        reports.fetch_add(1, Ordering::Relaxed);
                    } else if lease.job.payload.decode::<ImportRow>().unwrap().row % 5 == 0 {
                        // Follow-ups have numbers of their own, and no follow-ups.
                        batch.enqueue(row(10_001)).on("south").await.unwrap();
                    }
                    worker::complete(&queue, lease).await;
                }
                tokio::task::yield_now().await;
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    for producer in producers {
        producer.await.unwrap();
    }
    batch.close().await.unwrap();
    for worker in workers {
        tokio::time::timeout(Duration::from_secs(60), worker).await.unwrap().unwrap();
    }

    let view = batch.view().await.unwrap();
    assert_eq!((view.total, view.done), (2_400, 2_400));
    let left = work_off(&queue, 9).await.len();
    assert_eq!(reports.load(Ordering::Relaxed) + left, 1, "one report, run or not");
}

/// A producer that streams a batch holds no more of it than is under way, however many jobs there are.
#[tokio::test]
async fn a_streamed_batch_is_not_held_in_memory() {
    const JOBS: u64 = 100_000;
    let queue = MemoryBackend::new();
    let batch = queue.batch("large").on("rows").open().await.unwrap();
    let (of_queue, name) = (queue.clone(), rows());
    let made = stream::unfold((0, 0), move |(n, most)| {
        let (of_queue, name) = (of_queue.clone(), name.clone());
        async move {
            let stored = Inspect::queue(&of_queue, &name).await.unwrap().ready;
            let under_way = n - stored;
            assert!(under_way <= 2_000, "{under_way} jobs are held by the producer");
            (n < JOBS).then_some((row(n), (n + 1, most.max(under_way))))
        }
    });

    let sum = batch.enqueue_many(made).await.unwrap();

    assert_eq!(sum.created, JOBS);
    let view = batch.close().await.unwrap();
    assert_eq!((view.total, view.pending()), (JOBS, JOBS));
}
