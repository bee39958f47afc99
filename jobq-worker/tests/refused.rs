//! What a worker does while the store answers, and refuses to serve one of its queues or to let it wait: that is no outage.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::vitals::Condition;
use jobq_core::{ErrorKind, JobState};
use jobq_worker::EndReason;
use support::faulty::{Fault, Faulty};
use support::log::Log;
use support::{
    Act, SECOND, backend, drain, enqueue, enqueue_on, start, state, until_done, within, witness,
    worker,
};

/// Both orders of the queue that is refused and the one that is well.
const ORDERS: [[&str; 2]; 2] = [["bad", "good"], ["good", "bad"]];

/// What a server may say of a queue: wrong types, missing rights, no room.
const KINDS: [ErrorKind; 3] = [ErrorKind::Corrupt, ErrorKind::Refused, ErrorKind::Full];

#[tokio::test(start_paused = true)]
async fn jobs_of_other_queues_run_and_the_worker_is_ready() {
    for (queues, kind) in ORDERS.into_iter().flat_map(|it| KINDS.map(|kind| (it, kind))) {
        let store = backend();
        let faulty = Faulty::new(store.clone());
        faulty.fail_queue("bad", Fault::Answer(kind));
        let mut ids = Vec::new();
        for _ in 0..8 {
            ids.push(enqueue_on(&store, "good", Act::TakeMs(100)).await);
        }
        let (witness, _report) = witness();
        let worker = worker(faulty.clone(), witness).queues(queues).concurrency(2);
        let mut condition = worker.vitals().watch();
        let (stop, running) = start(worker);

        let took = until_done(&store, &ids).await;
        within(condition.wait_for(Condition::is_ready)).await.unwrap();
        let before = faulty.count_about("bad");
        let unready = condition.wait_for(|now| !now.is_ready());
        assert!(tokio::time::timeout(SECOND * 60, unready).await.is_err(), "{queues:?}, {kind}");
        let tries = faulty.count_about("bad") - before;
        let late = enqueue_on(&store, "good", Act::Succeed).await;
        let took_late = until_done(&store, &[late]).await;
        stop.send(()).unwrap();
        let summary = within(running).await.unwrap().unwrap();

        assert!(took < SECOND, "{queues:?}, {kind}: {took:?}");
        assert!(took_late < SECOND, "{queues:?}, {kind}: {took_late:?}");
        // To give back what may be held, or to lease.
        assert!((25..=130).contains(&tries), "{queues:?}, {kind}: {tries} tries in a minute");
        assert_eq!((summary.completed, summary.lost), (9, 0), "{queues:?}, {kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_mended_is_served_again() {
    for queues in ORDERS {
        let store = backend();
        let faulty = Faulty::new(store.clone());
        let (witness, mut report) = witness();
        let first = enqueue_on(&store, "bad", Act::TakeMs(1_000)).await;
        let (stop, running) = start(worker(faulty.clone(), witness).queues(queues));
        report.started().await;

        faulty.fail_queue("bad", Fault::Answer(ErrorKind::Corrupt));
        tokio::time::sleep(SECOND * 30).await;
        assert!(state(&store, first).await.is_some());
        faulty.fail_queue("bad", Fault::None);
        let second = enqueue_on(&store, "bad", Act::Succeed).await;
        let took = until_done(&store, &[first, second]).await;
        stop.send(()).unwrap();
        let summary = within(running).await.unwrap().unwrap();

        assert!(took <= SECOND * 3, "{queues:?}: {took:?}");
        assert_eq!((summary.completed, summary.lost, summary.unsettled), (2, 0, 0), "{queues:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_refused_while_its_job_runs_is_not_waited_for_until_all_is_empty() {
    for queues in ORDERS {
        let store = backend();
        let faulty = Faulty::new(store.clone());
        let (witness, mut report) = witness();
        let stranded = enqueue_on(&store, "bad", Act::TakeMs(1_000)).await;
        let worker = worker(faulty.clone(), witness).queues(queues).stop_when_empty();
        let running = tokio::spawn(worker.run_until(std::future::pending()));
        report.started().await;
        let good = enqueue_on(&store, "good", Act::TakeMs(3_000)).await;

        faulty.fail_queue("bad", Fault::Answer(ErrorKind::Corrupt));
        let ended = tokio::time::timeout(SECOND * 60, running).await;
        let summary = ended.expect("it waits for the queue that is refused").unwrap().unwrap();

        assert_eq!((summary.reason, summary.completed), (EndReason::Empty, 1), "{queues:?}");
        assert_eq!((summary.unsettled, summary.refused_queues.len()), (1, 1), "{queues:?}");
        assert_eq!(state(&store, good).await, None, "{queues:?}");
        assert_eq!(state(&store, stranded).await, Some(JobState::Leased), "{queues:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_can_serve_no_queue_is_not_ready_and_says_why() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    faulty.fail_exchange(Fault::Answer(ErrorKind::Refused));
    let (witness, _report) = witness();
    let worker = worker(faulty.clone(), witness).queues(["one", "two"]);
    let mut condition = worker.vitals().watch();
    let (stop, running) = start(worker);

    let down = within(condition.wait_for(|now| *now != Condition::Starting)).await.unwrap();
    let Condition::Disconnected(why) = down else { panic!("{down:?}") };
    assert_eq!(why, "the store says refused");
    let ready = condition.wait_for(Condition::is_ready);
    assert!(tokio::time::timeout(SECOND * 60, ready).await.is_err(), "it was ready in between");
    faulty.fail_exchange(Fault::None);
    let again = tokio::time::timeout(SECOND * 3, condition.wait_for(Condition::is_ready)).await;
    stop.send(()).unwrap();
    within(running).await.unwrap().unwrap();

    assert!(again.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_may_not_wait_looks_less_and_less_often_and_is_ready() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    faulty.fail_wait(Fault::Answer(ErrorKind::Refused));
    let (witness, _report) = witness();
    let worker = worker(faulty.clone(), witness).queues(["mail"]);
    let mut condition = worker.vitals().watch();
    let (stop, running) = start(worker);

    within(condition.wait_for(Condition::is_ready)).await.unwrap();
    let unready = condition.wait_for(|now| !now.is_ready());
    assert!(tokio::time::timeout(SECOND * 60, unready).await.is_err(), "it was not ready");
    let (waits, looks) = (faulty.count("wait"), faulty.count("exchange"));
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        let id = enqueue_on(&store, "mail", Act::Succeed).await;
        longest = longest.max(until_done(&store, &[id]).await);
        tokio::time::sleep(SECOND * 3).await;
    }
    stop.send(()).unwrap();
    within(running).await.unwrap().unwrap();

    assert!((20..=75).contains(&waits), "{waits} waits in a minute");
    assert!((20..=90).contains(&looks), "{looks} looks in a minute");
    assert!(longest <= SECOND * 2, "{longest:?}");
}

/// What was warned of.
fn warnings(log: &Log) -> Vec<String> {
    log.lines().into_iter().filter(|line| line.starts_with("WARN")).collect()
}

#[tokio::test(start_paused = true)]
async fn heartbeats_that_are_refused_are_told_once_and_the_worker_goes_on() {
    let log = Log::begin();
    let store = backend();
    let faulty = Faulty::new(store.clone());
    faulty.fail_heartbeat(Fault::Answer(ErrorKind::Refused));
    let (witness, _report) = witness();
    let worker = worker(faulty.clone(), witness);
    let condition = worker.vitals().watch();
    let (stop, running) = start(worker);

    // While it has a job it beats every few seconds.
    let long = enqueue(&store, Act::TakeMs(50_000)).await;
    until_done(&store, &[long]).await;
    let beats = faulty.count("heartbeat");
    let now = condition.condition();
    stop.send(()).unwrap();
    let summary = within(running).await.unwrap().unwrap();

    assert!(beats > 5, "{beats} beats");
    assert!(now.is_ready(), "{now:?}");
    assert_eq!((summary.completed, summary.lost), (1, 0));
    let told = r#"WARN jobq: maintenance failed call="heartbeat" error=the store says refused"#;
    assert_eq!(warnings(&log), [told]);
}

#[tokio::test(start_paused = true)]
async fn extensions_that_are_refused_are_told_once_and_a_job_may_end_before_its_lease() {
    let log = Log::begin();
    let store = backend();
    let faulty = Faulty::new(store.clone());
    faulty.fail_extend(Fault::Answer(ErrorKind::Refused));
    let (witness, _report) = witness();
    let worker = worker(faulty.clone(), witness).lease(SECOND * 10);
    let (stop, running) = start(worker);

    let id = enqueue(&store, Act::TakeMs(6_000)).await;
    until_done(&store, &[id]).await;
    let tries = faulty.count("extend");
    stop.send(()).unwrap();
    let summary = within(running).await.unwrap().unwrap();

    assert!(tries > 3, "{tries} tries");
    assert_eq!((summary.completed, summary.lost), (1, 0));
    let told = r#"WARN jobq: maintenance failed call="extend" error=the store says refused"#;
    assert_eq!(warnings(&log), [told]);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_stops_when_all_is_empty_does_not_wait_for_a_queue_that_is_refused() {
    let kinds = [ErrorKind::Corrupt, ErrorKind::Refused];
    for (queues, kind) in ORDERS.into_iter().flat_map(|it| kinds.map(|kind| (it, kind))) {
        let store = backend();
        let faulty = Faulty::new(store.clone());
        faulty.fail_queue("bad", Fault::Answer(kind));
        for _ in 0..8 {
            enqueue_on(&store, "good", Act::TakeMs(3_000)).await;
        }
        let (witness, _report) = witness();

        let summary = drain(worker(faulty, witness).queues(queues).concurrency(2)).await;

        assert_eq!(
            (summary.completed, summary.reason),
            (8, EndReason::Empty),
            "{queues:?}, {kind}"
        );
        assert!(summary.elapsed < SECOND * 20, "{queues:?}, {kind}: {:?}", summary.elapsed);
        let refused: Vec<_> = summary.refused_queues.iter().map(|it| it.queue.as_str()).collect();
        assert_eq!(refused, ["bad"], "{queues:?}, {kind}");
        assert_eq!(summary.refused_queues[0].why, format!("the store says {kind}"));
    }
}

#[tokio::test(start_paused = true)]
async fn it_waits_for_a_queue_for_which_there_is_no_room_now() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    faulty.fail_queue("bad", Fault::Answer(ErrorKind::Full));
    let id = enqueue_on(&store, "bad", Act::Succeed).await;
    let (witness, _report) = witness();
    let running = tokio::spawn(drain(worker(faulty.clone(), witness).queues(["bad", "good"])));

    tokio::time::sleep(SECOND * 60).await;
    assert!(!running.is_finished());
    faulty.fail_queue("bad", Fault::None);
    let summary = within(running).await.unwrap();

    assert_eq!((summary.completed, summary.refused_queues.as_slice()), (1, [].as_slice()));
    assert_eq!(state(&store, id).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_mended_while_others_run_is_emptied_as_well() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    faulty.fail_queue("bad", Fault::Answer(ErrorKind::Refused));
    enqueue_on(&store, "bad", Act::Succeed).await;
    enqueue_on(&store, "good", Act::TakeMs(10_000)).await;
    let (witness, mut report) = witness();
    let running = tokio::spawn(drain(worker(faulty.clone(), witness).queues(["bad", "good"])));
    report.started().await;

    tokio::time::sleep(SECOND * 5).await;
    faulty.fail_queue("bad", Fault::None);
    let summary = within(running).await.unwrap();

    assert_eq!((summary.completed, summary.refused_queues.as_slice()), (2, [].as_slice()));
}

/// A slip that is put right at once, and rights that come back, leave no job behind.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_passes_soon_ends_no_worker() {
    for queues in ORDERS {
        let store = backend();
        let faulty = Faulty::new(store.clone());
        let (witness, mut report) = witness();
        for _ in 0..4 {
            enqueue_on(&store, "bad", Act::TakeMs(500)).await;
        }
        let worker = worker(faulty.clone(), witness).queues(queues).concurrency(2);
        let running = tokio::spawn(drain(worker));
        report.started().await;

        faulty.fail_queue("bad", Fault::Answer(ErrorKind::Corrupt));
        tokio::time::sleep(SECOND * 3).await;
        faulty.fail_queue("bad", Fault::None);
        let summary = within(running).await.unwrap();

        assert_eq!((summary.completed, summary.unsettled), (4, 0), "{queues:?}");
        assert_eq!(summary.refused_queues, [], "{queues:?}");
    }
}
