//! The test kit for programs: virtual time, injected faults, assertions.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use jobq_core::testing::{End, Fault, Ran, TestQueue, handler};
use jobq_core::{
    Backend, Inspect, Job, JobContext, JobError, JobResult, JobState, LimitScope, LimitSource,
    Limits, Queue, QueueName, assert_enqueued, assert_not_enqueued,
};
use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_secs(3_600);

#[derive(Debug, PartialEq, Serialize, Deserialize, Job)]
#[job(queue = "mail", max_attempts = 3, backoff = "fixed(1h)", jitter = "none", retention = "7d")]
struct Invoice {
    order: u32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, Job)]
#[job(queue = "mail", max_attempts = 2)]
struct Reminder {
    order: u32,
}

fn ends(ran: &[Ran]) -> Vec<&End> {
    ran.iter().map(|ran| &ran.end).collect()
}

async fn fails(_: Invoice, _: JobContext) -> JobResult {
    Err(JobError::retry("no paper"))
}

#[tokio::test]
async fn a_job_is_tried_at_its_times_and_dies_with_its_last_attempt() {
    let queue = TestQueue::new();
    let start = queue.now();
    queue.enqueue(Invoice { order: 1 }).after(HOUR).await.unwrap();

    let ran = queue.run_for(&handler(fails), HOUR * 48).await;

    let at: Vec<_> = ran.iter().map(|ran| (ran.attempt, ran.at.since(start))).collect();
    assert_eq!(at, [(1, HOUR), (2, HOUR * 2), (3, HOUR * 3)]);
    assert_eq!(ran[2].end, End::Dead { error: "no paper".to_owned() });
    assert_eq!(queue.now(), start + HOUR * 48);
    assert!(queue.is_empty());
    let dead = &queue.jobs::<Invoice>()[0];
    assert_eq!((dead.state, dead.last_error.as_deref()), (JobState::Dead, Some("no paper")));
}

#[tokio::test]
async fn time_stands_still_in_a_drain() {
    let queue = TestQueue::new();
    queue.enqueue(Invoice { order: 1 }).await.unwrap();
    queue.enqueue(Invoice { order: 2 }).after(HOUR).await.unwrap();

    let ran = queue.drain(&handler(fails)).await;

    assert_eq!(ran.len(), 1);
    assert_eq!(queue.jobs::<Invoice>().len(), 2, "one to be retried, one not due");
    queue.advance(HOUR);
    assert_eq!(queue.drain(&handler(fails)).await.len(), 2);
}

#[tokio::test]
async fn what_handlers_enqueue_is_run_too() {
    let queue = TestQueue::new();
    let remind = handler(|job: Invoice, cx: JobContext| async move {
        cx.queue().enqueue(Reminder { order: job.order }).after(HOUR * 24).await?;
        JobResult::Ok(())
    });
    let seen = AtomicU32::new(0);
    let note = handler(|job: Reminder, _: JobContext| {
        seen.store(job.order, Ordering::SeqCst);
        async {}
    });
    queue.enqueue(Invoice { order: 7 }).await.unwrap();

    let ran = queue.run_for(&(remind, note), HOUR * 25).await;

    assert_eq!(ends(&ran), [&End::Completed, &End::Completed]);
    assert_eq!(seen.load(Ordering::SeqCst), 7);
}

#[tokio::test]
async fn injected_faults_come_at_their_attempt_and_once() {
    let queue = TestQueue::new();
    let runs = AtomicU32::new(0);
    let count = handler(|_: Invoice, _: JobContext| {
        runs.fetch_add(1, Ordering::SeqCst);
        async {}
    });
    queue.inject::<Invoice>(1, Fault::CrashAfter);
    queue.inject::<Invoice>(1, Fault::CrashBefore);
    queue.inject::<Invoice>(1, Fault::Error("the disk is full".to_owned()));
    queue.inject::<Invoice>(2, Fault::TimeOut);
    queue.inject::<Reminder>(3, Fault::CrashAfter);
    queue.enqueue(Invoice { order: 1 }).await.unwrap();

    let ran = queue.run_for(&count, HOUR * 3).await;

    let ends = ends(&ran);
    assert_eq!(ends[..2], [&End::Crashed, &End::Crashed]);
    assert!(
        matches!(ends[2], End::Retries { after, error } if *after == HOUR && error == "the disk is full")
    );
    assert!(matches!(ends[3], End::Retries { error, .. } if error.starts_with("timed out")));
    assert_eq!(ends[4..], [&End::Completed]);
    let attempts: Vec<_> = ran.iter().map(|ran| ran.attempt).collect();
    assert_eq!(attempts, [1, 1, 1, 2, 3], "a crash uses no attempt");
    assert_eq!(runs.load(Ordering::SeqCst), 2, "once in vain, and once for good");
}

#[tokio::test]
async fn a_job_that_kills_its_workers_is_put_aside() {
    let queue = TestQueue::new();
    for _ in 0..3 {
        queue.inject::<Invoice>(1, Fault::CrashBefore);
    }
    queue.enqueue(Invoice { order: 1 }).await.unwrap();

    let ran = queue.run_for(&handler(fails), HOUR).await;

    assert_eq!(ends(&ran), [&End::Crashed; 3]);
    assert_eq!(queue.jobs::<Invoice>()[0].state, JobState::Dead);
}

