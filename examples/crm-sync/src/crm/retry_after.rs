//! For how long a CRM asks to be left alone.

use std::time::Duration;

use jobq_core::Timestamp;

/// What a `Retry-After` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the two forms of RFC 9110")]
pub enum RetryAfter {
    /// So long from now.
    Delay(Duration),
    /// Not before this instant.
    At(Timestamp),
}

impl RetryAfter {
    /// Reads the header; `None` for what is neither seconds nor a date.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        match text.parse() {
            Ok(seconds) => Some(Self::Delay(Duration::from_secs(seconds))),
            Err(_) => date(text).map(Self::At),
        }
    }

    /// How long that is, seen from `now`.
    #[must_use]
    pub const fn from(self, now: Timestamp) -> Duration {
        match self {
            Self::Delay(delay) => delay,
            Self::At(instant) => instant.since(now),
        }
    }
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, the one form of date that may still be sent.
fn date(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, text) = text.split_once(", ")?;
    let parts: Vec<&str> = text.split([' ', ':']).collect();
    let [day, month, year, hour, minute, second, "GMT"] = parts[..] else {
        return None;
    };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let number = |text: &str, most: u64| text.parse().ok().filter(|n: &u64| *n <= most);
    let days = days_since_epoch(number(year, 9_999)?, month, number(day, 31)?)?;
    let seconds = number(hour, 23)? * 3_600 + number(minute, 59)? * 60 + number(second, 60)?;
    Some(Timestamp::from_millis((days * 86_400 + seconds) * 1_000))
}

/// Howard Hinnant's `days_from_civil` (<https://howardhinnant.github.io/date_algorithms.html>), from 1970
/// on.
fn days_since_epoch(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let year_of_era = year % 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (year / 400 * 146_097 + day_of_era).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_read() {
        let delay = |s| Some(RetryAfter::Delay(Duration::from_secs(s)));
        let at = |ms| Some(RetryAfter::At(Timestamp::from_millis(ms)));

        assert_eq!(RetryAfter::parse("120"), delay(120));
        assert_eq!(RetryAfter::parse(" 0 "), delay(0));
        assert_eq!(RetryAfter::parse("Sun, 06 Nov 1994 08:49:37 GMT"), at(784_111_777_000));
        assert_eq!(RetryAfter::parse("Tue, 29 Feb 2000 00:00:00 GMT"), at(951_782_400_000));
    }

    #[test]
    fn anything_else_says_nothing() {
        for text in
            ["", "-1", "1.5", "soon", "Sun, 06 Nov 1994", "Sun, 00 Nov 1994 08:49:37 GMT", "a, b"]
        {
            assert_eq!(RetryAfter::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_date_that_is_over_asks_for_nothing() {
        let now = Timestamp::from_millis(1_000_000);
        let ago = RetryAfter::At(Timestamp::from_millis(999_000));
        let ahead = RetryAfter::At(Timestamp::from_millis(1_004_000));

        assert_eq!(ago.from(now), Duration::ZERO);
        assert_eq!(ahead.from(now), Duration::from_secs(4));
    }
}
