//! Workers that stop by themselves.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::{Job, JobState, Queue};
use jobq_worker::EndReason;
use serde::{Deserialize, Serialize};
use support::{Act, backend, enqueue, queue, state, within, witness, worker};

/// No worker here knows it.
#[derive(Serialize, Deserialize, Job)]
struct Stranger;

#[tokio::test(start_paused = true)]
async fn max_jobs_are_leased_and_not_one_more() {
    let store = backend();
    store.enqueue_all((0..20).map(|_| Act::TakeMs(100))).await.unwrap();
    let (witness, report) = witness();

    let worker = worker(store.clone(), witness).concurrency(4).max_jobs(6);
    let summary = within(worker.run_until(std::future::pending())).await.unwrap();

    assert_eq!((summary.reason, summary.completed), (EndReason::MaxJobs, 6));
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

    assert_eq!((summary.reason, summary.completed), (EndReason::MaxTime, 1));
    assert_eq!(state(&store, id).await, None);
    assert!(summary.elapsed < Duration::from_secs(71), "{:?}", summary.elapsed);
}

#[cfg(target_os = "linux")]
#[tokio::test(start_paused = true)]
async fn max_memory_stops_the_worker() {
    let (witness, _report) = witness();

    let worker = worker(backend(), witness).max_memory(1);
    let summary = within(worker.run_until(std::future::pending())).await.unwrap();

    assert_eq!(summary.reason, EndReason::MaxMemory);
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

    assert_eq!((summary.reason, summary.completed), (EndReason::Empty, 2));
    assert_eq!(state(&store, scheduled).await, Some(JobState::Scheduled));
    assert!(summary.elapsed < Duration::from_secs(6), "{:?}", summary.elapsed);
}

/// Not with paused time: there all looks are made at one instant.
#[tokio::test]
async fn stop_when_empty_runs_what_the_end_of_a_batch_brings_to_another_queue() {
    for _ in 0..20 {
        let store = backend();
        let report = store.enqueue(Act::Succeed).on("reports");
        let batch = store.batch("x").on("elsewhere").on_complete(report).open().await.unwrap();
        batch.enqueue_all((0..3).map(|_| Act::Succeed)).await.unwrap();
        batch.close().await.unwrap();
        let (witness, _report) = witness();

        let worker = worker(store, witness).queues(["reports", "default"]).stop_when_empty();
        let summary = within(worker.run_until(std::future::pending())).await.unwrap();

        assert_eq!((summary.reason, summary.completed), (EndReason::Empty, 4));
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_store_ends_at_once() {
    let (witness, _report) = witness();

    let worker = worker(backend(), witness).queues(["a", "b", "c"]).stop_when_empty();
    let summary = within(worker.run_until(std::future::pending())).await.unwrap();

    assert_eq!((summary.reason, summary.processed), (EndReason::Empty, 0));
    assert!(summary.elapsed < Duration::from_secs(1), "{:?}", summary.elapsed);
}

#[tokio::test(start_paused = true)]
async fn once_runs_one_job_or_none() {
    let store = backend();
    enqueue(&store, Act::Succeed).await;
    enqueue(&store, Act::Succeed).await;

    for (reason, completed) in
        [(EndReason::MaxJobs, 1), (EndReason::MaxJobs, 1), (EndReason::Empty, 0)]
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

#[tokio::test(start_paused = true)]
async fn a_job_that_is_put_off_is_not_the_one_that_once_runs() {
    let store = backend();
    store.enqueue(Stranger).await.unwrap();
    let id = enqueue(&store, Act::Succeed).await;
    let (witness, _report) = witness();

    let worker = worker(store.clone(), witness).once();
    let summary = within(worker.run_until(std::future::pending())).await.unwrap();

    assert_eq!((summary.reason, summary.completed, summary.snoozed), (EndReason::MaxJobs, 1, 1));
    assert_eq!(summary.processed, 1, "no work was done on the job that was put off");
    assert_eq!(state(&store, id).await, None);
}

#[tokio::test(start_paused = true)]
async fn durations_may_be_for_ever() {
    let store = backend();
    store.enqueue(Stranger).await.unwrap();
    let id = store.enqueue(Act::TakeMs(20_000)).timeout(Duration::from_secs(5)).await.unwrap().id();
    let (witness, mut report) = witness();
    let ever = Duration::MAX;

    let worker = worker(store.clone(), witness).grace(ever).cancel_grace(ever).stuck_after(ever);
    let worker = worker.max_time(ever).unknown_delay(ever);
    let stop = async {
        report.started().await;
    };
    let summary = within(worker.run_until(stop)).await.unwrap();

    assert_eq!((summary.completed, summary.snoozed, summary.lost), (1, 1, 0));
    assert_eq!(state(&store, id).await, None);
}
