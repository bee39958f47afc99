//! Intervals: ticks at equal distances in elapsed time, whatever clocks show.

use std::time::Duration;

use jobq_core::{Error, Result, duration};

/// The shortest interval. What runs more often is a worker's loop, not a schedule.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest interval, some ten years.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// Ticks at `anchor + n × period`, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    period: u64,
    anchor: u64,
}

impl Interval {
    pub(crate) fn new(period: Duration, anchor: u64) -> Result<Self> {
        if period < SHORTEST || period > LONGEST || !period.subsec_nanos().is_multiple_of(1_000_000)
        {
            return Err(Error::invalid_input(format!(
                "an interval of {}: it must be whole milliseconds, from one second to ten years",
                match period.subsec_nanos().is_multiple_of(1_000_000) {
                    true => duration::text(period),
                    false => format!("{period:?}"),
                }
            )));
        }
        let period = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        Ok(Self { period, anchor })
    }

    pub(crate) const fn period(self) -> Duration {
        Duration::from_millis(self.period)
    }

    /// The first tick after an instant.
    pub(crate) fn next_after(self, after: u64) -> Option<u64> {
        match after.checked_sub(self.anchor) {
            None => Some(self.anchor),
            Some(past) => {
                let ticks = (past / self.period).checked_add(1)?;
                self.anchor.checked_add(ticks.checked_mul(self.period)?)
            }
        }
    }

    /// The last tick before an instant.
    pub(crate) fn previous_before(self, before: u64) -> Option<u64> {
        let past = before.checked_sub(1)?.checked_sub(self.anchor)?;
        Some(self.anchor + past / self.period * self.period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_counted_from_the_anchor() {
        let every = Interval::new(Duration::from_secs(30), 10_000).unwrap();

        for (instant, previous, next) in [
            (0, None, 10_000),
            (10_000, None, 40_000),
            (10_001, Some(10_000), 40_000),
            (40_000, Some(10_000), 70_000),
            (69_999, Some(40_000), 70_000),
        ] {
            assert_eq!(every.next_after(instant), Some(next), "{instant}");
            assert_eq!(every.previous_before(instant), previous, "{instant}");
        }
        assert_eq!(every.next_after(u64::MAX), None);
    }

    #[test]
    fn intervals_have_bounds() {
        for period in [
            Duration::ZERO,
            Duration::from_millis(999),
            Duration::from_nanos(1_000_000_001),
            Duration::MAX,
        ] {
            assert!(Interval::new(period, 0).is_err(), "{period:?}");
        }
    }
}
