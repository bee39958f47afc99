//! Which ticks a scheduler claims now, and when it has to look again.

use std::time::Duration;

use jobq_core::Timestamp;
use jobq_core::schedules::Tick;

use crate::policy::CatchUp;
use crate::timing::Timing;

/// What is to be done about the ticks of one schedule.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Owed {
    /// To be claimed in this order.
    pub(crate) ticks: Vec<Tick>,
    /// When the next one after these is to run; `None` if there is none.
    pub(crate) next_at: Option<Timestamp>,
}

/// The most ticks that are claimed at a time, besides those that were missed.
const MOST_AT_ONCE: usize = 1_000;

/// The ticks after `after` that are owed at `now`, as far as `catch_up` makes up for them.
///
/// Only what is later than the longest jitter was missed, and is what `catch_up` is about. Ticks come in
/// their order, also when jitter would have a later one run before an earlier one: that waits until the
/// earlier one has come, and is no later by that than it may be.
pub(crate) fn owed(
    timing: &Timing,
    name: &str,
    after: Timestamp,
    now: Timestamp,
    catch_up: CatchUp,
) -> Owed {
    let tick = |at| Tick::new(at, timing.runs_at(name, at));
    // All ticks up to here have come, whatever their jitter is.
    let certain = now - timing.jitter();
    let mut ticks = Vec::new();
    let mut earlier = certain + Duration::from_millis(1);
    while ticks.len() < catch_up.at_most() {
        match timing.previous_before(earlier).filter(|at| *at > after) {
            Some(at) if catch_up.allows(certain.since(at)) => {
                ticks.push(tick(at));
                earlier = at;
            }
            _ => break,
        }
    }
    ticks.reverse();
    let mut next_at = None;
    for at in timing.ticks_after(after.max(certain)).take(MOST_AT_ONCE) {
        let tick = tick(at);
        next_at = Some(tick.runs_at);
        if tick.runs_at > now {
            break;
        }
        ticks.push(tick);
    }
    Owed { ticks, next_at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Schedule;
    use crate::units::TimeUnits;

    /// A Monday at midnight.
    const MONDAY: Timestamp = Timestamp::from_millis(1_800_230_400_000);

    fn hours(owed: &Owed) -> Vec<u64> {
        owed.ticks.iter().map(|tick| tick.at.since(MONDAY).as_secs() / 3_600).collect()
    }

    fn hourly(after: Duration, now: Duration, catch_up: CatchUp) -> Owed {
        let timing = Schedule::hourly().timing().unwrap();
        owed(&timing, "g/s", MONDAY + after, MONDAY + now, catch_up)
    }

    #[test]
    fn one_tick_at_a_time_is_owed_when_all_goes_well() {
        let early = hourly(1.hours(), 2.hours() - 1.seconds(), CatchUp::last());
        assert_eq!(early, Owed { ticks: vec![], next_at: Some(MONDAY + 2.hours()) });

        for policy in [CatchUp::skip(), CatchUp::last(), CatchUp::all(9)] {
            let due = hourly(1.hours(), 2.hours(), policy);
            assert_eq!((hours(&due), due.next_at), (vec![2], Some(MONDAY + 3.hours())));
        }
        assert_eq!(hours(&hourly(2.hours(), 2.hours(), CatchUp::all(9))), [0_u64; 0]);
    }

    #[test]
    fn missed_ticks_are_made_up_for_as_the_policy_says() {
        let after_an_outage = |policy| hours(&hourly(1.hours(), 7.hours() + 10.minutes(), policy));

        assert_eq!(after_an_outage(CatchUp::last()), [7]);
        assert_eq!(after_an_outage(CatchUp::all(3)), [5, 6, 7]);
        assert_eq!(after_an_outage(CatchUp::all(100)), [2, 3, 4, 5, 6, 7]);
        assert_eq!(after_an_outage(CatchUp::all(100).within(2.hours())), [6, 7]);
        assert_eq!(after_an_outage(CatchUp::last().within(9.minutes())), [0_u64; 0]);
        assert_eq!(after_an_outage(CatchUp::last().within(10.minutes())), [7]);
        assert_eq!(after_an_outage(CatchUp::skip()), [0_u64; 0]);
    }

    #[test]
    fn a_restart_is_no_outage() {
        assert_eq!(hours(&hourly(1.hours(), 2.hours() + 60.seconds(), CatchUp::skip())), [2]);
    }

    /// Which ticks a scheduler claims that is always there, and wakes a few milliseconds late.
    fn claimed(schedule: &Schedule, catch_up: CatchUp, until: Duration) -> Vec<Timestamp> {
        let timing = schedule.timing().unwrap();
        let (mut last, mut now, mut seen) = (MONDAY, MONDAY, Vec::new());
        while now < MONDAY + until {
            let due = owed(&timing, "g/s", last, now, catch_up);
            assert!(due.ticks.iter().all(|tick| tick.runs_at <= now));
            seen.extend(due.ticks.iter().map(|tick| tick.at));
            last = seen.last().copied().unwrap_or(last);
            now = due.next_at.unwrap().max(now) + Duration::from_millis(3);
        }
        seen
    }

    #[test]
    fn jitter_puts_ticks_off_and_keeps_each_of_them_in_its_order() {
        for schedule in [Schedule::every_minute(), Schedule::cron("0,5 * * * *")] {
            let schedule = schedule.jitter(10.minutes());
            let timing = schedule.timing().unwrap();
            let all = timing.between(MONDAY, MONDAY + 24.hours() - 10.minutes(), usize::MAX);
            assert!(all.len() >= 46);
            for policy in [CatchUp::skip(), CatchUp::last(), CatchUp::all(5), CatchUp::all(1_000)] {
                let seen = claimed(&schedule, policy, 24.hours());
                assert_eq!(seen[..all.len()], all, "{policy:?}");
                assert!(seen.len() <= all.len() + 10);
            }
        }
    }

    #[test]
    fn what_is_later_than_its_jitter_was_missed() {
        let timing = Schedule::every_minute().jitter(10.minutes()).timing().unwrap();
        let after_an_outage = |catch_up| {
            let due = owed(&timing, "g/s", MONDAY, MONDAY + 5.hours(), catch_up);
            let minutes = due.ticks.iter().map(|tick| tick.at.since(MONDAY).as_secs() / 60);
            minutes.filter(|minute| *minute <= 290).collect::<Vec<_>>()
        };

        assert_eq!(after_an_outage(CatchUp::last()), [290]);
        assert_eq!(after_an_outage(CatchUp::all(3)), [288, 289, 290]);
        assert_eq!(after_an_outage(CatchUp::skip()), [290]);
        assert_eq!(after_an_outage(CatchUp::all(9).within(2.minutes())), [288, 289, 290]);
    }

    #[test]
    fn a_million_missed_ticks_take_no_longer_than_one() {
        let timing = Schedule::every(1.seconds()).timing().unwrap();
        let due = owed(&timing, "g/s", MONDAY, MONDAY + 12.days(), CatchUp::all(5));

        assert_eq!(due.ticks.len(), 5);
        assert_eq!(due.ticks[4].at, MONDAY + 12.days());
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let timing = Schedule::hourly().ends_at(MONDAY + 2.hours()).timing().unwrap();

        let due = owed(&timing, "g/s", MONDAY, MONDAY + 9.hours(), CatchUp::last());
        assert_eq!((hours(&due), due.next_at), (vec![1], None));
    }
}
