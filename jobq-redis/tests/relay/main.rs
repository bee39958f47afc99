//! What queues tell each other comes exactly once, wherever the one who carries it is stopped.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod bounds;
#[path = "../support/mod.rs"]
mod support;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::join_all;
use jobq_core::{
    Backend, BatchId, BatchRef, BatchState, ErrorKind, Failure, FailureKind, Inspect, JobId,
    JobRecord, JobRef, JobState, Kind, Lease, LeaseRequest, NewBatch, NewJob, Next,
    OnParentFailure, Parent, Payload, QueueName, Result, Settlement, SystemClock, Timestamp, When,
    WorkerId,
};
use jobq_redis::{FaultProxy, RedisBackend, RedisConfig, TestServer};
use support::{LEASE, PATIENCE};

const KEPT: Duration = Duration::from_secs(3_600);

fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

fn job(queue_name: &str) -> NewJob {
    let id = JobId::generate(&SystemClock::default());
    let kind = Kind::new("part").unwrap();
    let mut record =
        JobRecord::new(id, queue(queue_name), kind, Payload::from_bytes(Vec::new()).unwrap());
    // What is kept can be enqueued again without running again.
    record.retention = Some(KEPT);
    NewJob::new(record, When::Now)
}

fn member(queue_name: &str, batch: &BatchRef) -> NewJob {
    let mut job = job(queue_name);
    job.record.batch = Some(batch.clone());
    job
}

fn after(parent: &NewJob, queue_name: &str) -> NewJob {
    let mut child = job(queue_name);
    child.parents = vec![Parent::known(found_at(parent))];
    child.on_parent_failure = OnParentFailure::Continue;
    child
}

fn found_at(job: &NewJob) -> JobRef {
    JobRef::new(job.record.queue.clone(), job.record.id)
}

fn new_batch(home: &str) -> NewBatch {
    let id = BatchId::generate(&SystemClock::default());
    NewBatch::new(BatchRef::new(queue(home), id), "parts")
}

/// A batch that tells of its failure and of its end in a queue that is not its home. Nothing is left of
/// a callback that has run: a second one would run again.
fn telling_batch(home: &str) -> NewBatch {
    let mut new = new_batch(home);
    for callback in [&mut new.on_failure, &mut new.on_complete] {
        let mut job = job("calls");
        job.record.retention = None;
        *callback = Some(job);
    }
    new
}

/// Runs the callbacks that are there, and notes them.
async fn answer_calls(backend: &RedisBackend, told: &mut Vec<JobId>) {
    let leases = lease_all(backend, "calls").await;
    told.extend(leases.iter().map(|lease| lease.job.id));
    let settlements: Vec<_> = leases.iter().map(done).collect();
    backend.exchange(&queue("calls"), &settlements, None).await.unwrap();
}

/// Both callbacks were there, each once.
fn assert_told(mut told: Vec<JobId>, new: &NewBatch) {
    let mut expected =
        [&new.on_failure, &new.on_complete].map(|job| job.as_ref().unwrap().record.id);
    expected.sort();
    told.sort();
    assert_eq!(told, expected);
}

async fn lease_all(backend: &RedisBackend, queue_name: &str) -> Vec<Arc<Lease>> {
    let request = LeaseRequest::new(WorkerId::from_u64(7), 1_000, LEASE);
    backend.exchange(&queue(queue_name), &[], Some(request)).await.unwrap().leases
}

fn done(lease: &Arc<Lease>) -> Settlement {
    Settlement::new(Arc::clone(lease), Next::Complete { result: Some(vec![42]) })
}

fn died(lease: &Arc<Lease>) -> Settlement {
    let at = Timestamp::from_millis(1);
    let failure = Failure::new(FailureKind::Error, 1, at, lease.worker, "never");
    Settlement::new(Arc::clone(lease), Next::Dead { failure })
}

/// Somebody else comes by every queue.
async fn heal(backend: &RedisBackend) {
    for _ in 0..3 {
        for name in ["home", "away", "calls"] {
            backend.maintain(&queue(name), 100).await.unwrap();
        }
    }
}

