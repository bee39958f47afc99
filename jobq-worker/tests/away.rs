//! What a worker does while the store of one of its queues is away, as with a cluster of which a node is down: its
//! other queues must not notice.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::vitals::Condition;
use support::faulty::{Fault, Faulty};
use support::{
    Act, SECOND, backend, enqueue_on, start, state, until_done, within, witness, worker,
};

/// Both orders of the queue that is away and the one that is well.
const ORDERS: [[&str; 2]; 2] = [["away", "well"], ["well", "away"]];

#[tokio::test(start_paused = true)]
async fn jobs_of_a_queue_that_is_well_run_and_are_settled() {
    for queues in ORDERS {
        for fault in [Fault::Refuse, Fault::LoseReply] {
            let store = backend();
            let faulty = Faulty::new(store.clone());
            faulty.fail_queue("away", fault);
            let mut ids = Vec::new();
            for _ in 0..8 {
                ids.push(enqueue_on(&store, "well", Act::TakeMs(100)).await);
            }
            let (witness, _report) = witness();
            let worker = worker(faulty.clone(), witness).queues(queues).concurrency(2);
            let (stop, running) = start(worker);

            let took = until_done(&store, &ids).await;
            // Nothing else comes that could be taken for the end of an outage.
            tokio::time::sleep(SECOND * 20).await;
            let late = enqueue_on(&store, "well", Act::Succeed).await;
            let took_late = until_done(&store, &[late]).await;
            stop.send(()).unwrap();
            let summary = within(running).await.unwrap().unwrap();

            assert!(took < SECOND, "{queues:?}, {fault:?}: {took:?}");
            assert!(took_late < SECOND, "{queues:?}, {fault:?}: {took_late:?}");
            assert_eq!((summary.completed, summary.lost), (9, 0), "{queues:?}, {fault:?}");
        }
    }
}

/// Each of its calls costs as long as an answer is waited for. Only one of the two calls at once may be one of those.
#[tokio::test(start_paused = true)]
async fn silence_about_one_queue_holds_up_no_other() {
    for queues in [["away", "gone", "well"], ["well", "gone", "away"]] {
        let store = backend();
        let faulty = Faulty::new(store.clone());
        let (witness, mut report) = witness();
        let first = enqueue_on(&store, "well", Act::Succeed).await;
        for queue in ["away", "gone"] {
            enqueue_on(&store, queue, Act::TakeMs(1)).await;
        }
        let (stop, running) = start(worker(faulty.clone(), witness).queues(queues));
        for _ in 0..3 {
            report.started().await;
        }
        until_done(&store, &[first]).await;

        for queue in ["away", "gone"] {
            faulty.fail_queue(queue, Fault::Hang);
            enqueue_on(&store, queue, Act::Succeed).await;
        }
        // The first calls find it out, and are waited for: they may be both.
        tokio::time::sleep(SECOND * 25).await;
        let mut longest = Duration::ZERO;
        for _ in 0..30 {
            let id = enqueue_on(&store, "well", Act::Succeed).await;
            longest = longest.max(until_done(&store, &[id]).await);
            tokio::time::sleep(SECOND).await;
        }
        stop.send(()).unwrap();
        within(running).await.unwrap().unwrap();

        assert!(longest < SECOND, "{queues:?}: {longest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn settlements_arrive_where_they_can_and_the_others_later() {
    for queues in ORDERS {
        let store = backend();
        let faulty = Faulty::new(store.clone());
        let (witness, mut report) = witness();
        let away = enqueue_on(&store, "away", Act::TakeMs(1_000)).await;
        let well = enqueue_on(&store, "well", Act::TakeMs(2_000)).await;
        // With no room to ask for more: what is sent are settlements alone.
        let worker = worker(faulty.clone(), witness).queues(queues).concurrency(2);
        let mut condition = worker.vitals().watch();
        let (stop, running) = start(worker);
        report.started().await;
        report.started().await;

        faulty.fail_queue("away", Fault::Refuse);
        until_done(&store, &[well]).await;
        tokio::time::sleep(SECOND * 4).await;
        within(condition.wait_for(Condition::is_ready)).await.unwrap();
        assert!(state(&store, away).await.is_some());
        faulty.fail_queue("away", Fault::None);
        let next = enqueue_on(&store, "away", Act::Succeed).await;
        let took = until_done(&store, &[away, next]).await;
        stop.send(()).unwrap();
        let summary = within(running).await.unwrap().unwrap();

        assert!(took <= SECOND * 3, "{queues:?}: {took:?}");
        assert_eq!((summary.completed, summary.unsettled), (3, 0), "{queues:?}");
        assert_eq!(report.all().len(), 3, "{queues:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_away_is_tried_less_and_less_and_the_worker_stays_ready() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    faulty.fail_queue("away", Fault::Refuse);
    let (witness, _report) = witness();
    let worker = worker(faulty.clone(), witness).queues(["away", "well"]);
    let mut condition = worker.vitals().watch();
    let (stop, running) = start(worker);
    let mut outages = 0;
    let watching = async {
        loop {
            within(condition.wait_for(|now| !now.is_ready())).await.unwrap();
            outages += 1;
            within(condition.wait_for(Condition::is_ready)).await.unwrap();
        }
    };

    tokio::select! {
        () = watching => {}
        () = async {
            for _ in 0..600 {
                let id = enqueue_on(&store, "well", Act::Succeed).await;
                until_done(&store, &[id]).await;
                tokio::time::sleep(SECOND / 10).await;
            }
        } => {}
    }
    let tries = faulty.count_about("away");
    stop.send(()).unwrap();
    within(running).await.unwrap().unwrap();

    assert!((25..=90).contains(&tries), "{tries} tries in a minute");
    // It starts without being ready.
    assert!(outages <= 2, "{outages} outages");
}
