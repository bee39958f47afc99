//! Leases that are kept, and those that cannot be.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use futures_util::FutureExt;
use jobq_core::{Backend, Job, JobContext, JobState, MemoryBackend, Queue, StopReason};
use jobq_worker::{State, Worker};
use serde::{Deserialize, Serialize};
use support::faulty::{Fault, Faulty};
use support::{Act, SECOND, backend, drain, enqueue, find, state, within, witness, worker};
use tokio::sync::mpsc;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_job_may_take_much_longer_than_its_lease() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    let (witness, report) = witness();
    let id = enqueue(&store, Act::TakeMs(600_000)).await;

    let summary = drain(worker(faulty.clone(), witness)).await;

    assert_eq!((summary.completed, summary.lost, report.all().len()), (1, 0, 1));
    assert_eq!(state(&store, id).await, None);
    let renewals = faulty.count("extend");
    assert!((150..=250).contains(&renewals), "{renewals} renewals in 600 s");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_leases_are_renewed_by_few_calls() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    store.enqueue_all((0..1_500).map(|_| Act::TakeMs(9_000))).await.unwrap();
    let (witness, _report) = witness();

    let summary = drain(worker(faulty.clone(), witness).concurrency(1_500)).await;

    assert_eq!((summary.completed, summary.lost), (1_500, 0));
    assert!(faulty.count("extend") <= 8, "{}", faulty.count("extend"));
}

