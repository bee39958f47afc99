//! How much of a queue, or of one of its lanes, may run: at once, and in a time.

mod rate;

use std::fmt;
use std::time::Duration;

use crate::duration;
use crate::error::{Error, ErrorKind, Result};
use crate::lane::LaneKey;
use crate::name::{LimitName, QueueName};

pub use self::rate::{Counting, Rate};

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
