//! Schedulers with much to do, and stores that are slow, full or of another opinion.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::schedules::{Claim, ScheduleRef, Schedules, Tick};
use jobq_core::vitals::Condition;
use jobq_core::{
    Backend, ErrorKind, LimitScope, LimitSource, Limits, MemoryBackend, QueueName, ScheduleName,
};
use tokio::time::Instant;

use crate::faults::{Call, Fault, FaultyStore, Running, TokioClock, record, seconds, ticks};
use crate::log::Log;
use crate::policy::CatchUp;
use crate::schedule::Schedule;
use crate::scheduler::Scheduler;
use crate::units::TimeUnits;

fn store() -> MemoryBackend {
    MemoryBackend::with_clock(TokioClock::new())
}

fn scheduler(store: &FaultyStore, schedules: Vec<(String, Schedule)>) -> Scheduler {
    Scheduler::on(Arc::new(store.clone())).group("g").schedules(schedules)
}

fn many(count: usize, schedule: &Schedule) -> Vec<(String, Schedule)> {
    (0..count).map(|number| (format!("s{number}"), schedule.clone())).collect()
}

fn claims_take(takes: Duration) -> impl FnMut(Call) -> Fault {
    move |call| match call {
        Call::Claim => Fault { takes, ..Fault::default() },
        _ => Fault::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn looks_go_on_and_stopping_is_quick_while_a_thousand_claims_are_slow() {
    let store = store();
    let far = FaultyStore::new(&store);
    far.rule(claims_take(10.seconds()));
    let hourly = Schedule::hourly().record(record("one"));
    let running = Running::start(scheduler(&far, many(1_000, &hourly)));
    tokio::time::sleep(1.hours() + 1.seconds()).await;
    let before = far.count(Call::Attend);
    tokio::time::sleep(64.seconds()).await;
    assert!(far.count(Call::Attend) - before >= 4);

    let stopped_at = Instant::now();
    let summary = running.stop().await;
    assert!(stopped_at.elapsed() <= 10.seconds(), "{:?}", stopped_at.elapsed());
    assert_eq!(summary.enqueued, ticks(&store, "one").await.len() as u64);
    assert!(summary.enqueued < 300, "{summary:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_while_it_is_looked_at_does_not_hold_up_a_stop() {
    let far = FaultyStore::new(&store());
    let running = Running::start(scheduler(&far, Vec::new()));
    tokio::time::sleep(1.seconds()).await;
    far.rule(|_| Fault { takes: 10.minutes(), ..Fault::default() });
    tokio::time::sleep(30.seconds()).await;

    let stopped_at = Instant::now();
    running.stop().await;
    assert!(stopped_at.elapsed() <= 1.seconds(), "{:?}", stopped_at.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_some_schedules_owe_does_not_hold_up_others() {
    let store = store();
    let far = FaultyStore::new(&store);
    let owing = Schedule::every(1.seconds()).catch_up(CatchUp::all(1_000)).record(record("one"));
    let schedules = || {
        let mut schedules = many(40, &owing);
        let healthy = Schedule::every(2.seconds()).record(record("two"));
        schedules.push(("healthy".to_owned(), healthy));
        schedules
    };
    let running = Running::start(scheduler(&far, schedules()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    running.stop().await;
    tokio::time::sleep(1_000.seconds()).await;
    seconds(&store, "two").await;

    far.rule(claims_take(Duration::from_millis(20)));
    let running = Running::start(scheduler(&far, schedules()));
    tokio::time::sleep(19.seconds()).await;
    let expected: Vec<u64> = (500..=509).map(|n| n * 2).collect();
    assert_eq!(seconds(&store, "two").await, expected);
    tokio::time::sleep(60.seconds()).await;
    running.stop().await;
    let owed = ticks(&store, "one").await;
    assert!(owed.iter().filter(|(name, _)| name == "g/s7").count() >= 1_070);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_is_asked_now_and_then_and_by_one_schedule() {
    let store = store();
    let far = FaultyStore::new(&store);
    let one = QueueName::new("one").unwrap();
    let limits = Limits::new().max_size(1);
    store.set_limits(&LimitScope::Queue(one), LimitSource::Code, &limits).await.unwrap();
    let hourly = Schedule::hourly().record(record("one"));
    let mut schedules = many(1_000, &hourly);
    let elsewhere = Schedule::every(1.seconds()).record(record("two"));
    schedules.push(("elsewhere".to_owned(), elsewhere));
    let running = Running::start(scheduler(&far, schedules));
    tokio::time::sleep(1.hours() - 1.seconds()).await;
    seconds(&store, "two").await;
    let before = far.count(Call::Claim);
    tokio::time::sleep(60.seconds()).await;

    assert_eq!(seconds(&store, "two").await.len(), 60, "other queues go on");
    let claims = far.count(Call::Claim) - before - 60;
    assert!(claims <= 40, "{claims}");
    assert_eq!(seconds(&store, "one").await.len(), 1);
    tokio::time::sleep(30.seconds()).await;
    assert_eq!(seconds(&store, "one").await.len(), 1, "it goes on when there is room");
    let summary = running.stop().await;
    assert!((1..=100).contains(&summary.failed), "{summary:?}");
}

#[tokio::test(start_paused = true)]
async fn claims_that_others_supersede_are_tried_again_at_a_pace() {
    let store = store();
    let far = FaultyStore::new(&store);
    let every = Schedule::every(1.seconds()).record(record("one"));
    let running = Running::start(scheduler(&far, vec![("a".to_owned(), every)]));
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let schedule = ScheduleRef::new("g".parse().unwrap(), ScheduleName::new("a").unwrap());
    let mut claim = Claim::new(schedule, QueueName::new("one").unwrap(), None);
    let now = Backend::clock(&store).now();
    (claim.revision, claim.good_until) = (1 << 40, now + 1.seconds());
    claim.tick = Some(Tick::new(now, now));
    store.claim(&claim).await.unwrap();
    tokio::time::sleep(60.seconds()).await;

    assert!(far.count(Call::Claim) <= 12, "{}", far.count(Call::Claim));
    assert!(far.count(Call::Attend) <= 20, "{}", far.count(Call::Attend));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_single_pass_says_that_a_job_was_refused() {
    let store = store();
    let one = QueueName::new("one").unwrap();
    let limits = Limits::new().max_size(1);
    store.set_limits(&LimitScope::Queue(one), LimitSource::Code, &limits).await.unwrap();
    let far = FaultyStore::new(&store);
    let pass = || {
        let mut schedules = many(2, &Schedule::hourly().record(record("one")));
        let elsewhere = Schedule::hourly().record(record("two"));
        schedules.push(("elsewhere".to_owned(), elsewhere));
        scheduler(&far, schedules).run_once()
    };
    pass().await.unwrap();
    tokio::time::sleep(1.hours()).await;

    let error = pass().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limited);
    assert!(error.to_string().starts_with("1 of 3 claims failed: "), "{error}");
    assert_eq!((ticks(&store, "one").await.len(), ticks(&store, "two").await.len()), (1, 1));
    assert_eq!(pass().await.unwrap().enqueued, 1);
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_whose_claims_fail_is_not_ready_until_one_works() {
    let store = store();
    let far = FaultyStore::new(&store);
    let scheduler = scheduler(&far, many(2, &Schedule::every(10.seconds()).record(record("one"))));
    let vitals = scheduler.vitals();
    let running = Running::start(scheduler);
    tokio::time::sleep(12.seconds()).await;
    assert_eq!(vitals.condition(), Condition::Ready);

    far.rule(|call| if call == Call::Claim { Fault::FAILS } else { Fault::default() });
    // Also after looks that work.
    for _ in 0..6 {
        tokio::time::sleep(10.seconds()).await;
        let condition = vitals.condition();
        let Condition::Disconnected(why) = &condition else { panic!("{condition:?}") };
        assert!(why.starts_with("schedule s"), "{why}");
    }

    far.rule(|_| Fault::default());
    tokio::time::sleep(45.seconds()).await;
    assert_eq!(vitals.condition(), Condition::Ready);
    running.stop().await;
    assert_eq!(vitals.condition(), Condition::Stopped);
}

#[tokio::test(start_paused = true)]
async fn a_scheduler_that_is_refused_by_a_limit_is_ready() {
    let store = store();
    let queue = LimitScope::Queue(QueueName::new("one").unwrap());
    let full = Limits::new().max_size(1);
    store.set_limits(&queue, LimitSource::Code, &full).await.unwrap();
    let far = FaultyStore::new(&store);
    let scheduler = scheduler(&far, many(1, &Schedule::every(10.seconds()).record(record("one"))));
    let vitals = scheduler.vitals();
    let running = Running::start(scheduler);

    tokio::time::sleep(1.minutes()).await;

    let failed = vitals.counts().into_iter().find(|(measure, _)| measure.name.contains("failed"));
    assert!(failed.unwrap().1 > 0, "it was refused");
    assert_eq!(vitals.condition(), Condition::Ready);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_log_says_in_words_that_the_store_is_out_of_reach_and_back() {
    let far = FaultyStore::new(&store());
    let log = Log::begin();
    let running = Running::start(scheduler(&far, Vec::new()));

    tokio::time::sleep(1.minutes()).await;
    far.rule(|_| Fault::FAILS);
    tokio::time::sleep(1.minutes()).await;
    far.rule(|_| Fault::default());
    tokio::time::sleep(1.minutes()).await;
    running.stop().await;

    assert_eq!(
        log.lines(),
        [
            "WARN jobq: scheduler cannot read its group group=g error=the test says so",
            "INFO jobq: scheduler can read its group again group=g",
        ]
    );
}