#[tokio::test(start_paused = true)]
async fn a_short_trouble_is_survived() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    let (witness, mut report) = witness();
    enqueue(&store, Act::TakeMs(30_000)).await;

    let trouble = async {
        report.started().await;
        for fault in [Fault::Refuse, Fault::Hang, Fault::LoseReply] {
            faulty.fail_extend(fault);
            tokio::time::sleep(SECOND * 3).await;
            faulty.fail_extend(Fault::None);
            tokio::time::sleep(SECOND * 4).await;
        }
    };
    let running = drain(worker(faulty.clone(), witness));
    let (summary, ()) = within(async { tokio::join!(running, trouble) }).await;

    assert_eq!((summary.completed, summary.lost), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_cannot_renew_stops_its_handlers_before_the_lease_can_be_taken() {
    for fault in [Fault::Refuse, Fault::Hang] {
        let store = backend();
        let faulty = Faulty::new(store.clone());
        let (witness, mut report) = witness();
        let id = enqueue(&store, Act::TakeMs(3_600_000)).await;
        let began_at = Instant::now();

        let outage = async {
            let (_, cx) = report.started().await;
            faulty.fail_exchange(Fault::Refuse);
            // Nothing is extended at all, not even unheard.
            faulty.fail_extend(if fault == Fault::Hang { Fault::Hang } else { Fault::Refuse });
            let reason = cx.cancellation().requested().await;
            let asked_after = began_at.elapsed();
            drop(cx);
            (reason, asked_after)
        };
        let running = worker(faulty.clone(), witness).run_until(async {
            // The handler's own clone of the context goes with it.
            tokio::time::sleep(SECOND * 30).await;
            faulty.fail_exchange(Fault::None);
        });
        let (summary, (reason, asked_after)) =
            within(async { tokio::join!(running, outage) }).await;

        assert_eq!(reason, StopReason::LeaseLost);
        assert!(asked_after >= SECOND * 7 && asked_after < SECOND * 9, "{asked_after:?}");
        assert_eq!(summary.unwrap().lost, 1);
        assert!(find(&store, id).await.unwrap().state.is_live());
    }
}

#[tokio::test(start_paused = true)]
async fn the_handler_is_gone_by_nine_tenths_of_the_lease() {
    struct Gone(mpsc::UnboundedSender<Duration>, Instant);
    impl Drop for Gone {
        fn drop(&mut self) {
            let _ = self.0.send(self.1.elapsed());
        }
    }
    #[derive(Serialize, Deserialize, Job)]
    struct Deaf;
    async fn deaf(_: Deaf, State(gone): State<mpsc::UnboundedSender<Duration>>) {
        let _gone = Gone(gone, Instant::now());
        std::future::pending().await
    }
    let store = backend();
    let faulty = Faulty::new(store.clone());
    faulty.fail_extend(Fault::Refuse);
    let (gone, mut was_gone) = mpsc::unbounded_channel();
    store.enqueue(Deaf).await.unwrap();

    let mut after = Duration::ZERO;
    let worker = Worker::new(faulty).state(gone).handle(deaf).renew_without_thread();
    let stop = async { after = was_gone.recv().await.unwrap() };
    within(worker.run_until(stop)).await.unwrap();

    assert!(after > SECOND * 7 && after <= SECOND * 9, "{after:?}");
}

#[derive(Serialize, Deserialize, Job)]
struct Block;

/// In real time, on one thread, which the handler blocks for five times the lease.
#[test]
fn a_handler_that_blocks_the_runtime_keeps_its_lease() {
    async fn block(_: Block, State(store): State<MemoryBackend>, cx: JobContext) {
        let until = std::time::Instant::now() + Duration::from_secs(2);
        while std::time::Instant::now() < until {
            // Somebody else reclaims what has expired.
            let reclaim = store.maintain(cx.queue_name(), 1);
            reclaim.now_or_never().unwrap().unwrap();
        }
        assert!(!cx.is_cancelled());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let summary = runtime.block_on(async {
        let store = MemoryBackend::new();
        let id = store.enqueue(Block).await.unwrap().id();
        let worker = Worker::new(store.clone()).state(store.clone()).handle(block);
        let worker = worker.lease(Duration::from_millis(400));
        let summary = within(worker.stop_when_empty().run_until(std::future::pending())).await;
        assert_eq!(state(&store, id).await, None);
        summary.unwrap()
    });

    assert_eq!((summary.completed, summary.lost, summary.stuck), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_stops_its_handler_at_once() {
    let store = backend();
    let (witness, mut report) = witness();
    let id = enqueue(&store, Act::TakeMs(3_600_000)).await;
    let mut reason = None;

    let theft = async {
        let (_, cx) = report.started().await;
        let queue = support::queue("default");
        store.forfeit(&queue, cx.worker(), &[]).await.unwrap();
        reason = Some(cx.cancellation().requested().await);
    };
    let running = worker(store.clone(), witness).grace(Duration::ZERO).run_until(theft);
    within(running).await.unwrap();

    assert_eq!(reason, Some(StopReason::LeaseLost));
    assert_eq!(state(&store, id).await, Some(JobState::Ready));
}

/// A link that is cut after a handler was asked to stop for another reason.
#[tokio::test(start_paused = true)]
async fn no_patience_lasts_longer_than_the_lease() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    let (witness, mut report) = witness();
    // One attempt: another might have begun before anybody sees that this one is over.
    let job = store.enqueue(Act::TakeMs(3_600_000)).timeout(SECOND).max_attempts(1);
    let id = job.await.unwrap().id();
    let worker = worker(faulty.clone(), witness).cancel_grace(SECOND * 1000);

    let mut left = Duration::MAX;
    let stop = async {
        let (_, cx) = report.started().await;
        tokio::time::sleep(SECOND * 30).await;
        assert_eq!(cx.cancellation().reason(), Some(StopReason::Timeout));
        // Renewed for as long as it is waited for.
        assert_eq!(state(&store, id).await, Some(JobState::Leased));
        drop(cx);
        faulty.fail_extend(Fault::Refuse);
        let cut_at = Instant::now();
        while find(&store, id).await.unwrap().state == JobState::Leased {
            tokio::time::sleep(SECOND / 10).await;
        }
        left = cut_at.elapsed();
    };
    let summary = within(worker.run_until(stop)).await.unwrap();

    // Settled, as the settlement gets through, before the lease has run out.
    assert!(left <= SECOND * 9 + SECOND / 10, "{left:?}");
    assert_eq!((summary.dead, summary.lost), (1, 0));
}

#[tokio::test]
async fn a_renewer_that_dies_brings_the_worker_down() {
    for renew_in_task in [false, true] {
        let store = MemoryBackend::new();
        let faulty = Faulty::new(store.clone());
        faulty.fail_extend(Fault::Panic);
        let (witness, _report) = witness();
        let id = enqueue(&store, Act::TakeMs(3_600_000)).await;
        let worker = Worker::new(faulty).state(witness).handle(support::act).lease(SECOND);
        let worker = if renew_in_task { worker.renew_without_thread() } else { worker };

        let ended = worker.grace(SECOND * 1000).run_until(std::future::pending());
        let error = tokio::time::timeout(SECOND * 20, ended).await.unwrap().unwrap_err();

        assert_eq!(error.to_string(), "the worker was brought down by a defect in it");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "leases are not extended: a defect of the client");
        assert_eq!(state(&store, id).await, Some(JobState::Ready));
    }
}

/// In real time, on one thread, which the first handler keeps from the second one.
#[test]
fn an_attempt_whose_lease_was_lost_before_its_first_turn_runs_nothing() {
    #[derive(Serialize, Deserialize, Job)]
    struct Waiter;
    type Runs = std::sync::Arc<std::sync::atomic::AtomicUsize>;
    async fn thief(_: Block, State(store): State<MemoryBackend>, cx: JobContext) {
        static WAS_HERE: std::sync::OnceLock<()> = std::sync::OnceLock::new();
        if WAS_HERE.set(()).is_err() {
            return;
        }
        store.forfeit(cx.queue_name(), cx.worker(), &[]).now_or_never().unwrap().unwrap();
        std::thread::sleep(SECOND);
    }
    async fn waiter(_: Waiter, State(runs): State<Runs>, cx: JobContext) {
        runs.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        assert!(!cx.is_cancelled());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let runs = Runs::default();
    let summary = runtime.block_on(async {
        let store = MemoryBackend::new();
        store.enqueue(Block).await.unwrap();
        store.enqueue(Waiter).await.unwrap();
        let worker = Worker::new(store.clone()).state(store).state(Runs::clone(&runs));
        let worker = worker.queues(["default"]).handle(thief).handle(waiter).lease(SECOND / 2);
        let stop = async {
            while runs.load(std::sync::atomic::Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        };
        within(worker.run_until(stop)).await.unwrap()
    });

    assert_eq!(runs.load(std::sync::atomic::Ordering::SeqCst), 1, "{summary:?}");
    assert_eq!(summary.lost, 2);
}

/// As a process reads it that was stopped for a while, or whose runtime was blocked.
#[tokio::test(start_paused = true)]
async fn a_lease_that_is_nearly_over_when_it_comes_is_given_back_unrun() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    faulty.fail_exchange(Fault::LateMs(9_300));
    let id = enqueue(&store, Act::TakeMs(2_000)).await;
    let (witness, mut report) = witness();
    let began_at = Instant::now();

    let heal = async {
        tokio::time::sleep(SECOND * 5).await;
        faulty.fail_exchange(Fault::None);
        report.started().await
    };
    let (summary, (_, cx)) = tokio::join!(drain(worker(faulty.clone(), witness)), heal);

    assert!(began_at.elapsed() > SECOND * 9, "{:?}", began_at.elapsed());
    assert_eq!((report.all().len(), summary.completed, summary.released), (1, 1, 1));
    assert_eq!((cx.crashes(), cx.attempt()), (0, 1));
    assert_eq!(state(&store, id).await, None);
}

/// In real time, on one thread, of which the first handler keeps all else, as a stop of the process does.
#[test]
fn an_attempt_whose_lease_was_over_before_its_first_turn_runs_nothing() {
    #[derive(Serialize, Deserialize, Job)]
    struct Waiter;
    #[derive(Clone, Default)]
    struct Left(std::sync::Arc<std::sync::Mutex<Vec<Duration>>>);
    async fn blocks_once(_: Block, cx: JobContext) {
        if cx.crashes() == 0 {
            std::thread::sleep(SECOND);
        }
    }
    async fn waiter(_: Waiter, State(left): State<Left>, cx: JobContext) {
        let now = cx.queue().clock().now();
        left.0.lock().unwrap().push(cx.lease().expires_at.since(now));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let left = Left::default();
    let summary = runtime.block_on(async {
        let store = MemoryBackend::new();
        store.enqueue(Block).await.unwrap();
        store.enqueue(Waiter).await.unwrap();
        let worker = Worker::new(store).state(left.clone()).handle(blocks_once).handle(waiter);
        drain(worker.queues(["default"]).lease(SECOND / 2).renew_without_thread()).await
    });

    let left = left.0.lock().unwrap();
    assert_eq!(left.len(), 1, "{left:?}, {summary:?}");
    assert!(left[0] > Duration::ZERO, "it began when its lease was over");
}
