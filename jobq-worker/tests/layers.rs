//! What is wrapped around attempts.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobq_core::{FailureKind, JobContext, JobState, Outcome, Queue};
use jobq_worker::{InnerAttempt, Layer};
use support::{Act, backend, drain, enqueue, find, state, witness, worker};

type Log = Arc<Mutex<Vec<String>>>;

struct Named(&'static str, Log);

impl Layer for Named {
    async fn call(&self, cx: JobContext, inner: InnerAttempt) -> Outcome {
        self.1.lock().unwrap().push(format!("{} before {}", self.0, cx.kind()));
        let outcome = inner.run().await;
        self.1.lock().unwrap().push(format!("{} after", self.0));
        outcome
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_layer_is_the_outermost() {
    let store = backend();
    let log = Log::default();
    enqueue(&store, Act::Succeed).await;
    let (witness, _report) = witness();

    let worker = worker(store, witness).layer(Named("outer", Arc::clone(&log)));
    drain(worker.layer(Named("inner", Arc::clone(&log)))).await;

    assert_eq!(
        *log.lock().unwrap(),
        ["outer before act", "inner before act", "inner after", "outer after"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_layer_may_be_a_closure_and_change_the_outcome() {
    let store = backend();
    let id = enqueue(&store, Act::Die).await;
    let (witness, _report) = witness();

    let worker =
        worker(store.clone(), witness).layer(|_: JobContext, inner: InnerAttempt| async move {
            match inner.run().await {
                Outcome::Dead(_) => Outcome::Snooze(Duration::from_secs(60)),
                outcome => outcome,
            }
        });
    drain(worker).await;

    assert_eq!(state(&store, id).await, Some(JobState::Scheduled));
}

#[tokio::test(start_paused = true)]
async fn a_layer_may_keep_the_handler_from_running() {
    let store = backend();
    enqueue(&store, Act::Succeed).await;
    let (witness, report) = witness();

    let refuse = |_: JobContext, _: InnerAttempt| async { Outcome::Discard("not today".into()) };
    let summary = drain(worker(store, witness).layer(refuse)).await;

    assert_eq!((summary.completed, report.all().len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_panic_passes_through_layers() {
    let store = backend();
    let job = store.enqueue(Act::Panic("deep inside".into())).max_attempts(1);
    let id = job.await.unwrap().id();
    let log = Log::default();
    let (witness, _report) = witness();

    drain(worker(store.clone(), witness).layer(Named("only", Arc::clone(&log)))).await;

    let failure = find(&store, id).await.unwrap().history.last().unwrap().clone();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Panic, "deep inside"));
    assert_eq!(*log.lock().unwrap(), ["only before act"]);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_covers_layers_too() {
    let store = backend();
    let job = store.enqueue(Act::Succeed).max_attempts(1).timeout(Duration::from_secs(2));
    let id = job.await.unwrap().id();
    let (witness, _report) = witness();

    let slow = |_: JobContext, inner: InnerAttempt| async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        inner.run().await
    };
    drain(worker(store.clone(), witness).layer(slow)).await;

    let failure = find(&store, id).await.unwrap().history.last().unwrap().clone();
    assert_eq!(failure.kind, FailureKind::Timeout);
}
