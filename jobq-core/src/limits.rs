//! How much of a queue, or of one of its lanes, may run: at once, and in a time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::duration;
use crate::error::{Error, ErrorKind, Result};
use crate::lane::LaneKey;
use crate::name::{LimitName, QueueName};

const MAX_COUNT: u32 = 1_000_000_000;
const MIN_PERIOD: Duration = Duration::from_millis(1);
const MAX_PERIOD: Duration = Duration::from_secs(366 * 24 * 3_600);
const MAX_WEIGHT: u16 = 100;

/// The limits of a queue or of a lane. What is `None` is not limited, or is as the wider scope says.
///
/// Work over a limit is never leased: it uses no attempt, is not put back, and nobody polls for it.
///
/// ```
/// use jobq_core::{Limits, Rate};
///
/// let limits = Limits::new().concurrency(5).rate("100/min".parse::<Rate>()?);
/// # Ok::<(), jobq_core::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How many jobs may be leased at once.
    pub concurrency: Option<u32>,
    /// How many jobs may be leased in a time. Each counts as much as its [cost](crate::JobRecord::cost).
    pub rate: Option<Rate>,
    /// How many jobs may be there; an enqueue beyond is refused with
    /// [`Limited`](crate::ErrorKind::Limited). In a queue all count that neither run nor have ended; in a
    /// lane those that are ready.
    pub max_size: Option<u64>,
    /// The share of a lane against other lanes of equal priority: 1 to 100, and 1 if not given. A lane
    /// of weight 2 gets twice as many turns as one of weight 1. Means nothing for a queue.
    pub weight: Option<u16>,
    /// When a lane rests because its jobs keep failing. Means nothing for a queue.
    pub breaker: Option<Breaker>,
    /// The [shared limit](LimitScope::Shared) that this queue takes part in. Means nothing for a lane.
    pub shared: Option<LimitName>,
}

impl Limits {
    /// No limits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// At most so many jobs at once: 1 or more. To stop a queue or lane, pause it.
    #[must_use]
    pub const fn concurrency(mut self, jobs: u32) -> Self {
        self.concurrency = Some(jobs);
        self
    }

    /// At most so many jobs in a time.
    #[must_use]
    pub const fn rate(mut self, rate: Rate) -> Self {
        self.rate = Some(rate);
        self
    }

    /// At most so many jobs there: of a queue beside those that run, of a lane ready ones.
    #[must_use]
    pub const fn max_size(mut self, jobs: u64) -> Self {
        self.max_size = Some(jobs);
        self
    }

    /// A share of so many parts: 1 to 100.
    #[must_use]
    pub const fn weight(mut self, weight: u16) -> Self {
        self.weight = Some(weight);
        self
    }

    /// A rest after so many failures in a row.
    #[must_use]
    pub const fn breaker(mut self, breaker: Breaker) -> Self {
        self.breaker = Some(breaker);
        self
    }

    /// A part in a limit that other queues share.
    #[must_use]
    pub fn shared(mut self, name: LimitName) -> Self {
        self.shared = Some(name);
        self
    }

    /// Whether nothing is limited.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These limits, and for what they leave open those of `wider`.
    #[must_use]
    pub fn or(&self, wider: &Self) -> Self {
        Self {
            concurrency: self.concurrency.or(wider.concurrency),
            rate: self.rate.or(wider.rate),
            max_size: self.max_size.or(wider.max_size),
            weight: self.weight.or(wider.weight),
            breaker: self.breaker.or(wider.breaker),
            shared: self.shared.clone().or_else(|| wider.shared.clone()),
        }
    }

    /// Refuses what makes no sense in a scope.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), naming the limit and what it may be.
    pub fn check(&self, scope: &LimitScope) -> Result<()> {
        let within = |what: &str, value: u64, most: u64| {
            if (1..=most).contains(&value) {
                Ok(())
            } else {
                Err(Error::invalid_input(format!("{what} {value} is not possible: 1 to {most}")))
            }
        };
        if let Some(jobs) = self.concurrency {
            within("a concurrency of", jobs.into(), MAX_COUNT.into())?;
        }
        if let Some(jobs) = self.max_size {
            within("a maximum size of", jobs, u64::from(MAX_COUNT) * 1_000)?;
        }
        if let Some(weight) = self.weight {
            within("a weight of", weight.into(), MAX_WEIGHT.into())?;
        }
        if let Some(breaker) = self.breaker {
            within("a breaker's number of failures,", breaker.failures.into(), 65_535)?;
            check_period("a breaker's rest", breaker.rest)?;
        }
        if let Some(rate) = self.rate {
            rate.check()?;
        }
        let misplaced = |what: &str| {
            Err(Error::invalid_input(format!("{what} makes no sense as a limit of {scope}")))
        };
        let is_lane = matches!(scope, LimitScope::Lanes(_) | LimitScope::Lane(..));
        if !is_lane && self.weight.is_some() {
            return misplaced("a weight");
        }
        if !is_lane && self.breaker.is_some() {
            return misplaced("a breaker");
        }
        if !matches!(scope, LimitScope::Queue(_)) && self.shared.is_some() {
            return misplaced("a part in a shared limit");
        }
        if matches!(scope, LimitScope::Shared(_)) && self.max_size.is_some() {
            return misplaced("a maximum size");
        }
        Ok(())
    }
}

