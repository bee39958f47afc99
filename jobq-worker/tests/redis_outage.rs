//! Workers on a real Redis whose server, or the way to it, fails under load.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jobq_core::vitals::{Condition, ConditionWatch};
use jobq_core::{Inspect, Job, JobContext, JobId, JobResult, Queue, QueueName};
use jobq_redis::{FaultProxy, RedisBackend, RedisConfig, TestServer};
use jobq_worker::{State, Summary, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(40);

/// A job that takes its time.
#[derive(Debug, Serialize, Deserialize, Job)]
#[job(queue = "outage", max_attempts = 3)]
struct Work {
    number: u32,
    takes_ms: u64,
}

/// What handlers note of themselves.
#[derive(Clone, Default)]
struct Ledger {
    inner: Arc<Book>,
}

#[derive(Default)]
struct Book {
    running: Mutex<HashSet<JobId>>,
    finished: Mutex<HashMap<u32, u32>>,
    overlaps: Mutex<Vec<JobId>>,
    changed: Notify,
}

/// A handler between its start and its end, however it ends.
struct Entry {
    ledger: Ledger,
    id: JobId,
}

impl Ledger {
    fn enter(&self, id: JobId) -> Entry {
        if !self.inner.running.lock().unwrap().insert(id) {
            self.inner.overlaps.lock().unwrap().push(id);
        }
        self.inner.changed.notify_waiters();
        Entry { ledger: self.clone(), id }
    }

    fn finish(&self, number: u32) {
        *self.inner.finished.lock().unwrap().entry(number).or_default() += 1;
        self.inner.changed.notify_waiters();
    }

    fn finished(&self) -> usize {
        self.inner.finished.lock().unwrap().len()
    }

    fn running(&self) -> usize {
        self.inner.running.lock().unwrap().len()
    }

    async fn until(&self, what: &str, condition: impl Fn(&Self) -> bool) {
        let waiting = async {
            loop {
                let changed = self.inner.changed.notified();
                if condition(self) {
                    return;
                }
                // A change between the look and the wait is seen with the next one.
                let _ = tokio::time::timeout(Duration::from_millis(50), changed).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| {
            panic!("{what}: {} finished, {} running", self.finished(), self.running())
        });
    }

    /// Nothing ran twice at once, and every job that finished did so once.
    fn assert_clean(&self) {
        assert!(self.inner.overlaps.lock().unwrap().is_empty(), "a job ran twice at once");
        let finished = self.inner.finished.lock().unwrap();
        let twice: Vec<_> = finished.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "finished more than once: {twice:?}");
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ledger.inner.running.lock().unwrap().remove(&self.id);
        self.ledger.inner.changed.notify_waiters();
    }
}

async fn work(job: Work, cx: JobContext, State(ledger): State<Ledger>) -> JobResult {
    let _entry = ledger.enter(cx.id());
    tokio::time::sleep(Duration::from_millis(job.takes_ms)).await;
    ledger.finish(job.number);
    Ok(())
}

struct Fleet {
    ledger: Ledger,
    condition: ConditionWatch,
    stop: oneshot::Sender<()>,
    worker: JoinHandle<jobq_core::Result<Summary>>,
}

impl Fleet {
    fn start(backend: RedisBackend, ledger: Ledger, lease: Duration) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = Worker::new(backend)
            .queues(["outage"])
            .concurrency(10)
            .lease(lease)
            .state(ledger.clone())
            .handle(work);
        let condition = worker.vitals().watch();
        let worker = tokio::spawn(worker.run_until(async {
            let _ = stopped.await;
        }));
        Self { ledger, condition, stop, worker }
    }

    async fn becomes(&mut self, what: &str, wanted: impl FnMut(&Condition) -> bool) {
        let found = tokio::time::timeout(PATIENCE, self.condition.wait_for(wanted)).await;
        assert!(found.unwrap_or_else(|_| panic!("never {what}")).is_some(), "gone before {what}");
    }

    async fn end(self) -> Summary {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.worker).await.unwrap().unwrap().unwrap()
    }
}

const fn is_disconnected(condition: &Condition) -> bool {
    matches!(condition, Condition::Disconnected(_))
}

async fn impatient(url: &str) -> RedisBackend {
    let config = RedisConfig::new(url)
        .unwrap()
        .response_timeout(Duration::from_millis(300))
        .connect_timeout(Duration::from_millis(300));
    RedisBackend::connect_with(config).await.unwrap()
}

async fn enqueue(backend: &RedisBackend, jobs: u32, takes_ms: u64) {
    let sum = backend.enqueue_all((0..jobs).map(|number| Work { number, takes_ms })).await.unwrap();
    assert_eq!(sum.created, u64::from(jobs));
}

