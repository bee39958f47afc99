//! Jobs that somebody calls off.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::inspect::CancelOutcome;
use jobq_core::{Inspect, JobId, JobState, MemoryBackend, Queue};
use jobq_worker::Summary;
use support::{Act, backend, drain, find, queue, state, within, witness, worker};
use tokio::time::Instant;

const DAY: Duration = Duration::from_secs(86_400);

/// Runs a job and cancels it while it does.
async fn cancel_during(store: &MemoryBackend, job: Act) -> (JobId, Summary, Duration) {
    let (witness, mut report) = witness();
    let id = store.enqueue(job).retention(DAY).await.unwrap().id();
    let running = drain(worker(store.clone(), witness));
    let cancel = async {
        report.started().await;
        let asked = store.cancel(&queue("default"), &[id]).await.unwrap();
        assert_eq!(asked, [CancelOutcome::Requested]);
        Instant::now()
    };
    let (summary, asked_at) = within(async { tokio::join!(running, cancel) }).await;
    (id, summary, asked_at.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_running_job_is_stopped() {
    let store = backend();

    let (id, summary, took) = cancel_during(&store, Act::TakeMs(3_600_000)).await;

    assert_eq!(summary.cancelled, 1);
    assert_eq!(state(&store, id).await, Some(JobState::Cancelled));
    // With the next extension of its lease.
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_fails_when_asked_to_stop_is_not_retried() {
    let store = backend();

    let (id, summary, _) = cancel_during(&store, Act::FailWhenAsked).await;

    assert_eq!((summary.cancelled, summary.failed), (1, 0));
    assert_eq!(state(&store, id).await, Some(JobState::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_done_all_the_same_has_completed() {
    let store = backend();

    let (id, summary, _) = cancel_during(&store, Act::SucceedWhenAsked).await;

    assert_eq!(summary.completed, 1);
    assert_eq!(find(&store, id).await.unwrap().state, JobState::Completed);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_job_never_runs() {
    let store = backend();
    let (witness, report) = witness();
    let id = store.enqueue(Act::Succeed).await.unwrap().id();
    let asked = store.cancel(&queue("default"), &[id]).await.unwrap();
    assert_eq!(asked, [CancelOutcome::Cancelled]);

    drain(worker(store, witness)).await;

    assert!(report.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_paused_queue_is_not_served_until_it_is_resumed() {
    let store = backend();
    let (witness, mut report) = witness();
    store.pause(&queue("default")).await.unwrap();
    store.enqueue(Act::Succeed).await.unwrap();

    let resume = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(report.all().is_empty());
        store.resume(&queue("default")).await.unwrap();
        report.started().await;
    };
    let summary = within(worker(store.clone(), witness).run_until(resume)).await.unwrap();

    assert_eq!(summary.completed, 1);
}
