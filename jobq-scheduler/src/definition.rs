//! Schedules in the form in which a group keeps them.

use std::fmt;
use std::time::Duration;

use jobq_core::{Error, ErrorKind, JobRecord, QueueName, Result, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::policy::{CatchUp, Overlap};
use crate::schedule::Schedule;
use crate::stored_job::StoredJob;
use crate::timing::Timing;

/// The form in which definitions are written.
const FORMAT: u8 = 1;

/// What two plans are told apart by.
pub(crate) type Digest = [u8; 16];

/// When a schedule ticks, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Rhythm {
    Cron(String),
    Every(Duration),
}

/// What is said of a schedule by whoever defines it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) rhythm: Rhythm,
    pub(crate) timezone: Option<String>,
    pub(crate) starts_at: Option<Timestamp>,
    pub(crate) ends_at: Option<Timestamp>,
    pub(crate) jitter: Duration,
    pub(crate) catch_up: CatchUp,
    pub(crate) overlap: Overlap,
    job: StoredJob,
}

impl Plan {
    pub(crate) fn digest(&self) -> Digest {
        digest(self)
    }

    pub(crate) fn timing(&self) -> Result<Timing> {
        Schedule::from_plan(self).timing()
    }

    /// Whether both tick at the same times, but for jitter.
    fn ticks_like(&self, other: &Self) -> bool {
        self.rhythm == other.rhythm
            && self.timezone == other.timezone
            && (self.starts_at, self.ends_at) == (other.starts_at, other.ends_at)
    }

    /// The job, under an id that is yet to be set.
    pub(crate) fn record(&self) -> Result<JobRecord> {
        self.job.record()
    }

    pub(crate) fn queue(&self) -> Result<QueueName> {
        QueueName::new(&self.job.queue)
    }

    pub(crate) fn new(schedule: &Schedule, record: &JobRecord) -> Result<Self> {
        Ok(schedule.plan_with(StoredJob::of(record)?))
    }

    pub(crate) fn of(
        rhythm: Rhythm,
        timezone: Option<String>,
        bounds: (Option<Timestamp>, Option<Timestamp>),
        jitter: Duration,
        policies: (CatchUp, Overlap),
        job: StoredJob,
    ) -> Self {
        let ((starts_at, ends_at), (catch_up, overlap)) = (bounds, policies);
        Self { rhythm, timezone, starts_at, ends_at, jitter, catch_up, overlap, job }
    }
}

/// Where a definition comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Source {
    /// Schedulers declare it.
    Code,
    /// Somebody added it at run time.
    Operator,
}

impl Source {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Operator => "operator",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An entry of a group: a schedule as it is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Definition {
    /// Greater when it says what earlier versions of jobq would miss.
    pub(crate) format: u8,
    pub(crate) plan: Plan,
    pub(crate) source: Source,
    /// The stamp of those who declare it; 0 of an operator's.
    #[serde(default)]
    pub(crate) stamp: u64,
    /// Earlier ticks are not owed: when it was first known, or last ticked otherwise.
    pub(crate) since: Timestamp,
    /// How far it had come in another queue, where its mark was before.
    #[serde(default)]
    pub(crate) came_to: Option<Timestamp>,
    /// Queues in which it had its mark before, until it goes on from there in the new one.
    pub(crate) former: Vec<String>,
    /// Since when nobody who lives declares it: it rests, and is removed should that last.
    #[serde(default)]
    pub(crate) unclaimed_since: Option<Timestamp>,
    /// When it was removed, by an operator or as nobody declared it any more. What is left is only there so
    /// that it does not begin anew should it come back.
    pub(crate) removed_at: Option<Timestamp>,
}

impl Definition {
    pub(crate) const fn new(plan: Plan, source: Source, since: Timestamp) -> Self {
        Self {
            format: FORMAT,
            plan,
            source,
            stamp: 0,
            since,
            came_to: None,
            former: Vec::new(),
            unclaimed_since: None,
            removed_at: None,
        }
    }

    /// The tick after which it may be run, as far as its definition says.
    pub(crate) fn holds_from(&self) -> Timestamp {
        self.came_to.map_or(self.since, |came_to| came_to.max(self.since))
    }

    /// The same, should the clock have been put back since it was written: a definition that is to hold only
    /// later would never hold.
    pub(crate) fn not_ahead_of(self, now: Timestamp) -> Self {
        Self { since: self.since.min(now), ..self }
    }

    /// Whether it is run.
    pub(crate) const fn is_run(&self) -> bool {
        self.removed_at.is_none() && self.unclaimed_since.is_none()
    }

    /// The same schedule by another plan, from an instant on if that ticks at other times.
    pub(crate) fn changed(&self, plan: Plan, from: Timestamp) -> Self {
        let mut former = self.former.clone();
        if plan.job.queue != self.plan.job.queue && !former.contains(&self.plan.job.queue) {
            former.push(self.plan.job.queue.clone());
        }
        let goes_on = self.removed_at.is_none() && plan.ticks_like(&self.plan);
        let since = if goes_on { self.since } else { from };
        let (unclaimed_since, removed_at) = (None, None);
        Self { plan, since, former, unclaimed_since, removed_at, ..self.clone() }
    }

    /// The queues that may have a mark of it: its own first.
    pub(crate) fn queues(&self) -> Result<Vec<QueueName>> {
        let own = &self.plan.job.queue;
        let former = self.former.iter().filter(|queue| *queue != own);
        std::iter::once(own).chain(former).map(QueueName::new).collect()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        encoded(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let wrong = || {
            let message = "it was written by a version of jobq that this one does not understand";
            Error::new(ErrorKind::Corrupt, message)
        };
        let definition: Self =
            rmp_serde::from_slice(bytes).map_err(|cause| wrong().because(cause))?;
        if definition.format > FORMAT { Err(wrong()) } else { Ok(definition) }
    }
}

/// Numbers, texts and lists of them always have an encoding.
pub(crate) fn encoded<T: Serialize>(value: &T) -> Vec<u8> {
    rmp_serde::to_vec_named(value).unwrap_or_default()
}

pub(crate) fn digest<T: Serialize>(value: &T) -> Digest {
    let mut digest = [0; 16];
    digest.copy_from_slice(&Sha256::digest(encoded(value))[..16]);
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_of_the_future_is_not_taken_for_one_of_today() {
        let plan = Schedule::hourly().record(crate::faults::record("one")).plan().unwrap();
        let today = Definition::new(plan, Source::Code, Timestamp::EPOCH);
        assert_eq!(Definition::decode(&today.encode()).unwrap(), today);
        let future = Definition { format: FORMAT + 1, ..today };

        assert_eq!(Definition::decode(&future.encode()).unwrap_err().kind(), ErrorKind::Corrupt);
    }
}
