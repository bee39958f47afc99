//! How a worker stops.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jobq_core::vitals::Condition;
use jobq_core::{Inspect, Job, JobContext, JobState};
use jobq_core::{MemoryBackend, Queue};
use jobq_worker::{EndReason, Summary, Worker};
use serde::{Deserialize, Serialize};
use support::faulty::{Fault, Faulty};
use support::{Act, backend, enqueue, find, state, within, witness, worker};
use tokio::time::Instant;

const GRACE: Duration = Duration::from_secs(25);

/// Starts a worker on a job, and tells it to stop once the job runs.
async fn stop_during(store: &MemoryBackend, job: Act) -> (jobq_core::JobId, Summary, Duration) {
    let (witness, mut report) = witness();
    let id = enqueue(store, job).await;
    let mut told_at = Instant::now();
    let stop = async {
        report.started().await;
        told_at = Instant::now();
    };
    let summary =
        within(worker(store.clone(), witness).grace(GRACE).run_until(stop)).await.unwrap();
    (id, summary, told_at.elapsed())
}

#[tokio::test(start_paused = true)]
async fn running_jobs_may_finish_within_the_grace_period() {
    let store = backend();

    let (id, summary, took) = stop_during(&store, Act::TakeMs(20_000)).await;

    assert_eq!((summary.completed, summary.released), (1, 0));
    assert_eq!(summary.reason, EndReason::Requested);
    assert_eq!(state(&store, id).await, None);
    assert!(took < Duration::from_secs(21), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn after_it_they_are_given_back_with_their_attempt_refunded() {
    let store = backend();

    let (id, summary, took) = stop_during(&store, Act::TakeMs(3_600_000)).await;

    assert_eq!((summary.completed, summary.released), (0, 1));
    let view = find(&store, id).await.unwrap();
    assert_eq!((view.state, view.failed_attempts, view.crashes), (JobState::Ready, 0, 0));
    assert!(took >= GRACE && took < GRACE + Duration::from_secs(1), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_because_it_was_asked_to_stop_has_not_failed() {
    let store = backend();

    let (id, summary, _) = stop_during(&store, Act::FailWhenAsked).await;

    assert_eq!((summary.failed, summary.released), (0, 1));
    let view = find(&store, id).await.unwrap();
    assert_eq!((view.state, view.failed_attempts), (JobState::Ready, 0));
    assert!(view.history.failures().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_succeeds_when_asked_to_stop_has_succeeded() {
    let store = backend();

    let (id, summary, _) = stop_during(&store, Act::SucceedWhenAsked).await;

    assert_eq!(summary.completed, 1);
    assert_eq!(state(&store, id).await, None);
}

#[tokio::test(start_paused = true)]
async fn no_job_is_leased_while_stopping() {
    let store = backend();
    let (witness, mut report) = witness();
    enqueue(&store, Act::TakeMs(10_000)).await;

    let stop = async {
        report.started().await;
    };
    let running = worker(store.clone(), witness).run_until(stop);
    let late = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        enqueue(&store, Act::Succeed).await
    };
    let (summary, late) = within(async { tokio::join!(running, late) }).await;

    assert_eq!(summary.unwrap().processed, 1);
    assert_eq!(state(&store, late).await, Some(JobState::Ready));
}

#[tokio::test(start_paused = true)]
async fn a_restart_signal_stops_the_worker_gracefully() {
    let store = backend();
    let (witness, mut report) = witness();
    enqueue(&store, Act::TakeMs(8_000)).await;

    let running = worker(store.clone(), witness).run_until(std::future::pending());
    let deploy = async {
        report.started().await;
        store.restart_workers().await.unwrap();
    };
    let (summary, ()) = within(async { tokio::join!(running, deploy) }).await;

    let summary = summary.unwrap();
    assert_eq!((summary.reason, summary.completed), (EndReason::Restart, 1));
    assert!(store.workers().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_starts_after_a_restart_signal_stays() {
    let store = backend();
    store.restart_workers().await.unwrap();
    let (witness, _report) = witness();

    let minute = tokio::time::sleep(Duration::from_secs(60));
    let summary = within(worker(store, witness).run_until(minute)).await.unwrap();

    assert_eq!(summary.reason, EndReason::Requested);
}

#[derive(Serialize, Deserialize, Job)]
struct Blocking;

#[test]
fn a_blocking_handler_that_never_ends_does_not_keep_the_worker() {
    // A lease in the store is not yet a handler that runs.
    static STARTED: AtomicBool = AtomicBool::new(false);
    fn sit(_: Blocking, _cx: JobContext) {
        STARTED.store(true, Ordering::SeqCst);
        loop {
            std::thread::park();
        }
    }
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    tokio.block_on(async {
        let store = MemoryBackend::new();
        let id = store.enqueue(Blocking).await.unwrap().id();
        let started = async {
            while !STARTED.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        };
        let worker = Worker::new(store.clone()).handle_blocking(sit);
        let worker = worker.grace(Duration::ZERO).stuck_after(Duration::from_millis(50));

        let summary = within(worker.run_until(started)).await.unwrap();

        assert_eq!((summary.released, summary.stuck), (1, 1));
        assert_eq!(state(&store, id).await, Some(JobState::Ready));
    });
    tokio.shutdown_background();
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    fn signal() {
        let me = std::process::id().to_string();
        let sent = std::process::Command::new("kill").args(["-TERM", &me]).status();
        assert!(sent.unwrap().success());
    }
    let store = MemoryBackend::new();
    let (witness, mut report) = witness();
    let id = enqueue(&store, Act::TakeMs(3_600_000)).await;
    let worker = worker(store.clone(), witness).grace(Duration::from_secs(3600));
    let mut condition = worker.vitals().watch();

    let running = tokio::spawn(worker.run());
    report.started().await;
    signal();
    within(condition.wait_for(|now| *now == Condition::Draining)).await.unwrap();
    signal();
    let summary = within(running).await.unwrap().unwrap();

    assert_eq!((summary.reason, summary.released), (EndReason::Forced, 1));
    assert_eq!(state(&store, id).await, Some(JobState::Ready));
}

#[tokio::test(start_paused = true)]
async fn what_arrives_after_the_request_to_stop_is_given_back_unrun() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    faulty.fail_exchange(Fault::LateMs(200));
    let id = enqueue(&store, Act::TakeMs(8_000)).await;
    let (witness, report) = witness();

    let stop = tokio::time::sleep(Duration::from_millis(100));
    let summary = within(worker(faulty, witness).run_until(stop)).await.unwrap();

    assert_eq!((summary.released, summary.processed, summary.unsettled), (1, 0, 0));
    assert!(report.all().is_empty());
    let view = find(&store, id).await.unwrap();
    assert_eq!((view.state, view.crashes, view.failed_attempts), (JobState::Ready, 0, 0));
    assert!(summary.elapsed < Duration::from_secs(2), "{:?}", summary.elapsed);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_counts_restarts_anew_asks_for_none() {
    let faulty = Faulty::new(backend());
    faulty.tell_restart(7);
    let (witness, _report) = witness();

    let script = async {
        for count in [7, 0, 0] {
            faulty.tell_restart(count);
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        let began_at = Instant::now();
        faulty.tell_restart(1);
        began_at
    };
    let running = worker(faulty.clone(), witness).run_until(std::future::pending());
    let (summary, began_at) = within(async { tokio::join!(running, script) }).await;

    assert_eq!(summary.unwrap().reason, EndReason::Restart);
    assert!(began_at.elapsed() < Duration::from_secs(30), "{:?}", began_at.elapsed());
}

#[test]
fn a_full_pool_of_blocking_threads_does_not_keep_the_worker() {
    static STARTED: AtomicBool = AtomicBool::new(false);
    fn sit(_: Blocking) {
        STARTED.store(true, Ordering::SeqCst);
        loop {
            std::thread::park();
        }
    }
    let mut tokio = tokio::runtime::Builder::new_multi_thread();
    let tokio = tokio.worker_threads(2).max_blocking_threads(1).enable_all().build().unwrap();
    tokio.block_on(async {
        let store = MemoryBackend::new();
        store.enqueue(Blocking).await.unwrap();
        let started = async {
            while !STARTED.load(Ordering::SeqCst) {
                tokio::task::yield_now().await;
            }
        };
        let worker = Worker::new(store.clone()).handle_blocking(sit).grace(Duration::ZERO);
        let running = worker.stuck_after(Duration::from_millis(50)).run_until(started);

        let summary = tokio::time::timeout(Duration::from_secs(20), running).await;

        assert_eq!(summary.expect("it waits for the thread").unwrap().stuck, 1);
    });
    tokio.shutdown_background();
}