/// Drops a future after it has been pending so many times; `None` if it was not done by then.
async fn stopped_after<T>(pending: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = pending;
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// The backend on a server under a prefix of its own, as if it was another server.
async fn apart(server: &TestServer, prefix: usize) -> RedisBackend {
    let config = RedisConfig::new(&server.url()).unwrap().prefix(&format!("p{prefix}")).unwrap();
    RedisBackend::connect_with(config).await.unwrap()
}

/// Plays a scene again and again, with its act stopped later each time, until it is not stopped any more.
async fn stopped_everywhere<T>(
    scene: impl AsyncFn(usize, RedisBackend, RedisBackend) -> Option<T>,
) {
    let server = TestServer::start().unwrap();
    for stop in 0..100 {
        let (stopped, healthy) = (apart(&server, stop).await, apart(&server, stop).await);
        if scene(stop, stopped, healthy).await.is_some() {
            assert!(stop > 2, "it was never stopped");
            return;
        }
    }
    panic!("it is never done");
}

#[tokio::test]
async fn a_settlement_stopped_anywhere_is_counted_once() {
    stopped_everywhere(async |stop, stopped, healthy| {
        let new = telling_batch("home");
        healthy.open_batch(&new).await.unwrap();
        let members: Vec<_> = (0..3).map(|_| member("away", &new.batch)).collect();
        healthy.enqueue_jobs(&members).await.unwrap();
        healthy.close_batch(&new.batch).await.unwrap();
        let child = after(&members[0], "home");
        healthy.enqueue_jobs(std::slice::from_ref(&child)).await.unwrap();
        let leases = lease_all(&healthy, "away").await;
        // It knows of flow control by now, as a worker does.
        lease_all(&stopped, "away").await;

        let settlements = [done(&leases[0]), done(&leases[1]), died(&leases[2])];
        let away = queue("away");
        let finished = stopped_after(stop, stopped.exchange(&away, &settlements, None)).await;
        let mut told = Vec::new();
        answer_calls(&healthy, &mut told).await;
        // Repeated, as a worker would; what had its effect is lost now.
        healthy.exchange(&away, &settlements, None).await.unwrap();
        heal(&healthy).await;

        let view = healthy.batch_view(&new.batch).await.unwrap().unwrap();
        assert_eq!((view.total, view.done, view.failed), (3, 2, 1), "stopped after {stop}");
        assert_eq!(view.state, BatchState::Failed);
        answer_calls(&healthy, &mut told).await;
        assert_told(told, &new);
        let told = healthy.parents(&queue("home"), child.record.id).await.unwrap();
        assert_eq!(told[0].result.as_deref(), Some(&[42][..]));
        assert_eq!(lease_all(&healthy, "home").await[0].job.id, child.record.id);
        finished
    })
    .await;
}

#[tokio::test]
async fn an_enqueue_stopped_anywhere_and_repeated_is_counted_once() {
    stopped_everywhere(async |stop, stopped, healthy| {
        let new = telling_batch("home");
        healthy.open_batch(&new).await.unwrap();
        let parent = job("calls");
        healthy.enqueue_jobs(std::slice::from_ref(&parent)).await.unwrap();
        let mut members: Vec<_> = (0..3).map(|_| member("away", &new.batch)).collect();
        members[0].parents = vec![Parent::known(found_at(&parent))];

        let finished = stopped_after(stop, stopped.enqueue_jobs(&members)).await;
        let again = healthy.enqueue_jobs(&members).await.unwrap();
        assert_eq!(again.len(), 3);
        heal(&healthy).await;

        let view = healthy.batch_view(&new.batch).await.unwrap().unwrap();
        assert_eq!((view.total, view.pending()), (3, 3), "stopped after {stop}");
        let waiting = healthy.jobs(&queue("away"), JobState::Waiting, 0, 10).await.unwrap();
        assert_eq!(waiting.len(), 1);
        let leases = lease_all(&healthy, "calls").await;
        healthy.exchange(&queue("calls"), &[done(&leases[0])], None).await.unwrap();
        assert_eq!(lease_all(&healthy, "away").await.len(), 3);
        finished
    })
    .await;
}

#[tokio::test]
async fn a_batch_opened_and_stopped_anywhere_is_counted_once() {
    stopped_everywhere(async |stop, stopped, healthy| {
        let outer = telling_batch("home");
        healthy.open_batch(&outer).await.unwrap();
        let mut inner = new_batch("away");
        inner.parent = Some(outer.batch.clone());

        let finished = stopped_after(stop, stopped.open_batch(&inner)).await;
        healthy.open_batch(&inner).await.unwrap();
        heal(&healthy).await;
        let view = healthy.batch_view(&outer.batch).await.unwrap().unwrap();
        assert_eq!((view.total, view.pending()), (1, 1), "stopped after {stop}");

        healthy.enqueue_jobs(&[member("calls", &inner.batch)]).await.unwrap();
        healthy.close_batch(&outer.batch).await.unwrap();
        healthy.close_batch(&inner.batch).await.unwrap();
        let leases = lease_all(&healthy, "calls").await;
        healthy.exchange(&queue("calls"), &[died(&leases[0])], None).await.unwrap();
        let view = healthy.batch_view(&outer.batch).await.unwrap().unwrap();
        assert_eq!((view.total, view.failed, view.state), (1, 1, BatchState::Failed));
        finished
    })
    .await;
}

#[tokio::test]
async fn a_batch_called_off_and_stopped_anywhere_runs_nothing() {
    stopped_everywhere(async |stop, stopped, healthy| {
        let new = telling_batch("home");
        healthy.open_batch(&new).await.unwrap();
        let members = ["home", "away", "away"].map(|name| member(name, &new.batch));
        healthy.enqueue_jobs(&members).await.unwrap();
        healthy.close_batch(&new.batch).await.unwrap();

        let finished = stopped_after(stop, stopped.call_off_batch(&new.batch)).await;
        assert!(healthy.call_off_batch(&new.batch).await.unwrap());
        heal(&healthy).await;
        for name in ["home", "away"] {
            assert_eq!(lease_all(&healthy, name).await.len(), 0, "stopped after {stop}");
        }
        heal(&healthy).await;

        let view = healthy.batch_view(&new.batch).await.unwrap().unwrap();
        assert_eq!((view.total, view.cancelled, view.state), (3, 3, BatchState::Failed));
        let mut told = Vec::new();
        answer_calls(&healthy, &mut told).await;
        assert_told(told, &new);
        finished
    })
    .await;
}

#[tokio::test]
async fn notes_carried_by_many_at_once_are_read_once() {
    let server = TestServer::start().unwrap();
    let first = apart(&server, 0).await;
    let others = join_all((0..8).map(|_| apart(&server, 0))).await;
    let new = telling_batch("home");
    first.open_batch(&new).await.unwrap();
    let mut told = Vec::new();
    for round in 0..20 {
        let members: Vec<_> = (0..8).map(|_| member("away", &new.batch)).collect();
        let enqueued = others.iter().zip(&members).map(|(backend, job)| async move {
            backend.enqueue_jobs(std::slice::from_ref(job)).await.unwrap()
        });
        join_all(enqueued).await;
        let leases = lease_all(&first, "away").await;
        assert_eq!(leases.len(), 8);
        let settled = others.iter().zip(&leases).enumerate().map(|(nth, (backend, lease))| {
            let settlement = if nth == 0 { died(lease) } else { done(lease) };
            async move { backend.exchange(&queue("away"), &[settlement], None).await.unwrap() }
        });
        join_all(settled).await;
        answer_calls(&first, &mut told).await;
        heal(&first).await;
        let view = first.batch_view(&new.batch).await.unwrap().unwrap();
        let rounds = round + 1;
        assert_eq!((view.total, view.done, view.failed), (8 * rounds, 7 * rounds, rounds));
    }
    first.close_batch(&new.batch).await.unwrap();
    answer_calls(&first, &mut told).await;
    assert_told(told, &new);
}

/// A worker that learns only now that its queue has flow control has completed jobs with results.
#[tokio::test]
async fn a_result_is_told_by_a_worker_that_knew_of_nobody_who_waits() {
    let server = TestServer::start().unwrap();
    let (worker, other) = (apart(&server, 0).await, apart(&server, 0).await);
    let mut parent = job("home");
    parent.record.retention = None;
    worker.enqueue_jobs(std::slice::from_ref(&parent)).await.unwrap();
    let leases = lease_all(&worker, "home").await;
    let child = after(&parent, "away");
    other.enqueue_jobs(std::slice::from_ref(&child)).await.unwrap();

    worker.exchange(&queue("home"), &[done(&leases[0])], None).await.unwrap();

    let told = other.parents(&queue("away"), child.record.id).await.unwrap();
    assert_eq!(told[0].result.as_deref(), Some(&[42][..]));
}

/// A link that breaks all the time loses and doubles nothing: whoever has no answer asks again.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_breaks_all_the_time_loses_and_doubles_nothing() {
    const JOBS: usize = 60;
    let server = TestServer::start().unwrap();
    let proxy = Arc::new(FaultProxy::before(server.port()).await.unwrap());
    let healthy = RedisBackend::connect(&server.url()).await.unwrap();
    let mut new = telling_batch("home");
    for callback in [&mut new.on_failure, &mut new.on_complete] {
        callback.as_mut().unwrap().record.retention = Some(KEPT);
    }
    healthy.open_batch(&new).await.unwrap();
    let seed = any_seed();
    let breaking = tokio::spawn({
        let proxy = Arc::clone(&proxy);
        async move {
            let mut random = seed;
            loop {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                tokio::time::sleep(Duration::from_micros(500 + (random >> 52))).await;
                proxy.cut();
            }
        }
    });

    let producer = async {
        let backend = lazy(&proxy.url());
        for nth in 0..JOBS {
            let job = member(["home", "away", "calls"][nth % 3], &new.batch);
            again(async || backend.enqueue_jobs(std::slice::from_ref(&job)).await).await;
        }
    };
    let worker = async {
        let backend = lazy(&proxy.url());
        let mut ended = 0;
        while ended < JOBS {
            for name in ["home", "away", "calls"] {
                let worker = WorkerId::from_u64(9);
                let request = LeaseRequest::new(worker, 5, LEASE);
                let leases = match backend.exchange(&queue(name), &[], Some(request)).await {
                    Ok(exchanged) => exchanged.leases,
                    Err(_) => {
                        again(async || backend.forfeit(&queue(name), worker, &[]).await).await;
                        continue;
                    }
                };
                let members: Vec<_> =
                    leases.iter().filter(|lease| lease.job.batch.is_some()).collect();
                let settlements: Vec<_> = members
                    .iter()
                    .map(|lease| {
                        let fails = lease.job.id.as_bytes()[15].is_multiple_of(4);
                        if fails { died(lease) } else { done(lease) }
                    })
                    .collect();
                again(async || backend.exchange(&queue(name), &settlements, None).await).await;
                ended += members.len();
            }
        }
    };
    let both = async { tokio::join!(producer, worker) };
    tokio::time::timeout(PATIENCE * 4, both).await.unwrap_or_else(|_| panic!("seed {seed}"));
    breaking.abort();
    again(async || healthy.close_batch(&new.batch).await).await;
    heal(&healthy).await;

    let view = healthy.batch_view(&new.batch).await.unwrap().unwrap();
    let dead = healthy.failed_of_batch(&new.batch, 0, 1_000).await.unwrap();
    assert_eq!(view.total, JOBS as u64, "JOBQ_RELAY_SEED={seed}: {view:?}");
    assert_eq!(view.pending(), 0, "seed {seed}: {view:?}");
    assert_eq!(view.failed, dead.len() as u64, "seed {seed}");
    let mut told = Vec::new();
    for state in JobState::ALL {
        let jobs = healthy.jobs(&queue("calls"), state, 0, 1_000).await.unwrap();
        let callbacks = jobs.into_iter().filter(|view| view.record.batch.is_none());
        told.extend(callbacks.map(|view| view.record.id));
    }
    assert_told(told, &new);
}

/// A backend that gives up on a silent server after a moment, and connects when it is used.
fn lazy(url: &str) -> RedisBackend {
    let patience = Duration::from_millis(300);
    let config = RedisConfig::new(url).unwrap();
    RedisBackend::lazy(config.response_timeout(patience).connect_timeout(patience)).unwrap()
}

/// Tries until it works: the link is broken most of the time.
async fn again<T>(mut attempt: impl AsyncFnMut() -> Result<T>) -> T {
    support::eventually(async || attempt().await).await
}

fn any_seed() -> u64 {
    std::env::var("JOBQ_RELAY_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
        let id = JobId::generate(&SystemClock::default());
        u64::from_be_bytes(id.as_bytes()[8..].try_into().unwrap())
    })
}
