//! How many jobs run at once, and of which queue.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::{MemoryBackend, Queue};
use jobq_worker::Worker;
use support::faulty::{Fault, Faulty};
use support::{Act, Report, Witness, backend, drain, within, witness, worker};

async fn fill(store: &MemoryBackend, queue: &str, count: usize, job: &Act) {
    let jobs = std::iter::repeat_n(job.clone(), count);
    store.enqueue_all(jobs).on(queue).await.unwrap();
}

/// The queues in the order in which their jobs began, one letter for each.
fn order(report: &Report) -> String {
    report.all().iter().map(|(_, cx)| cx.queue_name().to_string()).collect()
}

/// The most jobs that ran at once, when each takes as long as given.
fn most_at_once(report: &Report, each: Duration, queue: &str) -> usize {
    let all = report.all();
    let starts: Vec<_> = report
        .times()
        .into_iter()
        .zip(&all)
        .filter(|(_, (_, cx))| cx.queue_name().as_str() == queue)
        .map(|(at, _)| at)
        .collect();
    let running = |at| starts.iter().filter(|start| **start <= at && at < **start + each).count();
    starts.iter().map(|at| running(*at)).max().unwrap_or(0)
}

fn one_by_one(store: &MemoryBackend, witness: Witness) -> Worker {
    worker(store.clone(), witness).concurrency(1)
}

#[tokio::test(start_paused = true)]
async fn no_more_run_at_once_than_the_worker_may() {
    let store = backend();
    fill(&store, "a", 30, &Act::TakeMs(1_000)).await;
    let (witness, report) = witness();

    drain(worker(store, witness).queues(["a"]).concurrency(7)).await;

    assert_eq!(report.all().len(), 30);
    assert_eq!(most_at_once(&report, Duration::from_millis(1_000), "a"), 7);
}

#[tokio::test(start_paused = true)]
async fn no_job_is_leased_before_there_is_room_to_run_it() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    fill(&store, "a", 30, &Act::TakeMs(1_000)).await;
    let (witness, _report) = witness();

    drain(worker(faulty.clone(), witness).queues(["a"]).concurrency(7)).await;

    let asked = faulty.asked();
    assert!(asked.iter().all(|limit| *limit <= 7), "{asked:?}");
    assert_eq!(asked[0], 7);
}

#[tokio::test(start_paused = true)]
async fn a_queue_keeps_to_its_own_limit() {
    let store = backend();
    fill(&store, "a", 10, &Act::TakeMs(1_000)).await;
    fill(&store, "b", 10, &Act::TakeMs(1_000)).await;
    let (witness, report) = witness();

    let worker = worker(store, witness).queues(["a", "b"]).concurrency(10);
    let summary = drain(worker.queue_concurrency("a", 2)).await;

    assert_eq!(summary.completed, 20);
    assert_eq!(most_at_once(&report, Duration::from_millis(1_000), "a"), 2);
    assert_eq!(most_at_once(&report, Duration::from_millis(1_000), "b"), 8);
}

#[tokio::test(start_paused = true)]
async fn strict_order_serves_the_first_queue_first() {
    let store = backend();
    fill(&store, "c", 2, &Act::Succeed).await;
    fill(&store, "b", 2, &Act::Succeed).await;
    fill(&store, "a", 2, &Act::Succeed).await;
    let (witness, report) = witness();

    drain(one_by_one(&store, witness).queues(["a", "b", "c"])).await;

    assert_eq!(order(&report), "aabbcc");
}

#[tokio::test(start_paused = true)]
async fn a_job_of_an_urgent_queue_goes_before_those_that_wait() {
    let store = backend();
    fill(&store, "b", 40, &Act::TakeMs(10)).await;
    let (witness, mut report) = witness();

    let urgent = async {
        for _ in 0..10 {
            report.started().await;
        }
        fill(&store, "a", 1, &Act::Succeed).await;
    };
    let running = drain(one_by_one(&store, witness).queues(["a", "b"]));
    within(async { tokio::join!(running, urgent) }).await;

    let order = order(&report);
    let place = order.find('a').unwrap();
    assert!((10..=12).contains(&place), "{order}");
}

/// Empty queues that go first are looked at again and again, and never so often that the others get no turn.
#[tokio::test(start_paused = true)]
async fn the_last_queue_is_served_however_far_away_the_store_is() {
    for late in [1, 3, 5, 20, 200] {
        let store = backend();
        fill(&store, "e", 3, &Act::Succeed).await;
        let faulty = Faulty::new(store);
        faulty.fail_exchange(Fault::LateMs(late));
        let (witness, report) = witness();

        let worker = worker(faulty.clone(), witness).queues(["a", "b", "c", "d", "e"]);
        let ended = tokio::time::timeout(Duration::from_secs(10), drain(worker)).await;

        assert_eq!(ended.expect("an end").completed, 3, "{late} ms");
        assert_eq!(order(&report), "eee");
        let calls = faulty.count("exchange");
        assert!(calls < 60, "{calls} calls, each {late} ms late");
    }
}

/// The same while one that is asked late has plenty, and with many queues.
#[tokio::test(start_paused = true)]
async fn an_urgent_job_is_noticed_however_far_away_the_store_is() {
    for late in [1, 5, 20] {
        let store = backend();
        fill(&store, "c", 60, &Act::TakeMs(10)).await;
        let faulty = Faulty::new(store.clone());
        faulty.fail_exchange(Fault::LateMs(late));
        let (witness, mut report) = witness();

        let urgent = async {
            for _ in 0..10 {
                report.started().await;
            }
            fill(&store, "a", 1, &Act::Succeed).await;
        };
        let worker = worker(faulty, witness).queues(["a", "b", "c"]).concurrency(1);
        within(async { tokio::join!(drain(worker), urgent) }).await;

        let order = order(&report);
        let place = order.find('a').unwrap();
        assert!((10..=20).contains(&place), "{late} ms: {order}");
    }
}

#[tokio::test(start_paused = true)]
async fn weights_share_the_worker() {
    let store = backend();
    fill(&store, "a", 40, &Act::Succeed).await;
    fill(&store, "b", 40, &Act::Succeed).await;
    let (witness, report) = witness();

    drain(one_by_one(&store, witness).weighted_queues([("a", 3), ("b", 1)])).await;

    let order = order(&report);
    assert_eq!(order.len(), 80);
    let of_b = order[..40].matches('b').count();
    assert!((9..=11).contains(&of_b), "{order}");
}