#[tokio::test]
async fn a_panic_fails_the_attempt() {
    let queue = TestQueue::new();
    queue.enqueue(Invoice { order: 1 }).await.unwrap();

    let ran = queue
        .run_one(&handler(|job: Invoice, _: JobContext| async move {
            assert!(job.order > 1, "order {}", job.order);
        }))
        .await
        .unwrap();

    assert!(matches!(ran.end, End::Retries { error, .. } if error == "order 1"));
}

#[tokio::test]
async fn limits_hold_and_are_waited_for() {
    let queue = TestQueue::new();
    let limits = Limits::new().rate("2/min".parse().unwrap());
    let scope = LimitScope::Queue(QueueName::new("mail").unwrap());
    queue.set_limits(&scope, LimitSource::Code, &limits).await.unwrap();
    for order in 0..5 {
        queue.enqueue(Invoice { order }).await.unwrap();
    }
    let done = handler(|_: Invoice, _: JobContext| async {});

    assert_eq!(queue.drain(&done).await.len(), 2);
    let minute = Duration::from_secs(60);
    assert_eq!(queue.run_for(&done, minute).await.len(), 2);
    assert_eq!(queue.run_for(&done, minute).await.len(), 1);
}

#[tokio::test]
async fn what_is_enqueued_is_told() {
    let queue = TestQueue::new();
    queue.enqueue(Invoice { order: 7 }).await.unwrap();
    queue.enqueue(Invoice { order: 8 }).after(HOUR).await.unwrap();

    assert_eq!(queue.enqueued::<Invoice>(), [Invoice { order: 8 }, Invoice { order: 7 }]);
    assert_enqueued!(queue, Invoice { order: 7 });
    assert_enqueued!(queue, Invoice { order } if *order > 7);
    assert_enqueued!(queue, 2, Invoice { .. });
    assert_not_enqueued!(queue, Invoice { order: 9 });
    assert_not_enqueued!(queue, Reminder { .. });
    queue.drain(&handler(|_: Invoice, _: JobContext| async {})).await;
    assert_enqueued!(queue, 1, Invoice { .. });
}

#[tokio::test]
#[should_panic(
    expected = "no job Reminder { order: 7 } is enqueued; enqueued are:\n  invoice {\"order\":7} in mail, ready"
)]
async fn a_failed_assertion_lists_what_is_there() {
    let queue = TestQueue::new();
    queue.enqueue(Invoice { order: 7 }).await.unwrap();
    assert_enqueued!(queue, Reminder { order: 7 });
}

#[tokio::test]
#[should_panic(expected = "a job of kind \"invoice\" is ready, and no handler runs this kind")]
async fn a_kind_without_a_handler_is_a_mistake() {
    let queue = TestQueue::new();
    queue.enqueue(Invoice { order: 7 }).await.unwrap();
    queue.drain(&handler(|_: Reminder, _: JobContext| async {})).await;
}

/// Three retries in two days, as a program's test would say it. Of several runs the fastest counts: the machine may be
/// busy with others.
#[tokio::test]
async fn two_days_take_less_than_50_ms() {
    let mut fastest = Duration::MAX;
    for _ in 0..10 {
        let began = std::time::Instant::now();
        let queue = TestQueue::new();
        for order in 0..10 {
            queue.enqueue(Invoice { order }).await.unwrap();
        }

        let ran = queue.run_for(&handler(fails), HOUR * 48).await;

        assert_eq!(ran.len(), 30);
        let queue_name = QueueName::new("mail").unwrap();
        assert_eq!(queue.queue(&queue_name).await.unwrap().dead, 10);
        fastest = fastest.min(began.elapsed());
    }
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
}

mod elsewhere {
    use jobq_core::Job;
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize, Job)]
    pub(crate) struct Ring(pub(crate) u32);
}

#[tokio::test]
async fn jobs_are_found_by_path_and_counted_by_any_number() {
    let queue = TestQueue::new();
    for nth in 0..3 {
        queue.enqueue(elsewhere::Ring(nth)).lane("bells").await.unwrap();
    }

    let (all, nth) = (3, 1);
    assert_enqueued!(queue, elsewhere::Ring(2));
    assert_enqueued!(queue, elsewhere::Ring(_));
    assert_enqueued!(queue, all, elsewhere::Ring(..));
    assert_enqueued!(queue, all - 1, crate::elsewhere::Ring(n) if *n >= nth);
    assert_not_enqueued!(queue, elsewhere::Ring(3));
    assert_enqueued!(queue, 0, elsewhere::Ring(n) if *n > 2);
    let lanes: Vec<_> = queue.jobs::<elsewhere::Ring>();
    assert!(lanes.iter().all(|found| found.view.record.lane.is_some()));
}

#[tokio::test]
async fn a_version_that_the_handler_does_not_know_is_not_run() {
    let queue = TestQueue::new();
    let mut job = queue.enqueue(Invoice { order: 7 }).build().unwrap();
    job.record.version += 1;
    queue.enqueue_jobs(&[job]).await.unwrap();

    let ran = queue.drain(&handler(|_: Invoice, _: JobContext| async {})).await;

    assert!(
        matches!(&ran[0].end, End::Dead { error } if error.contains("newer")),
        "{:?}",
        ran[0].end
    );
}
