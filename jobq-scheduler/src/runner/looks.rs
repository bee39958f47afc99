//! Looks that fail half-way, and schedulers that look at the same moment.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::MemoryBackend;
use jobq_core::schedules::Schedules;

use crate::faults::{Call, Fault, FaultyStore, Running, TokioClock, record, seconds};
use crate::firing::ScheduleStore;
use crate::policy::CatchUp;
use crate::schedule::Schedule;
use crate::scheduler::Scheduler;
use crate::timetable::Timetable;
use crate::units::TimeUnits;

fn store() -> MemoryBackend {
    MemoryBackend::with_clock(TokioClock::new())
}

fn every_five_seconds(queue: &str) -> Schedule {
    Schedule::every(5.seconds()).catch_up(CatchUp::all(1_000)).record(record(queue))
}

fn version(
    store: impl ScheduleStore,
    stamp: u64,
    schedules: impl IntoIterator<Item = (&'static str, Schedule)>,
) -> Running {
    let scheduler = Scheduler::on(Arc::new(store)).group("g").deploy_stamp(stamp);
    Running::start(scheduler.schedules(schedules))
}

/// The schedules that are run.
async fn names(store: &MemoryBackend) -> Vec<String> {
    let list = Timetable::new(store.clone(), "g").unwrap().list().await.unwrap();
    let run = list.into_iter().filter(|view| view.next_at.is_some());
    run.map(|view| view.name.to_string()).collect()
}

fn entries_fail(call: Call) -> Fault {
    if call == Call::Entries { Fault::FAILS } else { Fault::default() }
}

#[tokio::test(start_paused = true)]
async fn who_cannot_read_that_a_schedule_has_moved_stops_claiming_it() {
    let store = store();
    let far = FaultyStore::new(&store);
    let old = version(far.clone(), 1, [("a", every_five_seconds("one"))]);
    tokio::time::sleep(31.seconds()).await;
    far.rule(entries_fail);
    let new = version(store.clone(), 2, [("a", every_five_seconds("two"))]);
    tokio::time::sleep(6.minutes()).await;
    drop((old, new));

    let mut all = seconds(&store, "one").await;
    all.extend(seconds(&store, "two").await);
    all.sort_unstable();
    let expected: Vec<u64> = (1..=78).map(|n| n * 5).collect();
    assert_eq!(all, expected);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_read_that_a_schedule_was_removed_stops_claiming_it() {
    let store = store();
    let timetable = Timetable::new(store.clone(), "g").unwrap();
    timetable.add("a", every_five_seconds("one")).await.unwrap();
    let far = FaultyStore::new(&store);
    let running = version(far.clone(), 1, []);
    tokio::time::sleep(31.seconds()).await;
    far.rule(entries_fail);
    timetable.remove("a").await.unwrap();
    tokio::time::sleep(10.minutes()).await;

    let last = seconds(&store, "one").await.pop().unwrap();
    assert!(last <= 31 + 45, "{last}");
    assert!(far.count(Call::Attend) > 100, "it goes on trying");
    far.rule(|_| Fault::default());
    tokio::time::sleep(10.seconds()).await;
    assert_eq!(seconds(&store, "one").await, [0_u64; 0]);
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn who_comes_while_another_reads_the_group_keeps_what_is_his() {
    let store = store();
    let far = FaultyStore::new(&store);
    let ms = Duration::from_millis;
    far.rule(move |call| match call {
        Call::Entries => Fault { takes: ms(20), ..Fault::default() },
        _ => Fault::default(),
    });
    let one = version(far, 1, [("a", every_five_seconds("one"))]);
    tokio::time::sleep(ms(10)).await;
    let two = version(
        store.clone(),
        1,
        [("a", every_five_seconds("one")), ("b", every_five_seconds("one"))],
    );
    for _ in 0..200 {
        tokio::time::sleep(ms(100)).await;
        assert_eq!(names(&store).await, ["a", "b"]);
    }
    let entries = store.entries(&"g".parse().unwrap()).await.unwrap();
    assert_eq!(entries.entries.keys().filter(|key| key.starts_with("d:")).count(), 2);
    drop((one, two));
}

/// One scheduler sweeps what was removed a day ago; another one has it again, and claims a tick.
#[tokio::test(start_paused = true)]
async fn what_comes_back_while_it_is_swept_repeats_nothing() {
    let store = store();
    let hourly = || [("x", Schedule::hourly().record(record("one")))];
    let without = || Scheduler::on(Arc::new(store.clone())).group("g").deploy_stamp(2);
    let first = version(store.clone(), 1, hourly());
    tokio::time::sleep(1.seconds()).await;
    first.stop().await;
    assert_eq!(names(&store).await, ["x"]);
    let removes = Running::start(without());
    tokio::time::sleep(10.minutes()).await;
    removes.stop().await;
    assert_eq!(names(&store).await, [""; 0]);
    tokio::time::sleep(25.hours() - 10.minutes() - 3.seconds()).await;

    let far = FaultyStore::new(&store);
    far.rule(|call| match call {
        Call::ChangeMark | Call::Amend => Fault { takes: 5.seconds(), ..Fault::default() },
        _ => Fault::default(),
    });
    let sweeps = Running::start(Scheduler::on(Arc::new(far)).group("g").deploy_stamp(2));
    tokio::time::sleep(1.seconds()).await;
    let back = version(store.clone(), 3, hourly());
    tokio::time::sleep(3.seconds()).await;
    assert_eq!(seconds(&store, "one").await, [25 * 3_600]);
    tokio::time::sleep(30.seconds()).await;
    drop((sweeps, back));
    let again = version(store.clone(), 3, hourly());
    tokio::time::sleep(30.seconds()).await;
    assert_eq!(seconds(&store, "one").await, [0_u64; 0]);
    again.stop().await;
}

#[tokio::test(start_paused = true)]
async fn many_schedules_change_their_queue_with_few_questions() {
    let store = store();
    let far = FaultyStore::new(&store);
    let many = |queue: &'static str| {
        let schedules =
            (0..500).map(move |number| (format!("s{number}"), every_five_seconds(queue)));
        Scheduler::on(Arc::new(far.clone())).group("g").schedules(schedules)
    };
    let old = Running::start(many("one").deploy_stamp(1));
    tokio::time::sleep(12.seconds()).await;
    old.stop().await;
    let new = Running::start(many("two").deploy_stamp(2));
    let before = far.count(Call::Entries);
    tokio::time::sleep(2.minutes()).await;

    assert!(far.count(Call::Entries) - before <= 10, "{}", far.count(Call::Entries) - before);
    new.stop().await;
    assert_eq!(seconds(&store, "one").await.len(), 500 * 2);
    assert_eq!(seconds(&store, "two").await.len(), 500 * 24);
}
