//! From start to end when nothing goes wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jobq_core::vitals::Condition;
use jobq_core::{Cancellation, Job, JobContext, JobResult, JobState, Queue, Token};
use jobq_worker::{EndReason, State, Worker};
use serde::{Deserialize, Serialize};
use support::faulty::Faulty;
use support::{Act, backend, drain, enqueue, queue, start, state, within, witness, worker};
use tokio::sync::mpsc;
use tokio::time::Instant;

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "mail")]
struct SendMail {
    to: String,
}

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "count")]
struct Count {
    left: u32,
}

#[tokio::test(start_paused = true)]
async fn many_kinds_from_many_queues_run_in_one_worker() {
    async fn send_mail(
        job: SendMail,
        State(sent): State<mpsc::UnboundedSender<String>>,
    ) -> JobResult {
        sent.send(job.to)?;
        Ok(())
    }
    async fn count(job: Count, State(total): State<Arc<AtomicUsize>>) {
        total.fetch_add(job.left as usize, Ordering::SeqCst);
    }
    let store = backend();
    let (sent, mut mails) = mpsc::unbounded_channel::<String>();
    let total = Arc::new(AtomicUsize::new(0));
    store.enqueue_all((1..=10).map(|left| Count { left })).await.unwrap();
    store.enqueue(SendMail { to: "ada".into() }).await.unwrap();

    let worker = Worker::new(store).state(sent).state(Arc::clone(&total));
    let summary = drain(worker.handle(send_mail).handle(count).renew_without_thread()).await;

    assert_eq!((summary.completed, summary.processed, summary.failed), (11, 11, 0));
    assert_eq!(summary.reason, EndReason::Empty);
    assert_eq!(mails.recv().await.unwrap(), "ada");
    assert_eq!(total.load(Ordering::SeqCst), 55);
}

