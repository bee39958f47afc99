//! Windows of a rate: they start at whole multiples of a period since the epoch.

use std::time::Duration;

use jobq_core::{Counting, Rate, Timestamp};
use program::{InputFault, shown};

/// The windows in which a CRM counts requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    per_ms: u64,
}

impl Windows {
    /// The windows of a rate; `None` if it is not counted in windows.
    #[must_use]
    pub fn of(rate: Rate) -> Option<Self> {
        let per_ms = u64::try_from(rate.per.as_millis()).ok().filter(|ms| *ms > 0)?;
        (rate.counting == Counting::Fixed).then_some(Self { per_ms })
    }

    /// The number of the window that an instant is in.
    #[must_use]
    pub const fn number(self, at: Timestamp) -> u64 {
        at.as_millis() / self.per_ms
    }

    /// When a window starts.
    #[must_use]
    pub const fn start(self, number: u64) -> Timestamp {
        Timestamp::from_millis(number.saturating_mul(self.per_ms))
    }

    /// When a window ends and the next one starts.
    #[must_use]
    pub const fn end(self, number: u64) -> Timestamp {
        self.start(number.saturating_add(1))
    }

    /// How long each is.
    #[must_use]
    pub const fn period(self) -> Duration {
        Duration::from_millis(self.per_ms)
    }
}

/// Reads a rate such as `100/min`.
///
/// # Errors
///
/// When it is no rate, or one that is not counted in windows: the CRM counts in windows.
pub fn parse_rate(text: &str) -> Result<Rate, InputFault> {
    let rate: Rate =
        text.parse().map_err(|fault| InputFault::new("malformed_rate", format!("{fault}")))?;
    if Windows::of(rate).is_none() {
        return Err(InputFault::new(
            "malformed_rate",
            format!(
                "{:?} is not counted as the CRM counts, in windows aligned to the clock: give one \
                 such as \"100/min\"",
                shown(text)
            ),
        ));
    }
    Ok(rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(rate: &str) -> Windows {
        Windows::of(rate.parse().unwrap()).unwrap()
    }

    #[test]
    fn windows_are_aligned_to_the_clock_and_meet_without_a_gap() {
        let minutes = windows("100/min");
        let at = Timestamp::from_millis;

        assert_eq!(minutes.number(at(59_999)), 0);
        assert_eq!(minutes.number(at(60_000)), 1);
        assert_eq!(minutes.start(1), at(60_000));
        assert_eq!(minutes.end(0), minutes.start(1));
        assert_eq!(windows("5/1500ms").number(at(4_500)), 3);
    }

    #[test]
    fn a_rate_that_is_not_counted_in_windows_is_refused() {
        assert_eq!(parse_rate("100/min").unwrap(), Rate::fixed(100, Duration::from_secs(60)));
        for text in ["100/min sliding", "100/min burst 5", "100", "-1/min", "0/s", "1/year", "x"] {
            assert_eq!(parse_rate(text).unwrap_err().code(), "malformed_rate", "{text:?}");
        }
    }
}
