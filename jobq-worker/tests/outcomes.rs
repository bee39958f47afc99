//! Each row of the table in `jobq_core::outcome`.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::inspect::JobView;
use jobq_core::{FailureKind, JobId, JobState, MemoryBackend, Queue};
use support::{Act, backend, drain, enqueue, find, state, witness, worker};
use tokio::time::Instant;

/// Enqueues a job that is kept when it ends, and runs what is there.
async fn kept(store: &MemoryBackend, job: Act) -> JobView {
    let id = store.enqueue(job).retention(Duration::from_secs(60)).await.unwrap().id();
    run(store).await;
    find(store, id).await.unwrap()
}

async fn run(store: &MemoryBackend) {
    let (witness, _report) = witness();
    drain(worker(store.clone(), witness)).await;
}

/// Runs until the job has ended, retries included; gives when each attempt began.
async fn run_to_the_end(store: &MemoryBackend, id: JobId) -> Vec<Duration> {
    let (witness, report) = witness();
    let began_at = Instant::now();
    let ended = async {
        while state(store, id).await.is_some_and(JobState::is_live) {
            // Paused time: this only lets the worker go on.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    worker(store.clone(), witness).run_until(ended).await.unwrap();
    report.times().into_iter().map(|at| at - began_at).collect()
}

#[tokio::test(start_paused = true)]
async fn success_leaves_nothing_behind() {
    let store = backend();
    let id = enqueue(&store, Act::Succeed).await;

    run(&store).await;

    assert_eq!(state(&store, id).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_value_is_kept_with_a_retention() {
    let view = kept(&backend(), Act::Return(7)).await;

    assert_eq!((view.state, view.result), (JobState::Completed, Some(vec![7])));
}

#[tokio::test(start_paused = true)]
async fn an_error_is_retried_until_the_last_attempt_is_dead() {
    let store = backend();
    let id = enqueue(&store, Act::Fail("no route".into())).await;

    let starts = run_to_the_end(&store, id).await;

    let view = find(&store, id).await.unwrap();
    assert_eq!(view.state, JobState::Dead);
    assert_eq!(starts.len(), 3);
    let failures = view.history.failures();
    assert_eq!(failures.iter().map(|failure| failure.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(failures.iter().all(|failure| failure.message == "no route"));
    assert!(failures.iter().all(|failure| failure.kind == FailureKind::Error));
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_exact() {
    let store = backend();
    let id = enqueue(&store, Act::RetryAfterMs(30_000)).await;

    let starts = run_to_the_end(&store, id).await;

    assert_eq!(starts.len(), 3);
    for (nth, start) in starts.iter().enumerate() {
        let due = Duration::from_secs(30) * u32::try_from(nth).unwrap();
        assert!(*start >= due && *start < due + Duration::from_millis(500), "{starts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn snoozing_uses_no_attempt() {
    let store = backend();
    let id = enqueue(&store, Act::SnoozeMs(60_000)).await;

    run(&store).await;

    let view = find(&store, id).await.unwrap();
    assert_eq!((view.state, view.failed_attempts), (JobState::Scheduled, 0));
    assert!(view.history.failures().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_discarded_job_completes_without_a_result() {
    let view = kept(&backend(), Act::Discard).await;

    assert_eq!((view.state, view.result), (JobState::Completed, None));
}

#[tokio::test(start_paused = true)]
async fn a_job_can_be_put_aside_at_once() {
    let store = backend();
    let id = enqueue(&store, Act::Die).await;

    run(&store).await;

    let view = find(&store, id).await.unwrap();
    assert_eq!(view.state, JobState::Dead);
    assert_eq!(view.history.last().unwrap().message, "hopeless");
}

#[tokio::test(start_paused = true)]
async fn a_handler_can_cancel_its_job() {
    let view = kept(&backend(), Act::CancelItself).await;

    assert_eq!(view.state, JobState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn what_takes_longer_than_its_timeout_is_dropped_and_retried() {
    let store = backend();
    let job = store.enqueue(Act::TakeMs(600_000)).timeout(Duration::from_secs(5)).max_attempts(2);
    let id = job.await.unwrap().id();

    let starts = run_to_the_end(&store, id).await;

    let view = find(&store, id).await.unwrap();
    assert_eq!((starts.len(), view.state), (2, JobState::Dead));
    let last = view.history.last().unwrap();
    assert_eq!((last.kind, last.message.as_str()), (FailureKind::Timeout, "timed out after 5s"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_stops_at_its_timeout_has_timed_out() {
    let store = backend();
    let job = store.enqueue(Act::FailWhenAsked).timeout(Duration::from_secs(5)).max_attempts(1);
    let id = job.await.unwrap().id();

    run(&store).await;

    let failure = find(&store, id).await.unwrap().history.last().unwrap().clone();
    assert_eq!(failure.kind, FailureKind::Timeout);
    assert_eq!(failure.message, "timed out after 5s: stopped: Timeout");
}

#[tokio::test(start_paused = true)]
async fn work_that_is_done_at_the_timeout_after_all_counts_as_done() {
    let store = backend();
    let job = store.enqueue(Act::SucceedWhenAsked).timeout(Duration::from_secs(5)).max_attempts(1);
    let id = job.await.unwrap().id();

    run(&store).await;

    assert_eq!(state(&store, id).await, None);
}
