//! Clocks that are put forward and back, outages, and passes that see each other only now and then: nobody
//! takes another for dead that lives.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::collections::BTreeMap;

use jobq_core::MemoryBackend;
use jobq_scheduler::{CatchUp, Schedule, Scheduler, TimeUnits, Timetable};
use support::{MONDAY, Running, StepClock, ack, backend, lease, prune, queue, sleep_until, ticks};

const HOUR: u64 = 3_600;

fn hourly_at(minute: u8) -> Schedule {
    Schedule::hourly_at(minute).catch_up(CatchUp::all(100)).job(prune())
}

fn version(backend: &MemoryBackend, stamp: u64, minutes: &[(&str, u8)]) -> Scheduler {
    let schedules = minutes.iter().map(|(name, minute)| (*name, hourly_at(*minute)));
    Scheduler::new(backend.clone()).group("shop").deploy_stamp(stamp).schedules(schedules)
}

fn timetable(backend: &MemoryBackend) -> Timetable {
    Timetable::new(backend.clone(), "shop").unwrap()
}

/// How many jobs each schedule has enqueued.
async fn counts(backend: &MemoryBackend) -> BTreeMap<String, usize> {
    let maintenance = queue("maintenance");
    let mut counts = BTreeMap::new();
    for lease in lease(backend, &maintenance).await {
        ack(backend, &maintenance, &lease).await;
        *counts.entry(lease.job.metadata.get("schedule").unwrap().to_owned()).or_default() += 1;
    }
    counts
}

fn each<const N: usize>(expected: [(&str, usize); N]) -> BTreeMap<String, usize> {
    expected.into_iter().map(|(name, count)| (format!("shop/{name}"), count)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_put_forward_removes_nothing_of_others() {
    for newer_looks_first in [false, true] {
        let clock = StepClock::new();
        let backend = MemoryBackend::with_clock(clock.clone());
        let old = version(&backend, 1, &[("a", 30), ("old", 10)]);
        let new = version(&backend, 2, &[("a", 30), ("new", 20)]);
        let (first, second) = if newer_looks_first { (new, old) } else { (old, new) };
        let first = Running::start(first);
        tokio::time::sleep(5.seconds()).await;
        let second = Running::start(second);
        tokio::time::sleep(61.seconds()).await;
        clock.step(5 * 3_600_000);
        tokio::time::sleep(3.minutes()).await;

        assert_eq!(counts(&backend).await, each([("a", 5), ("new", 5), ("old", 5)]));
        drop((first, second));
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_first_after_an_outage_removes_nothing_of_others() {
    let backend = backend();
    // Two programs of one service, and two definitions of "a".
    let one = || version(&backend, 1, &[("a", 0), ("one", 10)]);
    let two = || version(&backend, 2, &[("a", 30), ("two", 20)]);
    let running = [Running::start(one()), Running::start(two())];
    tokio::time::sleep(30.seconds()).await;
    drop(running);
    sleep_until(&backend, MONDAY + 5.hours()).await;
    let first = Running::start(one());
    tokio::time::sleep(2.seconds()).await;
    let second = Running::start(two());
    tokio::time::sleep(5.minutes()).await;

    assert_eq!(counts(&backend).await, each([("a", 5), ("one", 5), ("two", 5)]));
    drop((first, second));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_declares_any_more_rests_at_once() {
    let backend = backend();
    let old = Running::start(version(&backend, 1, &[("a", 1), ("b", 2)]));
    tokio::time::sleep(40.seconds()).await;
    old.stop().await;
    let new = Running::start(version(&backend, 2, &[("a", 1)]));
    sleep_until(&backend, MONDAY + 3.hours()).await;

    assert_eq!(counts(&backend).await, each([("a", 3)]));
    assert_eq!(timetable(&backend).list().await.unwrap().len(), 1);
    new.stop().await;
}

#[tokio::test(start_paused = true)]
async fn passes_of_two_versions_in_turn_agree() {
    let backend = backend();
    for _ in 0..5 * 60 {
        version(&backend, 1, &[("a", 0), ("old", 10)]).run_once().await.unwrap();
        tokio::time::sleep(30.seconds()).await;
        version(&backend, 2, &[("a", 30), ("new", 20)]).run_once().await.unwrap();
        tokio::time::sleep(30.seconds()).await;
    }
    assert_eq!(counts(&backend).await, each([("a", 5), ("new", 5), ("old", 5)]));

    // The old one is gone.
    for _ in 0..60 {
        version(&backend, 2, &[("a", 30), ("new", 20)]).run_once().await.unwrap();
        tokio::time::sleep(1.minutes()).await;
    }
    assert_eq!(counts(&backend).await, each([("a", 1), ("new", 1)]));
    let names = timetable(&backend).list().await.unwrap().into_iter().map(|view| view.name);
    assert_eq!(names.map(|name| name.to_string()).collect::<Vec<_>>(), ["a", "new"]);
}

#[tokio::test(start_paused = true)]
async fn an_operators_schedule_makes_room_for_the_codes_of_its_name() {
    let backend = backend();
    timetable(&backend).add("x", hourly_at(7)).await.unwrap();
    let code = Running::start(version(&backend, 1, &[("x", 1)]));
    tokio::time::sleep(40.seconds()).await;
    timetable(&backend).remove("x").await.unwrap();
    tokio::time::sleep(15.seconds()).await;
    let view = timetable(&backend).get("x").await.unwrap().unwrap();
    assert_eq!(view.description, "every hour at minute 1, UTC");
    sleep_until(&backend, MONDAY + 2.hours()).await;

    assert_eq!(ticks(&backend, "maintenance").await, [60, HOUR + 60]);
    code.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_goes_on_at_once_when_it_is_resumed_after_its_clock_was_far_ahead() {
    let clock = StepClock::new();
    let backend = MemoryBackend::with_clock(clock.clone());
    let running = Running::start(version(&backend, 1, &[("a", 0)]));
    tokio::time::sleep(10.seconds()).await;
    clock.step(24 * 3_600_000);
    tokio::time::sleep(30.seconds()).await;
    assert_eq!(counts(&backend).await, each([("a", 24)]));
    clock.step(-24 * 3_600_000);
    sleep_until(&backend, MONDAY + 61.minutes()).await;
    assert_eq!(counts(&backend).await, each([]), "all of these ticks have been enqueued");
    timetable(&backend).resume("a").await.unwrap();
    sleep_until(&backend, MONDAY + 5.hours() + 1.minutes()).await;

    // Told to, it goes on from now: the ticks that come have been enqueued before, and are again.
    assert_eq!(counts(&backend).await, each([("a", 4)]));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_schedule_that_was_first_known_while_the_clock_was_far_ahead_is_run_when_it_is_right() {
    let clock = StepClock::new();
    let backend = MemoryBackend::with_clock(clock.clone());
    let days = 300 * 86_400_000;
    clock.step(days);
    let running = Running::start(version(&backend, 1, &[("a", 0)]));
    tokio::time::sleep(10.seconds()).await;
    clock.step(-days);
    sleep_until(&backend, MONDAY + 2.hours() + 1.minutes()).await;

    assert_eq!(counts(&backend).await, each([("a", 2)]));
    running.stop().await;
}
