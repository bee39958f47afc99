//! The contract on clocks that change, over every change of every zone from 2024 to 2033, against an
//! oracle that looks at the clock every minute.

use jiff::civil::{DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use super::WallClock;
use crate::cron::Expression;
use crate::zone::Zone;

const FROM: &str = "2024-01-01T00:00:00Z";
const UNTIL: &str = "2034-01-01T00:00:00Z";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Times of day, as text and as the oracle knows them.
struct Times {
    text: String,
    hours: Vec<i8>,
    minutes: Vec<i8>,
}

impl Times {
    fn new(minutes: &[i8], hours: &[i8]) -> Self {
        let list = |numbers: &[i8]| numbers.iter().map(i8::to_string).collect::<Vec<_>>().join(",");
        let text = format!("{} {} * * *", list(minutes), list(hours));
        Self { text, hours: hours.to_vec(), minutes: minutes.to_vec() }
    }

    fn match_time(&self, time: Time) -> bool {
        self.hours.contains(&time.hour()) && self.minutes.contains(&time.minute())
    }
}

/// What is worth looking at around a change.
fn times_around(before: DateTime, after: DateTime) -> Vec<Times> {
    let every_hour: Vec<i8> = (0..24).collect();
    let (from, to) = if before < after { (before, after) } else { (after, before) };
    let middle = from + from.duration_until(to) / 2;
    let at = |wall: DateTime| Times::new(&[wall.minute()], &[wall.hour()]);
    let hours_nearby = |distance: i8| {
        let hour = |shift: i8| (from.hour() + shift).rem_euclid(24);
        (0..distance).map(hour).collect::<Vec<_>>()
    };
    vec![
        at(from),
        at(middle),
        at(to - MINUTE),
        at(to),
        Times::new(&[0], &[0]),
        Times::new(&[0, 15, 30, 45], &hours_nearby(3)),
        Times::new(&[5, 10, 35, 55], &hours_nearby(1)),
        Times::new(&[0, 15, 30, 45], &every_hour),
        Times::new(&[from.minute()], &every_hour),
        Times::new(&[middle.minute()], &every_hour),
    ]
}

/// What a clock on the wall shows at each minute of some hours.
struct Minutes(Vec<(Timestamp, DateTime)>);

impl Minutes {
    fn around(zone: &TimeZone, change: Timestamp, hours: i64) -> Self {
        let start = change - SignedDuration::from_hours(hours);
        let minutes =
            (0..=hours * 120).map(|minute| start + MINUTE * i32::try_from(minute).unwrap());
        Self(minutes.map(|at| (at, zone.to_offset(at).to_datetime(at))).collect())
    }

    /// The ticks in the second half of these minutes and a little before, by looking at each.
    fn ticks(&self, times: &Times) -> Vec<Timestamp> {
        let goes_by_clock = times.hours.len() == 24;
        let mut ticks = Vec::new();
        let mut latest = self.0[0].1;
        for (at, wall) in &self.0[1..] {
            let matches = times.match_time(wall.time());
            let is_repeated = *wall <= latest;
            let skipped = || {
                let mut missing = latest + MINUTE;
                std::iter::from_fn(move || {
                    let next = missing;
                    missing += MINUTE;
                    (next < *wall).then_some(next)
                })
            };
            let fires = if goes_by_clock {
                matches
            } else {
                matches && !is_repeated || skipped().any(|wall| times.match_time(wall.time()))
            };
            if fires {
                ticks.push(*at);
            }
            latest = latest.max(*wall);
        }
        ticks
    }
}

fn expect_contract(name: &str, zone: &TimeZone, change: Timestamp) -> usize {
    let before = zone.to_offset(change - SignedDuration::from_secs(1)).to_datetime(change);
    let after = zone.to_offset(change).to_datetime(change);
    if before == after {
        return 0;
    }
    let minutes = Minutes::around(zone, change, 4);
    let (first, last) = (minutes.0[0].0, minutes.0.last().unwrap().0);
    for times in times_around(before, after) {
        let expression = Expression::read(&times.text).unwrap();
        let clock = WallClock::new(expression.pattern, Zone::of(zone.clone()));
        let expected = minutes.ticks(&times);

        let forward = std::iter::successors(Some(first), |tick| clock.next_after(*tick));
        let forward: Vec<_> = forward.skip(1).take_while(|tick| *tick <= last).collect();
        assert_eq!(forward, expected, "{name}, {change}: next of {:?}", times.text);

        let end = last + SignedDuration::from_millis(1);
        let back = std::iter::successors(Some(end), |tick| clock.previous_before(*tick));
        let mut back: Vec<_> = back.skip(1).take_while(|tick| *tick > first).collect();
        back.reverse();
        assert_eq!(back, expected, "{name}, {change}: previous of {:?}", times.text);
    }
    1
}

#[test]
fn every_change_of_every_zone_for_ten_years_keeps_the_contract() {
    let zones = TimeZoneDatabase::bundled();
    let (from, until): (Timestamp, Timestamp) = (FROM.parse().unwrap(), UNTIL.parse().unwrap());
    let mut changes = 0;
    let mut seen = std::collections::HashSet::new();
    for name in zones.available() {
        let zone = zones.get(name.as_str()).unwrap();
        let following = zone.following(from).take_while(|change| change.timestamp() < until);
        let all: Vec<_> = following.map(|change| (change.timestamp(), change.offset())).collect();
        // Half of the names mean the same zone as another one.
        if seen.insert((zone.to_offset(from), all.clone())) {
            for (change, _) in all {
                changes += expect_contract(name.as_str(), &zone, change);
            }
        }
    }
    // Were it less, the test would not look at what it says it does.
    assert!(changes > 500, "{changes} changes of clocks");
}

/// The contract in a table that can be checked against a calendar.
#[test]
fn skipped_and_repeated_times_by_hand() {
    let ticks = |zone: &str, text: &str, after: &str, count: usize| -> Vec<String> {
        let clock = WallClock::new(
            Expression::read(text).unwrap().pattern,
            Zone::of(TimeZoneDatabase::bundled().get(zone).unwrap()),
        );
        let first = Some(after.parse::<Timestamp>().unwrap());
        let ticks = std::iter::successors(first, |tick| clock.next_after(*tick));
        let shown = ticks.skip(1).take(count).map(|tick| zone_time(zone, tick));
        shown.collect()
    };
    fn zone_time(zone: &str, tick: Timestamp) -> String {
        let zone = TimeZoneDatabase::bundled().get(zone).unwrap();
        tick.to_zoned(zone).strftime("%m-%d %H:%M %Z").to_string()
    }
    for (zone, text, after, expected) in [
        (
            "Europe/Warsaw",
            "30 2 * * *",
            "2026-03-28T00:00:00Z",
            &["03-28 02:30 CET", "03-29 03:00 CEST", "03-30 02:30 CEST"][..],
        ),
        (
            "Europe/Warsaw",
            "*/15 2-3 * * *",
            "2026-03-29T00:00:00Z",
            &["03-29 03:00 CEST", "03-29 03:15 CEST", "03-29 03:30 CEST", "03-29 03:45 CEST"],
        ),
        (
            "Europe/Warsaw",
            "30 2 * * *",
            "2026-10-24T12:00:00Z",
            &["10-25 02:30 CEST", "10-26 02:30 CET"],
        ),
        (
            "Europe/Warsaw",
            "30 * * * *",
            "2026-10-24T23:00:00Z",
            &["10-25 01:30 CEST", "10-25 02:30 CEST", "10-25 02:30 CET", "10-25 03:30 CET"],
        ),
        (
            "Europe/Warsaw",
            "30 * * * *",
            "2026-03-29T00:00:00Z",
            &["03-29 01:30 CET", "03-29 03:30 CEST"],
        ),
        // Midnight itself is skipped.
        (
            "Africa/Cairo",
            "@daily",
            "2026-04-23T12:00:00Z",
            &["04-24 01:00 EEST", "04-25 00:00 EEST"],
        ),
        // Half an hour.
        (
            "Australia/Lord_Howe",
            "15 2 * * *",
            "2026-10-02T18:00:00Z",
            &["10-04 02:30 +11", "10-05 02:15 +11"],
        ),
        // A whole day that there was not.
        (
            "Pacific/Apia",
            "0 9 * * *",
            "2011-12-29T00:00:00Z",
            &["12-29 09:00 -10", "12-31 00:00 +14", "12-31 09:00 +14"],
        ),
    ] {
        assert_eq!(ticks(zone, text, after, expected.len()), expected, "{zone} {text}");
    }
}
