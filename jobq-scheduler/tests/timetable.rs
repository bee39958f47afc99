//! What people see of schedules and do to them, in paused time.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::schedules::{Change, Entries, Schedules};
use jobq_core::{ErrorKind, GroupName, MemoryBackend};
use jobq_scheduler::{CatchUp, Schedule, Scheduler, Source, TimeUnits, Timetable};
use support::{MONDAY, Running, backend, prune, sleep_until, ticks};

fn timetable(backend: &MemoryBackend) -> Timetable {
    Timetable::new(backend.clone(), "shop").unwrap()
}

fn running(backend: &MemoryBackend, stamp: u64, schedule: Schedule) -> Running {
    let scheduler = Scheduler::new(backend.clone()).group("shop").deploy_stamp(stamp);
    Running::start(scheduler.schedule("a", schedule))
}

fn every_five_seconds() -> Schedule {
    Schedule::every(5.seconds()).catch_up(CatchUp::all(1_000)).job(prune())
}

async fn entries(backend: &MemoryBackend) -> Entries {
    backend.entries(&GroupName::new("shop").unwrap()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_while_a_schedule_moves_to_another_queue() {
    let backend = backend();
    let old = running(&backend, 1, every_five_seconds());
    tokio::time::sleep(12.seconds()).await;
    old.stop().await;
    let new = running(&backend, 2, every_five_seconds().on("elsewhere"));
    tokio::time::sleep(5.seconds()).await;
    let view = timetable(&backend).get("a").await.unwrap().unwrap();
    assert_eq!(view.last_tick, Some(MONDAY + 10.seconds()), "where it stood");
    timetable(&backend).pause("a").await.unwrap();
    assert!(timetable(&backend).list().await.unwrap()[0].paused);
    tokio::time::sleep(3.minutes()).await;
    assert_eq!(ticks(&backend, "elsewhere").await, [0_u64; 0]);
    new.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_resume_holds_while_a_schedule_moves_to_another_queue() {
    let backend = backend();
    let old = running(&backend, 1, every_five_seconds());
    tokio::time::sleep(12.seconds()).await;
    timetable(&backend).pause("a").await.unwrap();
    old.stop().await;
    let new = running(&backend, 2, every_five_seconds().on("elsewhere"));
    tokio::time::sleep(5.seconds()).await;
    assert!(timetable(&backend).list().await.unwrap()[0].paused, "also in the new one");
    timetable(&backend).resume("a").await.unwrap();
    tokio::time::sleep(104.seconds()).await;

    let expected: Vec<u64> = (4..=24).map(|n| n * 5).collect();
    assert_eq!(ticks(&backend, "elsewhere").await, expected);
    new.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_tick_that_jitter_has_put_off_is_shown() {
    let backend = backend();
    let hourly = Schedule::hourly().jitter(30.minutes()).job(prune());
    let running = running(&backend, 1, hourly);
    tokio::time::sleep(1.seconds()).await;
    let next = timetable(&backend).next("a", 2).await.unwrap();
    assert!(next[0] > MONDAY + 1.hours() && next[0] < MONDAY + 90.minutes(), "{next:?}");
    sleep_until(&backend, next[0] - Duration::from_millis(1)).await;

    assert_eq!(timetable(&backend).next("a", 2).await.unwrap(), next);
    assert_eq!(timetable(&backend).list().await.unwrap()[0].next_at, Some(next[0]));
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(timetable(&backend).list().await.unwrap()[0].next_at, Some(next[1]));
    assert_eq!(ticks(&backend, "maintenance").await, [3_600]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_service_has_left_behind_can_be_removed() {
    let backend = backend();
    let running = running(&backend, 1, Schedule::hourly().job(prune()));
    tokio::time::sleep(1.seconds()).await;
    let refusal = timetable(&backend).remove("a").await.unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::Conflict);
    drop(running); // killed: it counts as living for a minute
    tokio::time::sleep(30.seconds()).await;
    assert_eq!(timetable(&backend).remove("a").await.unwrap_err().kind(), ErrorKind::Conflict);
    tokio::time::sleep(31.seconds()).await;

    timetable(&backend).remove("a").await.unwrap();
    assert_eq!(timetable(&backend).list().await.unwrap(), []);
    timetable(&backend).add("a", Schedule::daily().job(prune())).await.unwrap();
    assert_eq!(timetable(&backend).list().await.unwrap()[0].source, Source::Operator);
}

#[tokio::test(start_paused = true)]
async fn one_schedule_that_cannot_be_run_here_does_not_hide_the_others() {
    let backend = backend();
    let table = timetable(&backend);
    table.add("a", Schedule::hourly().job(prune())).await.unwrap();
    let zoned = Schedule::daily_at("02:00").timezone("Europe/Warsaw").job(prune());
    table.add("b", zoned).await.unwrap();
    let known = entries(&backend).await;
    let bytes = &known.entries["s:b"];
    let at = bytes.windows(13).position(|part| part == b"Europe/Warsaw").unwrap();
    let mut elsewhere = bytes.clone();
    elsewhere[at..at + 13].copy_from_slice(b"Moon/Colony_1");
    let changes = [
        Change::Put("s:b".into(), elsewhere),
        Change::Put("s:c".into(), b"from the future".to_vec()),
    ];
    backend.amend(&GroupName::new("shop").unwrap(), known.revision, &changes).await.unwrap();

    let list = table.list().await.unwrap();
    assert_eq!(list.len(), 2);
    let told = &list[1].description;
    assert!(told.starts_with("cannot be run here: time zone \"Moon/Colony_1\""), "{told}");
    for refusal in [table.get("c").await.unwrap_err(), table.remove("c").await.unwrap_err()] {
        assert!(refusal.to_string().starts_with("schedule \"c\": it was written by"), "{refusal}");
    }
    table.remove("b").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_is_added_is_not_paused_like_what_was_there_before() {
    let backend = backend();
    let running = Running::start(Scheduler::new(backend.clone()).group("shop"));
    let table = timetable(&backend);
    table.add("a", Schedule::hourly().job(prune())).await.unwrap();
    tokio::time::sleep(20.seconds()).await;
    table.pause("a").await.unwrap();
    table.remove("a").await.unwrap();
    table.add("a", Schedule::hourly().job(prune())).await.unwrap();

    assert!(!table.list().await.unwrap()[0].paused, "it is another one");
    sleep_until(&backend, MONDAY + 61.minutes()).await;
    assert_eq!(ticks(&backend, "maintenance").await, [3_600]);
    running.stop().await;
}