async fn command(server: &TestServer, words: &[&str]) {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    command.exec_async(&mut connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_survives_a_restart_of_its_server() {
    let arguments = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut server = TestServer::start_with(&arguments).unwrap();
    let backend = impatient(&server.url()).await;
    enqueue(&backend, 200, 5).await;
    let mut fleet = Fleet::start(backend.clone(), Ledger::default(), Duration::from_secs(10));
    fleet.ledger.until("a start", |ledger| ledger.finished() >= 20).await;

    server.kill();
    fleet.becomes("disconnected", is_disconnected).await;
    server.restart().unwrap();

    fleet.becomes("ready", Condition::is_ready).await;
    fleet.ledger.until("all jobs", |ledger| ledger.finished() == 200).await;
    let ledger = fleet.ledger.clone();
    fleet.end().await;
    ledger.assert_clean();
    let left = backend.queue(&QueueName::new("outage").unwrap()).await.unwrap();
    assert_eq!((left.ready, left.leased, left.scheduled, left.dead), (0, 0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_survives_the_loss_of_scripts_and_connections() {
    let server = TestServer::start().unwrap();
    let backend = RedisBackend::connect(&server.url()).await.unwrap();
    enqueue(&backend, 600, 5).await;
    let fleet = Fleet::start(backend.clone(), Ledger::default(), Duration::from_secs(10));

    for round in 1..=10 {
        fleet.ledger.until("progress", |ledger| ledger.finished() >= round * 40).await;
        command(&server, &["SCRIPT", "FLUSH"]).await;
        command(&server, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    }

    fleet.ledger.until("all jobs", |ledger| ledger.finished() == 600).await;
    let ledger = fleet.ledger.clone();
    fleet.end().await;
    ledger.assert_clean();
    // Leases of answers that got lost were given back, and not left to expire as crashes.
    let left = backend.queue(&QueueName::new("outage").unwrap()).await.unwrap();
    assert_eq!((left.ready, left.leased, left.dead), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_sits_out_a_paused_server() {
    let server = TestServer::start().unwrap();
    let backend = impatient(&server.url()).await;
    enqueue(&backend, 100, 10).await;
    let mut fleet = Fleet::start(backend, Ledger::default(), Duration::from_secs(10));
    fleet.ledger.until("a start", |ledger| ledger.finished() >= 10).await;

    command(&server, &["CLIENT", "PAUSE", "2000", "ALL"]).await;
    fleet.becomes("disconnected", is_disconnected).await;

    fleet.becomes("ready", Condition::is_ready).await;
    fleet.ledger.until("all jobs", |ledger| ledger.finished() == 100).await;
    let ledger = fleet.ledger.clone();
    fleet.end().await;
    ledger.assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_sits_out_a_link_that_swallows_everything() {
    let server = TestServer::start().unwrap();
    let proxy = FaultProxy::before(server.port()).await.unwrap();
    let direct = RedisBackend::connect(&server.url()).await.unwrap();
    enqueue(&direct, 100, 10).await;
    let backend = impatient(&proxy.url()).await;
    let mut fleet = Fleet::start(backend, Ledger::default(), Duration::from_secs(10));
    fleet.ledger.until("a start", |ledger| ledger.finished() >= 10).await;

    proxy.freeze();
    fleet.becomes("disconnected", is_disconnected).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    proxy.thaw();

    fleet.becomes("ready", Condition::is_ready).await;
    fleet.ledger.until("all jobs", |ledger| ledger.finished() == 100).await;
    let ledger = fleet.ledger.clone();
    fleet.end().await;
    ledger.assert_clean();
}

/// The promise that matters most: a worker that is cut off stops its handlers before anybody else can
/// have their jobs.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_cut_off_stops_before_its_jobs_run_elsewhere() {
    let server = TestServer::start().unwrap();
    let proxy = FaultProxy::before(server.port()).await.unwrap();
    let direct = RedisBackend::connect(&server.url()).await.unwrap();
    let lease = Duration::from_secs(2);
    let ledger = Ledger::default();
    let cut_off = Fleet::start(impatient(&proxy.url()).await, ledger.clone(), lease);
    // Longer than the lease: they must be extended, and then they cannot be.
    enqueue(&direct, 10, 4_000).await;
    ledger.until("all started", |ledger| ledger.running() == 10).await;
    tokio::time::sleep(lease).await;

    proxy.freeze();
    let frozen_at = Instant::now();
    let rescuer = Fleet::start(direct.clone(), ledger.clone(), lease);

    ledger.until("all stopped", |ledger| ledger.running() == 0).await;
    assert!(frozen_at.elapsed() <= lease, "handlers ran on for {:?}", frozen_at.elapsed());
    ledger.until("all jobs", |ledger| ledger.finished() == 10).await;
    proxy.thaw();
    rescuer.end().await;
    let summary = cut_off.end().await;
    ledger.assert_clean();
    assert_eq!(summary.completed, 0, "what was cut off settled nothing");
    assert_eq!(summary.lost, 10);
}
