//! What becomes of ticks that were missed, and of those that come while a job still runs.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jobq_core::nearest::nearest;
use jobq_core::{Error, Result, duration};
use serde::{Deserialize, Serialize};

/// The most missed ticks that are made up for.
const MOST: u32 = 1_000;
/// How late the newest tick may be to count as not missed: longer than a restart takes.
const NOT_MISSED: Duration = Duration::from_secs(60);
/// The least that may be asked of ticks: schedulers sleep, and calls take time.
const LEAST_WITHIN: Duration = Duration::from_secs(5);

/// Which of the ticks that nobody enqueued in time are made up for.
///
/// ```
/// use jobq_scheduler::{CatchUp, Schedule, TimeUnits};
///
/// Schedule::hourly().catch_up(CatchUp::all(24).within(2.days()));
/// ```
///
/// As text it is `skip`, `last`, `all 24`, `last within 2h` or `all 24 within 2d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub struct CatchUp {
    at_most: u32,
    within: Option<Duration>,
}

impl CatchUp {
    /// None: the newest tick is enqueued if it is no more than a minute late, so that a restart loses
    /// nothing.
    pub const fn skip() -> Self {
        Self { at_most: 1, within: Some(NOT_MISSED) }
    }

    /// The newest, however late: the default.
    pub const fn last() -> Self {
        Self { at_most: 1, within: None }
    }

    /// The newest so many, oldest first: 1 to 1,000. More are taken as 1,000; 0 is refused where the schedule
    /// is registered.
    pub const fn all(at_most: u32) -> Self {
        Self { at_most: if at_most > MOST { MOST } else { at_most }, within: None }
    }

    /// None that is later than this: five seconds or more, as less is refused where the schedule is
    /// registered. Of [`skip`](Self::skip) too, if it is less than its minute.
    pub const fn within(mut self, time: Duration) -> Self {
        let is_less = match self.within {
            Some(within) => time.as_nanos() < within.as_nanos(),
            None => true,
        };
        if is_less {
            self.within = Some(time);
        }
        self
    }

    /// Refuses what would never enqueue anything.
    pub(crate) fn check(self) -> Result<()> {
        if self.at_most == 0 {
            return Err(Error::invalid_input(
                "CatchUp::all(0) claims no tick at all, not even one in time: say CatchUp::skip() to make up \
                 for none that was missed",
            ));
        }
        match self.within {
            Some(within) if within < LEAST_WITHIN => Err(Error::invalid_input(format!(
                "ticks are always some milliseconds late: within {within:?} hardly any would be enqueued, say \
                 5 s or more"
            ))),
            _ => Ok(()),
        }
    }

    pub(crate) const fn at_most(self) -> usize {
        self.at_most as usize
    }

    /// Whether a tick that is so late is still made up for.
    pub(crate) fn allows(self, late: Duration) -> bool {
        self.within.is_none_or(|within| late <= within)
    }
}

impl Default for CatchUp {
    fn default() -> Self {
        Self::last()
    }
}

impl fmt::Display for CatchUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::skip() {
            return f.write_str("skip");
        }
        match self.at_most {
            1 => f.write_str("last")?,
            at_most => write!(f, "all {at_most}")?,
        }
        match self.within {
            Some(within) => write!(f, " within {}", duration::text(within)),
            None => Ok(()),
        }
    }
}

impl FromStr for CatchUp {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid_input(format!(
                "{text:?} does not say what is made up for: `skip`, `last`, `all 24`, `last within 2h` and \
                 `all 24 within 2d` do"
            ))
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (which, rest) = match words.as_slice() {
            ["skip"] => return Ok(Self::skip()),
            ["last", rest @ ..] => (Self::last(), rest),
            ["all", number, rest @ ..] => match number.parse() {
                Ok(number @ 1..=MOST) => (Self::all(number), rest),
                Ok(_) => {
                    let why = format!("{text:?} makes up for {number} ticks: 1 to {MOST} can be");
                    return Err(Error::invalid_input(why));
                }
                Err(_) => return Err(wrong()),
            },
            _ => return Err(wrong()),
        };
        match rest {
            [] => Ok(which),
            ["within", time] => Ok(which.within(duration::parse(time)?)),
            _ => Err(wrong()),
        }
    }
}

/// What a tick does while a job of its schedule is live: waits, runs, or backs off before a retry.
///
/// It is judged from the jobs themselves. There is no lock that could stay behind. As text it is `allow`,
/// `skip`, `queue` or `cancel`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Overlap {
    /// Its job is enqueued all the same.
    #[default]
    Allow,
    /// It is left out.
    Skip,
    /// Its job waits until the live one has ended, however it ends. If one waits already, it is left out.
    Queue,
    /// The live job is called off, and its own waits until that has ended.
    Cancel,
}

impl Overlap {
    const ALL: [Self; 4] = [Self::Allow, Self::Skip, Self::Queue, Self::Cancel];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Skip => "skip",
            Self::Queue => "queue",
            Self::Cancel => "cancel",
        }
    }
}

impl fmt::Display for Overlap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Overlap {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|policy| policy.as_str() == text).ok_or_else(|| {
            let hint = match nearest(text, Self::ALL.iter().map(|policy| policy.as_str())) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => "there are allow, skip, queue, cancel".to_owned(),
            };
            Error::invalid_input(format!("{text:?} is no policy for overlapping: {hint}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_read_as_they_are_shown() {
        let hours = |hours: u64| Duration::from_secs(hours * 3_600);
        for (policy, text) in [
            (CatchUp::skip(), "skip"),
            (CatchUp::last(), "last"),
            (CatchUp::all(24), "all 24"),
            (CatchUp::last().within(hours(2)), "last within 2h"),
            (CatchUp::all(1_000).within(hours(48)), "all 1000 within 2d"),
        ] {
            assert_eq!((policy.to_string().as_str(), text.parse().unwrap()), (text, policy));
        }
        for overlap in Overlap::ALL {
            assert_eq!(overlap.to_string().parse::<Overlap>().unwrap(), overlap);
        }
    }

    #[test]
    fn what_is_no_policy_is_refused_with_those_that_are() {
        for (text, why) in [
            ("", "does not say what is made up for"),
            ("all", "`all 24`"),
            ("all many", "`all 24`"),
            ("all 0", "1 to 1000"),
            ("all 1001", "1 to 1000"),
            ("skip within 2h", "`skip`, `last`"),
            ("last within", "`last within 2h`"),
            ("last within soon", "\"soon\" is not a duration"),
            ("last for 2h", "`last within 2h`"),
        ] {
            let told = text.parse::<CatchUp>().unwrap_err().to_string();
            assert!(told.contains(why), "{text:?}: {told}");
        }
        let told = |text: &str| text.parse::<Overlap>().unwrap_err().to_string();
        assert_eq!(told("skp"), "\"skp\" is no policy for overlapping: did you mean \"skip\"?");
        assert!(told("never").ends_with("there are allow, skip, queue, cancel"));
    }
}
