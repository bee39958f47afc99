//! Schedules in the form in which a group keeps them.

use std::fmt;
use std::time::Duration;

use jobq_core::{
    Error, ErrorKind, JobId, JobRecord, Kind, LaneKey, Metadata, Payload, Priority, QueueName,
    Result, Timestamp, Unique, UniqueKey, UniqueMode, UniqueScope,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::policy::{CatchUp, Overlap};
use crate::schedule::Schedule;
use crate::timing::Timing;

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
    pub(crate) plan: Plan,
    pub(crate) source: Source,
    /// Earlier ticks are not owed: when it was first known, or last ticked otherwise.
    pub(crate) since: Timestamp,
    /// Queues in which it had its mark before, until it goes on from there in the new one.
    pub(crate) former: Vec<String>,
    /// When nobody declared it any more. What is left is only there so that it does not begin anew should
    /// it come back.
    pub(crate) removed_at: Option<Timestamp>,
}

impl Definition {
    pub(crate) const fn new(plan: Plan, source: Source, since: Timestamp) -> Self {
        Self { plan, source, since, former: Vec::new(), removed_at: None }
    }

    /// The same schedule by another plan.
    pub(crate) fn changed(&self, plan: Plan, now: Timestamp) -> Self {
        let mut former = self.former.clone();
        if plan.job.queue != self.plan.job.queue && !former.contains(&self.plan.job.queue) {
            former.push(self.plan.job.queue.clone());
        }
        let goes_on = self.removed_at.is_none() && plan.ticks_like(&self.plan);
        let since = if goes_on { self.since } else { now };
        Self { plan, source: self.source, since, former, removed_at: None }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        encoded(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        rmp_serde::from_slice(bytes).map_err(|cause| {
            let message = "it was written by a version of jobq that this one does not understand";
            Error::new(ErrorKind::Corrupt, message).because(cause)
        })
    }
}

/// A job's record in a form that can be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredJob {
    queue: String,
    kind: String,
    payload: Vec<u8>,
    version: u32,
    priority: u8,
    max_attempts: u32,
    max_crashes: u32,
    timeout: Option<Duration>,
    retention: Option<Duration>,
    unique: Option<StoredUnique>,
    lane: Option<String>,
    cost: u32,
    metadata: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredUnique {
    key: [u8; 16],
    everywhere: bool,
    mode: StoredMode,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum StoredMode {
    UntilFinished,
    UntilStarted,
    WhileRunning,
    Throttle(Duration),
    Debounce(Duration, Option<Duration>),
    LatestWins,
}

impl StoredJob {
    fn of(record: &JobRecord) -> Result<Self> {
        Ok(Self {
            queue: record.queue.to_string(),
            kind: record.kind.to_string(),
            payload: record.payload.as_bytes().to_vec(),
            version: record.version,
            priority: record.priority.level(),
            max_attempts: record.max_attempts,
            max_crashes: record.max_crashes,
            timeout: record.timeout,
            retention: record.retention,
            unique: record.unique.as_ref().map(StoredUnique::of).transpose()?,
            lane: record.lane.as_ref().map(ToString::to_string),
            cost: record.cost,
            metadata: owned(record.metadata.iter()),
        })
    }

    fn record(&self) -> Result<JobRecord> {
        let mut record = JobRecord::new(
            JobId::from_bytes([0; 16]),
            QueueName::new(&self.queue)?,
            Kind::new(&self.kind)?,
            Payload::from_bytes(self.payload.clone())?,
        );
        record.version = self.version;
        record.priority = Priority::new(self.priority)?;
        record.max_attempts = self.max_attempts;
        record.max_crashes = self.max_crashes;
        record.timeout = self.timeout;
        record.retention = self.retention;
        record.unique = self.unique.as_ref().map(StoredUnique::unique);
        record.lane = self.lane.as_ref().map(LaneKey::new).transpose()?;
        record.cost = self.cost;
        let mut metadata = Metadata::new();
        for (key, value) in &self.metadata {
            metadata.insert(key.clone(), value.clone());
        }
        record.metadata = metadata;
        Ok(record)
    }
}

fn owned<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

impl StoredUnique {
    fn of(unique: &Unique) -> Result<Self> {
        let mode = match unique.mode {
            UniqueMode::UntilFinished => StoredMode::UntilFinished,
            UniqueMode::UntilStarted => StoredMode::UntilStarted,
            UniqueMode::WhileRunning => StoredMode::WhileRunning,
            UniqueMode::Throttle { per } => StoredMode::Throttle(per),
            UniqueMode::Debounce { delay, at_most } => StoredMode::Debounce(delay, at_most),
            UniqueMode::LatestWins => StoredMode::LatestWins,
            _ => return Err(Error::invalid_input("this unique mode cannot be scheduled")),
        };
        let everywhere = unique.scope == UniqueScope::Everywhere;
        Ok(Self { key: *unique.key.as_bytes(), everywhere, mode })
    }

    fn unique(&self) -> Unique {
        let mode = match self.mode {
            StoredMode::UntilFinished => UniqueMode::UntilFinished,
            StoredMode::UntilStarted => UniqueMode::UntilStarted,
            StoredMode::WhileRunning => UniqueMode::WhileRunning,
            StoredMode::Throttle(per) => UniqueMode::Throttle { per },
            StoredMode::Debounce(delay, at_most) => UniqueMode::Debounce { delay, at_most },
            StoredMode::LatestWins => UniqueMode::LatestWins,
        };
        let unique = Unique::new(UniqueKey::from_bytes(self.key), mode);
        if self.everywhere { unique.everywhere() } else { unique }
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
    fn a_job_comes_back_as_it_was() {
        let payload = Payload::encode("payload").unwrap();
        let mut record = JobRecord::new(
            JobId::from_bytes([0; 16]),
            QueueName::new("mail").unwrap(),
            Kind::new("send").unwrap(),
            payload,
        );
        record.lane = Some(LaneKey::new("store-1").unwrap());
        record.metadata.insert("a", "b");
        record.retention = Some(Duration::from_secs(60));
        let key = UniqueKey::from_bytes([7; 16]);
        for mode in [
            UniqueMode::UntilFinished,
            UniqueMode::UntilStarted,
            UniqueMode::WhileRunning,
            UniqueMode::Throttle { per: Duration::from_secs(1) },
            UniqueMode::Debounce { delay: Duration::from_secs(1), at_most: None },
            UniqueMode::LatestWins,
        ] {
            record.unique = Some(Unique::new(key, mode));
            let stored = StoredJob::of(&record).unwrap();
            let bytes = encoded(&stored);
            let read: StoredJob = rmp_serde::from_slice(&bytes).unwrap();
            assert_eq!(read.record().unwrap(), record);
        }
        record.unique = Some(Unique::new(key, UniqueMode::UntilFinished).everywhere());
        assert_eq!(StoredJob::of(&record).unwrap().record().unwrap(), record);
    }
}
