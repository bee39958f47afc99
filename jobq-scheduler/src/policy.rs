//! What becomes of ticks that were missed, and of those that come while a job still runs.

use std::time::Duration;

use jobq_core::{Error, Result};
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

/// What a tick does while a job of its schedule is live: waits, runs, or backs off before a retry.
///
/// It is judged from the jobs themselves. There is no lock that could stay behind.
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
