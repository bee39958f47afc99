//! What happens when the backend goes wrong, and comes back.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::vitals::Condition;
use jobq_core::{Backend, JobState};
use support::faulty::{Fault, Faulty};
use support::{
    Act, SECOND, backend, drain, enqueue, find, queue, start, state, within, witness, worker,
};

#[tokio::test(start_paused = true)]
async fn settlements_are_kept_until_the_backend_is_back() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    let (witness, mut report) = witness();
    let id = enqueue(&store, Act::TakeMs(1_000)).await;
    let worker = worker(faulty.clone(), witness);
    let mut condition = worker.vitals().watch();
    let (stop, running) = start(worker);

    report.started().await;
    faulty.fail_exchange(Fault::Refuse);
    let down = within(condition.wait_for(|now| !now.is_ready())).await.unwrap();
    // Three times as long as a lease: it is renewed meanwhile.
    tokio::time::sleep(SECOND * 30).await;
    assert_eq!(state(&store, id).await, Some(JobState::Leased));
    faulty.fail_exchange(Fault::None);
    within(condition.wait_for(Condition::is_ready)).await.unwrap();
    stop.send(()).unwrap();
    let summary = within(running).await.unwrap().unwrap();

    let Condition::Disconnected(why) = down else { panic!("{down:?}") };
    assert_eq!(why, "the cable is cut");
    assert_eq!((summary.completed, summary.lost, summary.unsettled), (1, 0, 0));
    assert_eq!(report.all().len(), 1);
    assert_eq!(state(&store, id).await, None);
}

#[tokio::test(start_paused = true)]
async fn retries_grow_apart_during_an_outage() {
    let store = backend();
    let faulty = Faulty::new(store);
    faulty.fail_exchange(Fault::Refuse);
    let (witness, _report) = witness();

    worker(faulty.clone(), witness).run_until(tokio::time::sleep(SECOND * 60)).await.unwrap();

    let tries = faulty.count("exchange") + faulty.count("forfeit") + faulty.count("ping");
    assert!((25..=75).contains(&tries), "{tries} tries in a minute");
}