fn check_period(what: &str, period: Duration) -> Result<()> {
    let is_whole = period.subsec_nanos().is_multiple_of(1_000_000);
    if is_whole && (MIN_PERIOD..=MAX_PERIOD).contains(&period) {
        Ok(())
    } else {
        Err(Error::invalid_input(format!(
            "{what} of {} is not possible: 1ms to 366d, in whole ms",
            match is_whole {
                true => duration::text(period),
                false => format!("{period:?}"),
            }
        )))
    }
}

/// The error of an enqueue beyond the [size](Limits::max_size) of a queue or of one of its lanes, which has
/// `count` jobs.
#[must_use]
pub fn too_many_jobs(queue: &QueueName, lane: Option<&str>, count: u64, most: u64) -> Error {
    let has = match lane {
        None => format!("queue {queue} has {count} jobs beside those that run"),
        Some(lane) => format!("lane {lane} of queue {queue} has {count} ready jobs"),
    };
    Error::new(
        ErrorKind::Limited,
        format!("{has} and may have {most}: try again when some have been done"),
    )
}

/// What limits are for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LimitScope {
    /// A queue as a whole.
    Queue(QueueName),
    /// Each lane of a queue.
    Lanes(QueueName),
    /// One lane of a queue, over what holds for each.
    Lane(QueueName, LaneKey),
    /// All queues that [take part](Limits::shared) in it, together. On Redis this needs a server that is
    /// no cluster: its queues are in different slots.
    Shared(LimitName),
}

impl fmt::Display for LimitScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(queue) => write!(f, "queue {queue}"),
            Self::Lanes(queue) => write!(f, "each lane of queue {queue}"),
            Self::Lane(queue, lane) => write!(f, "lane {lane} of queue {queue}"),
            Self::Shared(name) => write!(f, "shared limit {name}"),
        }
    }
}

/// Limits as they were set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitSetting {
    /// What they are for.
    pub scope: LimitScope,
    /// Who has set them.
    pub source: LimitSource,
    /// The limits.
    pub limits: Limits,
}

impl LimitSetting {
    /// Limits that `source` has set for `scope`.
    #[must_use]
    pub const fn new(scope: LimitScope, source: LimitSource, limits: Limits) -> Self {
        Self { scope, source, limits }
    }
}

/// Who has set limits. What an operator has set wins, and survives a deploy whose code says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LimitSource {
    /// The program or its configuration, each time it starts.
    Code,
    /// A person or a tool, at run time.
    Operator,
}

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

    fn check(self) -> Result<()> {
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

/// When a lane rests because its jobs keep failing.
///
/// After `failures` failed attempts in a row, whatever the job, the lane rests. Then one job at a time is
/// let through: its success closes the matter, its failure begins the next rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Breaker {
    /// How many failures in a row are too many.
    pub failures: u32,
    /// How long the lane rests.
    pub rest: Duration,
}

impl Breaker {
    /// A rest after `failures` failures in a row: 1 to 65,535.
    #[must_use]
    pub const fn new(failures: u32, rest: Duration) -> Self {
        Self { failures, rest }
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

    #[test]
    fn absurd_limits_are_refused_where_they_are_set() {
        let queue = QueueName::new("crm").unwrap();
        let lane = LimitScope::Lanes(queue.clone());
        for limits in [
            Limits::new().concurrency(0),
            Limits::new().weight(0),
            Limits::new().weight(101),
            Limits::new().max_size(0),
            Limits::new().breaker(Breaker::new(0, Duration::from_secs(1))),
            Limits::new().rate(Rate::fixed(0, Duration::from_secs(1))),
            Limits::new().shared(LimitName::new("api").unwrap()),
        ] {
            assert!(limits.check(&lane).is_err(), "{limits:?}");
        }
        assert!(Limits::new().weight(2).check(&LimitScope::Queue(queue)).is_err());
        assert!(Limits::new().weight(2).concurrency(1).check(&lane).is_ok());
    }
}
