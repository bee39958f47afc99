//! The language of rates: so many in a time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::{MAX_COUNT, check_period};
use crate::duration;
use crate::error::{Error, Result};
use crate::every::every;

/// How many jobs may be leased in a time.
///
/// As text: `100/min`, `10/s`, `5000/1h30m`, and for the other ways of counting `100/min sliding` and
/// `100/min burst 20`. The period is a [duration], or one of `s`, `min`, `h` and `day`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub per: Duration,
    /// How that is counted.
    pub counting: Counting,
}

/// How a rate is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Counting {
    /// In windows that start at whole multiples of the period since the epoch: never more than `count`
    /// in one. Two windows that meet may bring twice as many in a period that overlaps both.
    Fixed,
    /// Over the time that ends now: never more than `count` in *any* period. Keeps one entry for each
    /// millisecond with a lease.
    Sliding,
    /// A bucket of `burst` that fills at the rate: at most `burst` at once, `count` a period in the long
    /// run, and never more than `count` + `burst` in a period.
    Bucket {
        /// How much the bucket holds.
        burst: u32,
    },
}

impl Counting {
    every!(Fixed, Sliding, Bucket { burst: 1 });
}

impl Rate {
    /// Never more than `count` in one window aligned to the clock.
    #[must_use]
    pub const fn fixed(count: u32, per: Duration) -> Self {
        Self { count, per, counting: Counting::Fixed }
    }

    /// Never more than `count` in any window.
    #[must_use]
    pub const fn sliding(count: u32, per: Duration) -> Self {
        Self { count, per, counting: Counting::Sliding }
    }

    /// `count` in the long run, up to `burst` at once.
    #[must_use]
    pub const fn bucket(count: u32, per: Duration, burst: u32) -> Self {
        Self { count, per, counting: Counting::Bucket { burst } }
    }

    pub(super) fn check(self) -> Result<()> {
        let possible = |what: &str, count: u32| {
            if (1..=MAX_COUNT).contains(&count) {
                Ok(())
            } else {
                Err(Error::invalid_input(format!(
                    "a rate's {what} of {count} is not possible: 1 to {MAX_COUNT}"
                )))
            }
        };
        possible("count", self.count)?;
        if let Counting::Bucket { burst } = self.counting {
            possible("burst", burst)?;
        }
        check_period("a rate's period", self.per)
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, ms)| self.per.as_millis() == u128::from(*ms));
        match unit {
            Some((name, _)) => write!(f, "{}/{name}", self.count)?,
            None => write!(f, "{}/{}", self.count, duration::text(self.per))?,
        }
        match self.counting {
            Counting::Fixed => Ok(()),
            Counting::Sliding => f.write_str(" sliding"),
            Counting::Bucket { burst } => write!(f, " burst {burst}"),
        }
    }
}

/// Periods that have a name, in ms; the first name of a period is the one that is shown.
const UNITS: [(&str, u64); 10] = [
    ("s", 1_000),
    ("min", 60_000),
    ("h", 3_600_000),
    ("day", 86_400_000),
    ("sec", 1_000),
    ("second", 1_000),
    ("m", 60_000),
    ("minute", 60_000),
    ("hour", 3_600_000),
    ("d", 86_400_000),
];

impl FromStr for Rate {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fault = || {
            let shown: String = text.chars().take(60).collect();
            Error::invalid_input(format!(
                "{shown:?} is not a rate, such as \"100/min\", \"10/s sliding\" or \"100/min burst 20\""
            ))
        };
        let mut words = text.split_whitespace();
        let (count, per) = words.next().and_then(|word| word.split_once('/')).ok_or_else(fault)?;
        let count = count.replace('_', "").parse().map_err(|_| fault())?;
        let per = period(per).ok_or_else(fault)?;
        let counting = match (words.next(), words.next(), words.next()) {
            (None, ..) => Counting::Fixed,
            (Some("fixed"), None, _) => Counting::Fixed,
            (Some("sliding"), None, _) => Counting::Sliding,
            (Some("burst"), Some(burst), None) => {
                Counting::Bucket { burst: burst.parse().map_err(|_| fault())? }
            }
            _ => return Err(fault()),
        };
        let rate = Self { count, per, counting };
        rate.check()?;
        Ok(rate)
    }
}

/// A period that has a name, or any [duration].
fn period(text: &str) -> Option<Duration> {
    match UNITS.iter().find(|(name, _)| *name == text) {
        Some((_, ms)) => Some(Duration::from_millis(*ms)),
        None => duration::parse(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_back_from_their_text() {
        let minute = Duration::from_secs(60);
        for (text, rate) in [
            ("100/min", Rate::fixed(100, minute)),
            ("10/s sliding", Rate::sliding(10, Duration::from_secs(1))),
            ("5000/1h30m", Rate::fixed(5_000, Duration::from_secs(5_400))),
            ("100/min burst 20", Rate::bucket(100, minute, 20)),
            ("7/250ms", Rate::fixed(7, Duration::from_millis(250))),
        ] {
            assert_eq!(text.parse::<Rate>().unwrap(), rate);
            assert_eq!(rate.to_string(), text);
        }
        assert_eq!("1_000/minute fixed".parse::<Rate>().unwrap(), Rate::fixed(1_000, minute));
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for text in [
            "",
            "100",
            "/min",
            "0/min",
            "-1/s",
            "1/0s",
            "1/year",
            "1/s burst",
            "1/s burst 0",
            "1/min sometimes",
            "1/99999d",
            "1/1m1h",
            "1/1s1s",
        ] {
            assert!(text.parse::<Rate>().is_err(), "{text:?}");
        }
    }
}
