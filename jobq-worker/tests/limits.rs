//! Workers that stop by themselves.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::{JobState, Queue};
use jobq_worker::StopCause;
use support::{Act, backend, enqueue, queue, state, within, witness, worker};

#[tokio::test(start_paused = true)]
async fn max_jobs_are_leased_and_not_one_more() {
    let store = backend();
    store.enqueue_all((0..20).map(|_| Act::TakeMs(100))).await.unwrap();
    let (witness, report) = witness();

    let worker = worker(store.clone(), witness).concurrency(4).max_jobs(6);
    let summary = within(worker.run_until(std::future::pending())).await.unwrap();

    assert_eq!((summary.reason, summary.completed), (StopCause::MaxJobs, 6));
    assert_eq!(report.all().len(), 6);
    let left = jobq_core::Inspect::queue(&store, &queue("default")).await.unwrap();
    assert_eq!((left.ready, left.leased), (14, 0));
}

#[tokio::test(start_paused = true)]
async fn max_time_lets_what_runs_finish() {
    let store = backend();
    let id = enqueue(&store, Act::TakeMs(70_000)).await;
    let (witness, _report) = witness();

    let worker = worker(store.clone(), witness).max_time(Duration::from_secs(60));
    let summary = within(worker.run_until(std::future::pending())).await.unwrap();

    assert_eq!((summary.reason, summary.completed), (StopCause::MaxTime, 1));
    assert_eq!(state(&store, id).await, None);
    assert!(summary.elapsed < Duration::from_secs(71), "{:?}", summary.elapsed);
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn max_memory_stops_the_worker() {
    let (witness, _report) = witness();

    let worker = worker(backend(), witness).max_memory(1);
    let summary = within(worker.run_until(std::future::pending())).await.unwrap();

    assert_eq!(summary.reason, StopCause::MaxMemory);
}

#[tokio::test(start_paused = true)]
async fn stop_when_empty_waits_for_what_runs_and_for_what_follows() {
    let store = backend();
    enqueue(&store, Act::TakeMs(5_000)).await;
    enqueue(&store, Act::Succeed).await;
    let scheduled = store.enqueue(Act::Succeed).after(Duration::from_secs(60)).await.unwrap().id();
    let (witness, _report) = witness();

    let worker = worker(store.clone(), witness).stop_when_empty();
    let summary = within(worker.run_until(std::future::pending())).await.unwrap();

    assert_eq!((summary.reason, summary.completed), (StopCause::Empty, 2));
    assert_eq!(state(&store, scheduled).await, Some(JobState::Scheduled));
    assert!(summary.elapsed < Duration::from_secs(6), "{:?}", summary.elapsed);
}

#[tokio::test(start_paused = true)]
async fn an_empty_store_ends_at_once() {
    let (witness, _report) = witness();

    let worker = worker(backend(), witness).queues(["a", "b", "c"]).stop_when_empty();
    let summary = within(worker.run_until(std::future::pending())).await.unwrap();

    assert_eq!((summary.reason, summary.processed), (StopCause::Empty, 0));
    assert!(summary.elapsed < Duration::from_secs(1), "{:?}", summary.elapsed);
}

#[tokio::test(start_paused = true)]
async fn once_runs_one_job_or_none() {
    let store = backend();
    enqueue(&store, Act::Succeed).await;
    enqueue(&store, Act::Succeed).await;

    for (reason, completed) in
        [(StopCause::MaxJobs, 1), (StopCause::MaxJobs, 1), (StopCause::Empty, 0)]
    {
        let (witness, _report) = witness();
        let worker = worker(store.clone(), witness).once();
        let summary = within(worker.run_until(std::future::pending())).await.unwrap();
        assert_eq!((summary.reason, summary.completed), (reason, completed));
    }
}

#[tokio::test(start_paused = true)]
async fn the_summary_is_one_line() {
    let store = backend();
    store.enqueue_all((0..4).map(|_| Act::TakeMs(2_000))).await.unwrap();
    enqueue(&store, Act::Die).await;
    let (witness, _report) = witness();

    let summary = support::drain(worker(store, witness)).await;

    assert_eq!(summary.to_string(), "processed 5, failed 1 in 2.0 s (2 jobs/s)");
}
