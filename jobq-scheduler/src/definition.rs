//! Schedules in the form in which a group keeps them.

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
    /// When it was removed, as nobody declared it any more. What is left is only there so that it does not begin anew should
    /// it come back.
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

/// A job's record in a form that can be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredJob {
    queue: String,
    kind: String,
    #[serde(with = "bytes")]
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

/// Bytes as such, and not as a list of numbers.
mod bytes {
    use std::fmt;

    use serde::de::{SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }

        from.deserialize_byte_buf(Bytes)
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

    #[test]
    fn a_payload_takes_no_more_room_than_it_has_bytes() {
        let mut record = crate::faults::record("one");
        let length = |record: &JobRecord| encoded(&StoredJob::of(record).unwrap()).len();
        let before = length(&record) - record.payload.as_bytes().len();
        record.payload = Payload::from_bytes(vec![200; 5_000]).unwrap();

        assert!(length(&record) <= before + 5_003, "{}", length(&record));
    }

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
