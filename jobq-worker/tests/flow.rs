//! Limits that a program sets, and work that they hold up.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::vitals::Condition;
use jobq_core::{
    ErrorKind, Inspect, JobState, LaneKey, LimitSetting, LimitSource, Limits, Queue, Rate,
};
use jobq_worker::Worker;
use support::faulty::{Fault, Faulty};
use support::{Act, backend, drain, enqueue, find, queue, state, within, witness, worker};

fn per_minute(count: u32) -> Limits {
    Limits::new().rate(Rate::fixed(count, Duration::from_secs(60)))
}

async fn settings(store: &impl Inspect) -> Vec<(String, LimitSource)> {
    let described = |setting: LimitSetting| (setting.scope.to_string(), setting.source);
    store.limits(&queue("default"), 10).await.unwrap().into_iter().map(described).collect()
}

fn with_limits(worker: Worker) -> Worker {
    worker
        .limit_queue("default", Limits::new().concurrency(3))
        .limit_lanes("default", per_minute(2))
        .limit_lane("default", 7, per_minute(4))
        .limit_shared("api", Limits::new().concurrency(9))
}

#[tokio::test(start_paused = true)]
async fn limits_are_set_before_the_first_lease() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    enqueue(&store, Act::Succeed).await;
    let (witness, _report) = witness();

    drain(with_limits(worker(faulty.clone(), witness))).await;

    let calls = faulty.calls();
    let first_exchange = calls.iter().position(|call| *call == "exchange").unwrap();
    let set = |calls: &[&str]| calls.iter().filter(|call| **call == "set_limits").count();
    assert_eq!((set(&calls[..first_exchange]), set(&calls)), (4, 4), "{calls:?}");
    let code = LimitSource::Code;
    assert_eq!(
        settings(&store).await,
        [
            ("queue default".to_owned(), code),
            ("each lane of queue default".to_owned(), code),
            ("lane 7 of queue default".to_owned(), code)
        ]
    );
    assert_eq!(store.shared_limits().await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_waited_for() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    let id = enqueue(&store, Act::Succeed).await;
    faulty.fail_set_limits(Fault::Refuse);
    let (witness, mut report) = witness();
    let worker = with_limits(worker(faulty.clone(), witness)).max_jobs(1);
    let mut condition = worker.vitals().watch();

    let running = tokio::spawn(worker.run_until(std::future::pending()));
    let away = |now: &Condition| matches!(now, Condition::Disconnected(_));
    within(condition.wait_for(away)).await.unwrap();
    assert_eq!(faulty.count("exchange"), 0);
    faulty.fail_set_limits(Fault::None);
    report.started().await;
    within(running).await.unwrap().unwrap();

    assert_eq!(state(&store, id).await, None);
    assert_eq!(settings(&store).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_asked_for_again() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    faulty.fail_set_limits(Fault::Hang);
    let (witness, _report) = witness();

    let worker = with_limits(worker(faulty.clone(), witness)).stop_when_empty();
    let running = tokio::spawn(worker.run_until(std::future::pending()));
    tokio::time::sleep(Duration::from_secs(60)).await;
    faulty.fail_set_limits(Fault::None);
    within(running).await.unwrap().unwrap();

    assert!(faulty.count("set_limits") > 4, "{:?}", faulty.calls());
    assert_eq!(settings(&store).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn limits_that_the_store_refuses_end_the_worker() {
    for kind in [ErrorKind::Refused, ErrorKind::InvalidInput] {
        let store = backend();
        let faulty = Faulty::new(store.clone());
        let id = enqueue(&store, Act::Succeed).await;
        faulty.fail_set_limits(Fault::Answer(kind));
        let (witness, _report) = witness();

        let worker = with_limits(worker(faulty.clone(), witness));
        let error = within(worker.run_until(std::future::pending())).await.unwrap_err();

        assert_eq!(error.kind(), kind);
        assert_eq!(
            error.to_string(),
            "the worker cannot start: the limits of queue default are refused"
        );
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, format!("the store says {kind}"));
        assert_eq!((faulty.count("exchange"), faulty.count("farewell")), (0, 1));
        assert_eq!(state(&store, id).await, Some(JobState::Ready));
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_has_set_survives_the_start() {
    let store = backend();
    let scope = jobq_core::LimitScope::Lane(queue("default"), LaneKey::new(7).unwrap());
    let operator = LimitSource::Operator;
    jobq_core::Backend::set_limits(&store, &scope, operator, &per_minute(200)).await.unwrap();
    let (witness, _report) = witness();

    drain(with_limits(worker(store.clone(), witness))).await;

    let lane = store.lane(&queue("default"), &LaneKey::new(7).unwrap()).await.unwrap();
    assert_eq!(lane.limits, per_minute(200));
}

#[tokio::test(start_paused = true)]
async fn a_lane_over_its_rate_goes_on_when_it_has_room_and_nobody_polls() {
    let store = backend();
    let faulty = Faulty::new(store.clone());
    store.enqueue_all((0..10).map(|_| Act::Succeed)).lane("a").await.unwrap();
    let (witness, report) = witness();

    let worker = worker(faulty.clone(), witness).limit_lanes("default", per_minute(2)).max_jobs(10);
    within(worker.run_until(std::future::pending())).await.unwrap();

    // Windows are aligned to the clock, which starts at a whole minute.
    let times = report.times();
    let minutes: Vec<u64> =
        times.iter().map(|at| (*at - times[0]).as_secs_f64().round() as u64 / 60).collect();
    assert_eq!(minutes, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4], "{times:?}");
    // Some for each window, and a look now and then: by the lease of 10 s one every 9 s.
    let calls = faulty.count("exchange");
    assert!(calls <= 5 * 3 + 240 / 9 + 3, "{calls} calls in 4 minutes");
}

#[tokio::test(start_paused = true)]
async fn a_settlement_that_is_never_taken_holds_up_no_other() {
    for kind in [ErrorKind::Limited, ErrorKind::NotFound, ErrorKind::Conflict] {
        let store = backend();
        let faulty = Faulty::new(store.clone());
        store.enqueue_all((0..20).map(|_| Act::TakeMs(100))).await.unwrap();
        let poison = store.enqueue(Act::TakeMs(100)).priority(9).await.unwrap().id();
        faulty.never_settle_with(poison, kind);
        let (witness, _report) = witness();

        let worker = worker(faulty.clone(), witness).concurrency(21).max_jobs(21);
        let summary = within(worker.run_until(std::future::pending())).await.unwrap();

        assert_eq!((summary.completed, summary.lost, summary.unsettled), (20, 1, 0), "{kind}");
        // Its lease is not extended any more: it runs again as after a crash.
        assert_eq!(state(&store, poison).await, Some(JobState::Leased));
        tokio::time::sleep(Duration::from_secs(11)).await;
        jobq_core::Backend::maintain(&store, &queue("default"), 10).await.unwrap();
        let view = find(&store, poison).await.unwrap();
        assert_eq!((view.state, view.crashes), (JobState::Ready, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_cannot_be_asked_is_asked_ever_less_often() {
    let faulty = Faulty::new(backend());
    faulty.fail_exchange(Fault::Answer(ErrorKind::NotFound));
    let (witness, _report) = witness();

    let minute = tokio::time::sleep(Duration::from_secs(60));
    within(worker(faulty.clone(), witness).run_until(minute)).await.unwrap();

    let calls = faulty.calls().len();
    assert!((5..150).contains(&calls), "{calls} calls in a minute");
}
