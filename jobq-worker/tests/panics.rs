//! Handlers that panic.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use jobq_core::{FailureKind, Job, JobContext, JobState, Queue};
use jobq_worker::Worker;
use serde::{Deserialize, Serialize};
use support::{Act, backend, drain, enqueue, find, state, witness, worker};

#[derive(Serialize, Deserialize, Job)]
#[job(max_attempts = 1)]
struct Blocking;

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_with_its_message() {
    let store = backend();
    let id = store.enqueue(Act::Panic("index 9".into())).max_attempts(1).await.unwrap().id();
    let after = enqueue(&store, Act::Succeed).await;
    let (witness, _report) = witness();

    let summary = drain(worker(store.clone(), witness).concurrency(1)).await;

    let failure = find(&store, id).await.unwrap().history.last().unwrap().clone();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Panic, "index 9"));
    assert_eq!((summary.dead, summary.completed), (1, 1));
    assert_eq!(state(&store, after).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_retried_like_an_error() {
    let store = backend();
    let id = enqueue(&store, Act::Panic("once".into())).await;
    let (witness, _report) = witness();

    let summary = drain(worker(store.clone(), witness).max_jobs(1)).await;

    let view = find(&store, id).await.unwrap();
    assert_eq!((summary.retried, view.failed_attempts, view.crashes), (1, 1, 0));
    assert_eq!(view.state, JobState::Scheduled);
}

#[tokio::test(start_paused = true)]
async fn a_blocking_handler_may_panic_too() {
    fn boom(_job: Blocking, cx: JobContext) {
        panic!("attempt {}", cx.attempt());
    }
    let store = backend();
    let id = store.enqueue(Blocking).await.unwrap().id();

    drain(Worker::new(store.clone()).handle_blocking(boom).renew_without_thread()).await;

    let failure = find(&store, id).await.unwrap().history.last().unwrap().clone();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Panic, "attempt 1"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_before_the_first_await_is_caught_too() {
    fn early(_job: Blocking) -> std::future::Ready<()> {
        panic!("too early")
    }
    let store = backend();
    let id = store.enqueue(Blocking).await.unwrap().id();

    drain(Worker::new(store.clone()).handle(early).renew_without_thread()).await;

    assert_eq!(find(&store, id).await.unwrap().history.last().unwrap().message, "too early");
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_the_handler_is_dropped_changes_nothing() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    async fn armed(_job: Blocking) {
        let _bomb = Bomb;
        std::future::pending().await
    }
    let store = backend();
    let job = store.enqueue(Blocking).timeout(std::time::Duration::from_secs(1));
    let id = job.await.unwrap().id();

    drain(Worker::new(store.clone()).handle(armed).renew_without_thread()).await;

    let failure = find(&store, id).await.unwrap().history.last().unwrap().clone();
    assert_eq!(failure.kind, FailureKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn a_panic_whose_payload_panics_is_a_failure_too() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                std::panic::panic_any(Self);
            }
        }
    }
    async fn throw(_job: Blocking) {
        std::panic::panic_any(Bomb);
    }
    let store = backend();
    let id = store.enqueue(Blocking).await.unwrap().id();

    let summary = drain(Worker::new(store.clone()).handle(throw).renew_without_thread()).await;

    assert_eq!((summary.dead, summary.released), (1, 0));
    let failure = find(&store, id).await.unwrap().history.last().unwrap().clone();
    assert_eq!(failure.kind, FailureKind::Panic);
}
