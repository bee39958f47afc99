//! A program's registry under the test kit: extractors, states, layers and mistakes.

#![cfg(feature = "testing")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jobq_core::testing::{End, Fault, TestQueue};
use jobq_core::{Job, JobContext, JobError, JobResult, Queue};
use jobq_worker::{InnerAttempt, Registry, State};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(max_attempts = 3, backoff = "fixed(1d)", jitter = "none")]
struct Charge {
    cents: u32,
}

#[derive(Serialize, Deserialize, Job)]
struct Count;

type Total = Arc<AtomicU32>;

async fn charge(job: Charge, State(total): State<Total>, cx: JobContext) -> JobResult {
    if cx.attempt() < 3 {
        return Err(JobError::retry("declined"));
    }
    total.fetch_add(job.cents, Ordering::SeqCst);
    Ok(())
}

fn count(_: Count, State(total): State<Total>) {
    total.fetch_add(1, Ordering::SeqCst);
}

#[tokio::test]
async fn the_programs_own_handlers_run_with_their_states_and_layers() {
    let (total, attempts) = (Total::default(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&attempts);
    let handlers = Registry::new()
        .state(Arc::clone(&total))
        .layer(move |_: JobContext, inner: InnerAttempt| {
            counted.fetch_add(1, Ordering::SeqCst);
            inner.run()
        })
        .handle(charge)
        .handle_blocking(count)
        .for_tests();
    let queue = TestQueue::new();
    queue.enqueue(Charge { cents: 500 }).await.unwrap();
    queue.enqueue(Count).await.unwrap();
    queue.inject::<Charge>(3, Fault::CrashBefore);

    let ran = queue.run_for(&handlers, Duration::from_secs(3 * 24 * 3_600)).await;

    let crashes = ran.iter().filter(|ran| ran.end == End::Crashed).count();
    let done = ran.iter().filter(|ran| ran.end == End::Completed).count();
    assert_eq!((ran.len(), crashes, done), (5, 1, 2), "{ran:?}");
    assert_eq!(total.load(Ordering::SeqCst), 501);
    assert_eq!(attempts.load(Ordering::SeqCst), 4, "the one that crashed before was never begun");
}

#[test]
#[should_panic(expected = "the registry is not complete")]
fn a_registry_that_misses_a_state_is_a_mistake() {
    drop(Registry::new().handle(charge).for_tests());
}