#[tokio::test(start_paused = true)]
async fn all_extractors_tell_of_the_same_attempt() {
    async fn look(
        _job: SendMail,
        cx: JobContext,
        token: Token,
        cancellation: Cancellation,
        seen: State<Arc<AtomicUsize>>,
        _again: JobContext,
    ) {
        assert_eq!(cx.token(), token);
        assert_eq!((cx.attempt(), cx.kind().as_str()), (1, "send_mail"));
        assert_eq!(cx.queue_name().as_str(), "mail");
        assert!(!cancellation.is_requested() && cx.deadline().is_none());
        seen.fetch_add(1, Ordering::SeqCst);
    }
    let store = backend();
    let seen = Arc::new(AtomicUsize::new(0));
    store.enqueue(SendMail { to: "ada".into() }).await.unwrap();

    let worker = Worker::new(store).state(Arc::clone(&seen)).handle(look).renew_without_thread();
    let summary = drain(worker).await;

    assert_eq!((summary.completed, seen.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn blocking_handlers_run_beside_async_ones() {
    fn parse(job: SendMail, State(parsed): State<std::sync::mpsc::Sender<String>>) -> JobResult {
        parsed.send(job.to)?;
        Ok(())
    }
    let store = backend();
    let (sender, parsed) = std::sync::mpsc::channel::<String>();
    store.enqueue(SendMail { to: "file.csv".into() }).await.unwrap();

    let worker = Worker::new(store).state(sender).handle_blocking(parse).renew_without_thread();
    drain(worker).await;

    assert_eq!(parsed.recv().unwrap(), "file.csv");
}

#[tokio::test(start_paused = true)]
async fn a_queue_is_not_empty_because_a_look_came_upon_unreadable_jobs_alone() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    for _ in 0..3 {
        enqueue(&store, Act::Succeed).await;
    }
    faulty.put_aside(5);
    let (witness, _report) = witness();

    let summary = drain(worker(faulty, witness).concurrency(1)).await;

    assert_eq!(summary.completed, 3);
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_is_woken_by_an_enqueue() {
    let store = backend();
    let (witness, mut report) = witness();
    let worker = worker(store.clone(), witness);
    let mut condition = worker.vitals().watch();
    let (stop, running) = start(worker);
    within(condition.wait_for(Condition::is_ready)).await.unwrap();
    // Long enough for it to find everything empty, and to be between two looks.
    tokio::time::sleep(Duration::from_millis(4321)).await;

    let enqueued_at = Instant::now();
    enqueue(&store, Act::Succeed).await;
    report.started().await;

    assert!(enqueued_at.elapsed() < Duration::from_millis(2), "{:?}", enqueued_at.elapsed());
    stop.send(()).unwrap();
    within(running).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_scheduled_job_runs_when_it_is_due() {
    let store = backend();
    let (witness, mut report) = witness();
    let began_at = Instant::now();
    store.enqueue(Act::Succeed).after(Duration::from_secs(90)).await.unwrap();

    worker(store.clone(), witness).run_until(async { drop(report.started().await) }).await.unwrap();

    let late = began_at.elapsed() - Duration::from_secs(90);
    assert!(late < Duration::from_millis(50), "{late:?}");
}

#[tokio::test(start_paused = true)]
async fn handlers_enqueue_jobs_that_follow_theirs() {
    async fn count(job: Count, cx: JobContext) -> JobResult {
        if job.left > 0 {
            cx.queue().enqueue(Count { left: job.left - 1 }).await?;
        }
        Ok(())
    }
    let store = backend();
    store.enqueue(Count { left: 20 }).await.unwrap();

    let summary = drain(Worker::new(store).handle(count).renew_without_thread()).await;

    assert_eq!(summary.completed, 21);
}

#[tokio::test(start_paused = true)]
async fn by_default_the_queues_are_those_of_the_handlers() {
    async fn mail(_: SendMail) {}
    let store = backend();
    store.enqueue(SendMail { to: "ada".into() }).await.unwrap();
    let other = enqueue(&store, Act::Succeed).await;

    let summary = drain(Worker::new(store.clone()).handle(mail).renew_without_thread()).await;

    assert_eq!(summary.processed, 1);
    assert_eq!(state(&store, other).await, Some(JobState::Ready));
}

#[tokio::test(start_paused = true)]
async fn with_concurrency_1_a_job_costs_one_call() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    store.enqueue_all((0..100).map(|_| Act::Succeed)).await.unwrap();
    let (witness, _report) = witness();

    drain(worker(faulty.clone(), witness).concurrency(1)).await;

    let calls = faulty.count("exchange");
    assert!(calls <= 103, "{calls} calls for 100 jobs");
}

#[tokio::test(start_paused = true)]
async fn with_much_concurrency_many_jobs_share_a_call() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    store.enqueue_all((0..2_000).map(|_| Act::Succeed)).await.unwrap();
    let (witness, _report) = witness();

    drain(worker(faulty.clone(), witness).concurrency(200)).await;

    let calls = faulty.count("exchange");
    assert!(calls <= 60, "{calls} calls for 2000 jobs");
}

#[tokio::test(start_paused = true)]
async fn an_idle_worker_makes_at_most_one_call_a_second() {
    for queues in [&["a"][..], &["a", "b", "c"]] {
        let faulty = Faulty::new(backend());
        let (witness, _report) = witness();
        let minute = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            faulty.forget_calls();
            tokio::time::sleep(Duration::from_secs(120)).await;
            let calls = faulty.calls();
            assert!(calls.len() <= 120, "{} calls in 120 s for {queues:?}", calls.len());
        };

        let worker = worker(faulty.clone(), witness).queues(queues.iter().copied());
        worker.run_until(minute).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn its_condition_tells_the_whole_story() {
    let store = backend();
    let (witness, mut report) = witness();
    enqueue(&store, Act::TakeMs(1_000)).await;
    let worker = worker(store, witness);
    let mut condition = worker.vitals().watch();
    assert_eq!(condition.condition(), Condition::Starting);

    let (stop, running) = start(worker);
    within(condition.wait_for(Condition::is_ready)).await.unwrap();
    report.started().await;
    stop.send(()).unwrap();
    within(condition.wait_for(|now| *now == Condition::Draining)).await.unwrap();
    within(running).await.unwrap().unwrap();

    assert_eq!(condition.condition(), Condition::Stopped);
}

#[tokio::test]
async fn no_task_and_no_thread_outlives_the_worker() {
    async fn mail(_: SendMail) {}
    let store = backend();
    store.enqueue_all((0..50).map(|n| SendMail { to: n.to_string() })).await.unwrap();
    let faulty = Faulty::new(store);

    // With its thread, which holds a handle of its own.
    let worker = Worker::new(faulty.clone()).handle(mail).stop_when_empty();
    within(worker.run()).await.unwrap();

    assert_eq!(faulty.handles(), 1);
    assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
    assert_eq!(faulty.count("farewell"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_worker_stops_its_handlers() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    let (witness, mut report) = witness();
    let id = enqueue(&store, Act::TakeMs(3_600_000)).await;
    let worker = worker(faulty.clone(), witness);

    tokio::select! {
        _ = worker.run_until(std::future::pending()) => panic!("the worker has ended"),
        _ = report.started() => {}
    }
    drop(report);
    tokio::time::sleep(Duration::from_secs(1)).await;

    assert_eq!(faulty.handles(), 1);
    // Nobody gave it back: it runs again once its lease has expired.
    assert_eq!(state(&store, id).await, Some(JobState::Leased));
    assert_eq!(
        jobq_core::Backend::maintain(&store, &queue("default"), 1).await.unwrap().reclaimed,
        0
    );
}
