//! Versions of a program that run side by side, and what is left of their schedules.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use jobq_core::schedules::Schedules;
use jobq_core::{GroupName, MemoryBackend};
use jobq_scheduler::{CatchUp, Schedule, Scheduler, TimeUnits, Timetable};
use support::{MONDAY, Running, backend, prune, sleep_until, ticks};

fn version(backend: &MemoryBackend, stamp: u64, schedules: &[(&str, Schedule)]) -> Running {
    let scheduler = Scheduler::new(backend.clone()).group("shop").deploy_stamp(stamp);
    Running::start(scheduler.schedules(schedules.iter().cloned()))
}

fn hourly_at(minute: u8) -> Schedule {
    Schedule::hourly_at(minute).job(prune())
}

async fn list(backend: &MemoryBackend) -> Vec<String> {
    let timetable = Timetable::new(backend.clone(), "shop").unwrap();
    let views = timetable.list().await.unwrap().into_iter();
    views.map(|view| format!("{}: {}", view.name, view.description)).collect()
}

async fn revision(backend: &MemoryBackend) -> u64 {
    backend.entries(&GroupName::new("shop").unwrap()).await.unwrap().revision
}

const MOMENT: Duration = Duration::from_secs(1);
/// Until what nobody declares is removed.
const A_WHILE: Duration = Duration::from_secs(80);

#[tokio::test(start_paused = true)]
async fn a_schedule_that_left_the_code_leaves_the_group() {
    let backend = backend();
    let old = version(&backend, 1, &[("a", hourly_at(0)), ("b", hourly_at(5))]);
    tokio::time::sleep(MOMENT).await;
    assert_eq!(list(&backend).await, ["a: every hour, UTC", "b: every hour at minute 5, UTC"]);
    old.stop().await;
    assert_eq!(list(&backend).await.len(), 2);
    let new = version(&backend, 2, &[("a", hourly_at(0))]);
    tokio::time::sleep(A_WHILE).await;

    assert_eq!(list(&backend).await, ["a: every hour, UTC"]);
    sleep_until(&backend, MONDAY + 3.hours() + 10.minutes()).await;
    assert_eq!(ticks(&backend, "maintenance").await.len(), 3);
    new.stop().await;
}

