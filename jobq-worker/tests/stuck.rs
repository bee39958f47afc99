//! Handlers that do not stop when asked to.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobq_core::{FailureKind, Job, JobContext, JobState, MemoryBackend, Queue};
use jobq_worker::{State, Worker};
use serde::{Deserialize, Serialize};
use support::faulty::{Fault, Faulty};
use support::{find, within};

#[derive(Serialize, Deserialize, Job)]
#[job(max_attempts = 1, timeout = "50ms")]
struct Stubborn;

#[derive(Serialize, Deserialize, Job)]
struct Next;

/// Keeps a handler in until the test lets it go.
type Gate = Arc<Mutex<Receiver<()>>>;

fn gate() -> (Sender<()>, Gate) {
    let (open, gate) = channel();
    (open, Arc::new(Mutex::new(gate)))
}

async fn next(_: Next, State(done): State<tokio::sync::mpsc::UnboundedSender<()>>) {
    let _ = done.send(());
}

/// Runs a stubborn job with concurrency 1 and a job behind it, which gets its turn only if the slot is
/// reopened. Ends once that one has run, and lets the stubborn one go.
async fn run(worker: Worker, store: &MemoryBackend, open: Sender<()>) {
    let id = store.enqueue(Stubborn).await.unwrap().id();
    store.enqueue(Next).await.unwrap();
    let (done, mut was_done) = tokio::sync::mpsc::unbounded_channel::<()>();
    let worker =
        worker.state(done).handle(next).concurrency(1).stuck_after(Duration::from_millis(100));

    let stop = async {
        was_done.recv().await.unwrap();
        drop(open);
    };
    let summary = within(worker.run_until(stop)).await.unwrap();

    assert_eq!((summary.stuck, summary.dead, summary.completed, summary.lost), (1, 1, 1, 0));
    let view = find(store, id).await.unwrap();
    assert_eq!(view.state, JobState::Dead);
    assert_eq!(view.history.last().unwrap().kind, FailureKind::Timeout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_slot_of_a_blocking_handler_is_reopened() {
    fn stubborn(_: Stubborn, State(gate): State<Gate>) {
        let _ = gate.lock().unwrap().recv();
    }
    let store = MemoryBackend::new();
    let (open, gate) = gate();

    let worker = Worker::new(store.clone()).state(gate).handle_blocking(stubborn);
    run(worker, &store, open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_slot_of_an_async_handler_that_blocks_its_thread_is_reopened() {
    async fn stubborn(_: Stubborn, State(gate): State<Gate>) {
        let _ = gate.lock().unwrap().recv();
    }
    let store = MemoryBackend::new();
    let (open, gate) = gate();

    let worker = Worker::new(store.clone()).state(gate).handle(stubborn);
    run(worker, &store, open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_blocking_handler_that_looks_is_not_stuck() {
    fn polite(_: Stubborn, cx: JobContext) -> Result<(), std::io::Error> {
        while !cx.is_cancelled() {
            std::thread::yield_now();
        }
        Err(std::io::Error::other("stopped"))
    }
    let store = MemoryBackend::new();
    let id = store.enqueue(Stubborn).await.unwrap().id();

    let worker = Worker::new(store.clone()).handle_blocking(polite).stop_when_empty();
    let summary = within(worker.run_until(std::future::pending())).await.unwrap();

    assert_eq!((summary.stuck, summary.dead), (0, 1));
    let failure = find(&store, id).await.unwrap().history.last().unwrap().clone();
    assert_eq!(failure.message, "timed out after 50ms: stopped");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_slot_of_a_handler_whose_lease_seemed_lost_is_reopened() {
    #[derive(Serialize, Deserialize, Job)]
    struct Deaf;
    type Started = tokio::sync::mpsc::UnboundedSender<JobContext>;
    async fn deaf(
        _: Deaf,
        State(gate): State<Gate>,
        State(started): State<Started>,
        cx: JobContext,
    ) {
        // Only the first time: its job runs again.
        if started.send(cx).is_ok() {
            let _ = gate.lock().unwrap().recv();
        }
    }
    let store = MemoryBackend::new();
    let faulty = Faulty::new(store.clone());
    let (open, gate) = gate();
    let (started, mut was_started) = tokio::sync::mpsc::unbounded_channel::<JobContext>();
    let (done, mut was_done) = tokio::sync::mpsc::unbounded_channel::<()>();
    store.enqueue(Deaf).await.unwrap();
    let worker = Worker::new(faulty.clone()).state(gate).state(started).state(done).handle(deaf);
    let worker = worker.handle(next).concurrency(1).lease(Duration::from_secs(1));

    let script = async {
        faulty.fail_extend(Fault::Refuse);
        let cx = was_started.recv().await.unwrap();
        cx.cancellation().requested().await;
        // The outage ends before the handler should be gone, so the lease is renewed.
        faulty.fail_extend(Fault::None);
        drop(was_started);
        store.enqueue(Next).await.unwrap();
        was_done.recv().await.unwrap();
        drop(open);
    };
    let running = worker.stuck_after(Duration::from_millis(100)).run_until(script);
    let summary = tokio::time::timeout(Duration::from_secs(30), running).await;

    let summary = summary.expect("the slot is not reopened").unwrap();
    assert_eq!((summary.stuck, summary.lost), (1, 1));
}

/// In real time, on one thread, which the first handler keeps from all others.
#[test]
fn the_timeout_of_an_attempt_begins_with_its_first_turn() {
    #[derive(Serialize, Deserialize, Job)]
    struct Hog;
    #[derive(Serialize, Deserialize, Job)]
    #[job(timeout = "50ms", max_attempts = 1)]
    struct Quick;
    async fn hog(_: Hog) {
        std::thread::sleep(Duration::from_secs(2));
    }
    async fn quick(_: Quick, cx: JobContext) {
        assert!(!cx.is_cancelled());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let summary = runtime.block_on(async {
        let store = MemoryBackend::new();
        store.enqueue(Hog).await.unwrap();
        store.enqueue(Quick).await.unwrap();
        let worker = Worker::new(store).queues(["default"]).handle(hog).handle(quick);
        let worker = worker.stuck_after(Duration::from_millis(50)).stop_when_empty();
        within(worker.run_until(std::future::pending())).await.unwrap()
    });

    assert_eq!((summary.completed, summary.dead, summary.stuck), (2, 0, 0));
}
