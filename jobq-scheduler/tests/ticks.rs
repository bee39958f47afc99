//! Ticks of a schedule, one after the other, as users ask for them.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use jobq_core::Timestamp;
use jobq_scheduler::{Schedule, TimeUnits, Timing};

/// 2026-11-22T04:25:07.042Z
const NOW: Timestamp = Timestamp::from_millis(1_795_321_507_042);

fn shown(ticks: &[Timestamp]) -> Vec<String> {
    ticks.iter().map(ToString::to_string).collect()
}

fn timing(schedule: &Schedule) -> Timing {
    schedule.timing().unwrap()
}

#[test]
fn ticks_between_two_instants_are_bounded() {
    let hourly = timing(&Schedule::hourly());
    let two_hours = hourly.between(NOW, NOW + 2.hours(), 10);

    assert_eq!(shown(&two_hours), ["2026-11-22T05:00:00.000Z", "2026-11-22T06:00:00.000Z"]);
    assert_eq!(hourly.between(NOW, NOW + 1_000.hours(), 3).len(), 3);
    // After one instant, up to and with the other.
    assert_eq!(hourly.between(two_hours[0], two_hours[1], 10), two_hours[1..]);
    assert_eq!(hourly.between(NOW, NOW, 10), []);
}

#[test]
fn intervals_are_the_same_for_everybody_or_count_from_their_start() {
    let every = timing(&Schedule::every(90.minutes()));
    let started = timing(&Schedule::every(90.minutes()).starts_at(NOW));

    assert_eq!(every.next_after(NOW).unwrap().to_string(), "2026-11-22T04:30:00.000Z");
    assert_eq!(started.next_after(NOW - 1.days()), Some(NOW));
    assert_eq!(started.next_after(NOW), Some(NOW + 90.minutes()));
    assert_eq!(started.previous_before(NOW), None);
}

#[test]
fn nothing_ticks_before_the_start_or_from_the_end_on() {
    let bounded = timing(&Schedule::daily_at("02:00").starts_at(NOW).ends_at(NOW + 3.days()));
    let all: Vec<_> = bounded.ticks_after(Timestamp::EPOCH).collect();

    assert_eq!(
        shown(&all),
        ["2026-11-23T02:00:00.000Z", "2026-11-24T02:00:00.000Z", "2026-11-25T02:00:00.000Z"]
    );
    assert_eq!(bounded.previous_before(NOW), None);
    assert_eq!(bounded.previous_before(NOW + 1_000.days()), Some(all[2]));
    let end = timing(&Schedule::daily_at("02:00").starts_at(all[0]).ends_at(all[1]));
    assert_eq!(end.ticks_after(Timestamp::EPOCH).collect::<Vec<_>>(), all[..1]);
}

#[test]
fn jitter_is_the_same_for_the_same_tick_and_spread_over_all_of_it() {
    let timing = timing(&Schedule::hourly().jitter(60.seconds()));
    let delay = |name: &str, tick| timing.runs_at(name, tick).since(tick);
    let ticks: Vec<_> = timing.ticks_after(NOW).take(1_000).collect();
    let delays: Vec<_> = ticks.iter().map(|tick| delay("billing/prune", *tick)).collect();

    assert!(delays.iter().all(|delay| *delay < 60.seconds()));
    for quarter in 0..4_u32 {
        let bounds = 15.seconds() * quarter..15.seconds() * (quarter + 1);
        let count = delays.iter().filter(|delay| bounds.contains(delay)).count();
        assert!((200..300).contains(&count), "{count} of 1,000 in quarter {quarter}");
    }
    let others: Vec<_> = ticks.iter().map(|tick| delay("billing/sync", *tick)).collect();
    assert_ne!(delays, others);
    // It must never change, or machines of two versions would run a tick at two times.
    assert_eq!(delay("billing/prune", Timestamp::EPOCH), Duration::from_millis(41_758));
}

#[test]
fn far_ends_of_time_are_no_trouble() {
    let last = Timestamp::from_millis(u64::MAX);
    for schedule in
        [Schedule::daily(), Schedule::every_minute(), Schedule::yearly_on(2, 29, "02:00")]
    {
        let timing = timing(&schedule);
        assert_eq!(timing.next_after(last), None);
        assert!(timing.previous_before(last).is_some());
        assert_eq!(timing.previous_before(Timestamp::EPOCH), None);
        assert!(timing.next_after(Timestamp::EPOCH).is_some());
    }
    let every = timing(&Schedule::every(1.seconds()));
    assert_eq!(every.next_after(last), None);
    assert_eq!(every.previous_before(Timestamp::EPOCH), None);
}