#[tokio::test(start_paused = true)]
async fn two_versions_side_by_side_agree() {
    let backend = backend();
    let one = || [("a", hourly_at(0)), ("old", hourly_at(1))];
    let two = || [("a", hourly_at(30)), ("new", hourly_at(2))];
    let old = [version(&backend, 1, &one()), version(&backend, 1, &one())];
    tokio::time::sleep(MOMENT).await;
    let new = version(&backend, 2, &two());
    tokio::time::sleep(MOMENT).await;
    let agreed = [
        "a: every hour at minute 30, UTC",
        "new: every hour at minute 2, UTC",
        "old: every hour at minute 1, UTC",
    ];
    assert_eq!(list(&backend).await, agreed);

    let before = revision(&backend).await;
    tokio::time::sleep(10.minutes()).await;
    assert_eq!(revision(&backend).await, before, "nothing goes back and forth");
    let [one, other] = old;
    one.stop().await;
    tokio::time::sleep(1.minutes()).await;
    assert_eq!(list(&backend).await, agreed, "one of the old version is left");
    drop(other); // killed
    tokio::time::sleep(60.seconds() + A_WHILE).await;
    assert_eq!(list(&backend).await, agreed[..2]);
    new.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_taken_back_leaves_what_was_before() {
    let backend = backend();
    let old = version(&backend, 1, &[("a", hourly_at(0))]);
    tokio::time::sleep(MOMENT).await;
    let new = version(&backend, 2, &[("a", hourly_at(30)), ("b", hourly_at(5))]);
    tokio::time::sleep(20.seconds()).await;
    new.stop().await;
    tokio::time::sleep(A_WHILE).await;

    assert_eq!(list(&backend).await, ["a: every hour, UTC"]);
    old.stop().await;
}

#[tokio::test(start_paused = true)]
async fn equal_stamps_do_not_fight() {
    let backend = backend();
    let one = version(&backend, 1, &[("a", hourly_at(0))]);
    tokio::time::sleep(MOMENT).await;
    let other = version(&backend, 1, &[("a", hourly_at(30))]);
    tokio::time::sleep(MOMENT).await;
    let before = revision(&backend).await;
    tokio::time::sleep(5.minutes()).await;

    assert_eq!(revision(&backend).await, before);
    assert_eq!(list(&backend).await, ["a: every hour, UTC"]);
    one.stop().await;
    tokio::time::sleep(20.seconds()).await;
    assert_eq!(list(&backend).await, ["a: every hour at minute 30, UTC"]);
    other.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_operator_has_added_stays() {
    let backend = backend();
    let timetable = Timetable::new(backend.clone(), "shop").unwrap();
    timetable.add("theirs", hourly_at(7)).await.unwrap();
    let code = version(&backend, 1, &[("ours", hourly_at(0)), ("theirs", hourly_at(9))]);
    tokio::time::sleep(MOMENT).await;

    let both = ["ours: every hour, UTC", "theirs: every hour at minute 7, UTC"];
    assert_eq!(list(&backend).await, both);
    let refusal = timetable.remove("ours").await.unwrap_err();
    assert!(refusal.to_string().contains("declared by code"), "{refusal}");
    code.stop().await;
    let without = version(&backend, 2, &[]);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(list(&backend).await, both[1..]);
    without.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_job_keeps_missed_ticks_owed_and_new_times_do_not() {
    for (after, expected) in [(Schedule::hourly(), vec![7_200]), (Schedule::hourly_at(50), vec![])]
    {
        let backend = backend();
        let old = version(&backend, 1, &[("a", Schedule::hourly().job(prune()))]);
        sleep_until(&backend, MONDAY + 61.minutes()).await;
        old.stop().await;
        assert_eq!(ticks(&backend, "maintenance").await, [3_600]);
        sleep_until(&backend, MONDAY + 130.minutes()).await;
        let new = version(&backend, 2, &[("a", after.job(support::Prune { hours: 1 }))]);
        tokio::time::sleep(MOMENT).await;

        assert_eq!(ticks(&backend, "maintenance").await, expected);
        new.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_schedule_goes_on_in_another_queue_without_a_tick_lost_or_repeated() {
    let backend = backend();
    let every = || {
        let each = Schedule::every(5.seconds()).catch_up(CatchUp::all(1_000));
        each.job(prune())
    };
    let old = version(&backend, 1, &[("a", every())]);
    sleep_until(&backend, MONDAY + 62.seconds()).await;
    // The old one goes on for a while, and does not know of the move at first.
    let new = version(&backend, 2, &[("a", every().on("elsewhere"))]);
    sleep_until(&backend, MONDAY + 5.minutes()).await;
    old.stop().await;
    sleep_until(&backend, MONDAY + 10.minutes() + 1.seconds()).await;
    new.stop().await;

    let here = ticks(&backend, "maintenance").await;
    let there = ticks(&backend, "elsewhere").await;
    assert!(here.len() >= 12 && there.len() > 80, "{here:?}, {there:?}");
    let all: Vec<_> = here.into_iter().chain(there).collect();
    let expected: Vec<u64> = (1..=120).map(|n| n * 5).collect();
    assert_eq!(all, expected);
}

#[tokio::test(start_paused = true)]
async fn a_removed_schedule_that_comes_back_repeats_nothing() {
    let backend = backend();
    let daily = || [("a", Schedule::daily_at("01:00").job(prune()))];
    let one = version(&backend, 1, &daily());
    sleep_until(&backend, MONDAY + 1.hours() + 1.seconds()).await;
    one.stop().await;
    let without = version(&backend, 2, &[]);
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(list(&backend).await, [""; 0]);
    without.stop().await;
    let again = version(&backend, 3, &daily());
    tokio::time::sleep(MOMENT).await;

    assert_eq!(ticks(&backend, "maintenance").await, [3_600]);
    sleep_until(&backend, MONDAY + 25.hours() + 1.seconds()).await;
    assert_eq!(ticks(&backend, "maintenance").await, [25 * 3_600]);
    again.stop().await;
}