#[tokio::test(start_paused = true)]
async fn leases_of_a_lost_answer_are_given_back_and_are_no_crashes() {
    for fault in [Fault::LoseReply, Fault::Hang] {
        let store = backend();
        let faulty = Faulty::new(store.clone());
        faulty.fail_exchange(fault);
        let id = enqueue(&store, Act::TakeMs(10)).await;
        let (witness, mut report) = witness();
        let worker = worker(faulty.clone(), witness);

        let recovery = async {
            while state(&store, id).await != Some(JobState::Leased) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            faulty.fail_exchange(Fault::None);
            report.started().await
        };
        let (summary, (_, cx)) = within(async { tokio::join!(drain(worker), recovery) }).await;

        assert_eq!((summary.completed, faulty.forfeited(), cx.crashes()), (1, 1, 0), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn forfeiting_spares_what_runs() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    let (witness, mut report) = witness();
    let long = enqueue(&store, Act::TakeMs(5_000)).await;
    let worker = worker(faulty.clone(), witness);

    let trouble = async {
        report.started().await;
        faulty.fail_exchange(Fault::LoseReply);
        let lost = enqueue(&store, Act::Succeed).await;
        while state(&store, lost).await != Some(JobState::Leased) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        faulty.fail_exchange(Fault::None);
    };
    let (summary, ()) = within(async { tokio::join!(drain(worker), trouble) }).await;

    assert_eq!((summary.completed, summary.lost, faulty.forfeited()), (2, 0, 1));
    assert_eq!(report.all().len(), 2);
    assert_eq!(state(&store, long).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_settlement_whose_answer_got_lost_is_no_lost_lease() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    let (witness, mut report) = witness();
    let id = enqueue(&store, Act::TakeMs(100)).await;
    let worker = worker(faulty.clone(), witness);

    let trouble = async {
        report.started().await;
        faulty.fail_exchange(Fault::LoseReply);
        while state(&store, id).await.is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        faulty.fail_exchange(Fault::None);
    };
    let (summary, ()) = within(async { tokio::join!(drain(worker), trouble) }).await;

    assert_eq!((summary.completed, summary.lost, summary.uncertain), (0, 0, 1));
    assert_eq!(report.all().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_comes_too_late_is_not_counted_as_done() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    let (witness, mut report) = witness();
    let id = enqueue(&store, Act::TakeMs(600)).await;
    let worker = worker(faulty.clone(), witness);

    let trouble = async {
        let (_, cx) = report.started().await;
        faulty.fail_exchange(Fault::Refuse);
        tokio::time::sleep(SECOND).await;
        store.forfeit(&queue("default"), cx.worker(), &[]).await.unwrap();
        faulty.fail_exchange(Fault::None);
    };
    let (summary, ()) = within(async { tokio::join!(drain(worker), trouble) }).await;

    assert_eq!(report.all().len(), 2);
    assert_eq!((summary.completed, summary.uncertain, summary.processed), (1, 1, 1));
    assert_eq!(state(&store, id).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_worker_took_is_reported_lost() {
    let store = backend();
    let (witness, mut report) = witness();
    let id = enqueue(&store, Act::TakeMs(1_000)).await;
    let worker = worker(store.clone(), witness);

    let theft = async {
        let (_, cx) = report.started().await;
        // As if the lease had expired: it goes back to the queue behind the worker's back.
        store.forfeit(&queue("default"), cx.worker(), &[]).await.unwrap();
        report.started().await;
    };
    let (summary, ()) = within(async { tokio::join!(drain(worker), theft) }).await;

    assert_eq!((summary.completed, summary.lost), (1, 1));
    assert_eq!(state(&store, id).await, None);
}

#[tokio::test(start_paused = true)]
async fn jobs_of_a_worker_that_died_run_elsewhere_and_count_as_crashes() {
    let store = backend();
    let id = enqueue(&store, Act::Succeed).await;
    let dead = jobq_core::WorkerId::generate();
    let request = jobq_core::LeaseRequest::new(dead, 1, SECOND * 10);
    store.exchange(&queue("default"), &[], Some(request)).await.unwrap();
    let (witness, mut report) = witness();
    let leased_at = tokio::time::Instant::now();

    let mut crashes = 0;
    let stop = async { crashes = report.started().await.1.crashes() };
    worker(store.clone(), witness).run_until(stop).await.unwrap();

    let after = leased_at.elapsed();
    assert_eq!(crashes, 1);
    assert!(after >= SECOND * 10 && after < SECOND * 11, "{after:?}");
    assert_eq!(state(&store, id).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_brings_its_workers_down_is_put_aside() {
    let store = backend();
    let id = enqueue(&store, Act::Succeed).await;
    let (witness, report) = witness();
    for _ in 0..3 {
        let dead = jobq_core::WorkerId::generate();
        let request = jobq_core::LeaseRequest::new(dead, 1, SECOND);
        store.exchange(&queue("default"), &[], Some(request)).await.unwrap();
        tokio::time::sleep(SECOND * 2).await;
    }

    drain(worker(store.clone(), witness)).await;

    let view = find(&store, id).await.unwrap();
    assert_eq!((view.state, view.crashes, view.failed_attempts), (JobState::Dead, 3, 0));
    assert!(report.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_worker_stops_even_if_its_backend_never_comes_back() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    let (witness, mut report) = witness();
    enqueue(&store, Act::TakeMs(100)).await;

    let stop = async {
        report.started().await;
        faulty.fail_exchange(Fault::Refuse);
    };
    let summary = within(worker(faulty.clone(), witness).run_until(stop)).await.unwrap();

    assert_eq!((summary.unsettled, summary.completed), (1, 0));
    assert!(summary.elapsed < SECOND * 10, "{:?}", summary.elapsed);
}
