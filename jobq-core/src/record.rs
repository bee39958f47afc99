//! The untyped form of a job: what a backend is given and what it stores.

use std::collections::HashSet;
use std::time::Duration;

use crate::batch::BatchRef;
use crate::clock::Timestamp;
use crate::duration;
use crate::error::{Error, Result};
use crate::id::JobId;
use crate::job::{DEFAULT_MAX_ATTEMPTS, DEFAULT_MAX_CRASHES, Job};
use crate::job_ref::JobRef;
use crate::lane::LaneKey;
use crate::metadata::Metadata;
use crate::name::{Kind, QueueName};
use crate::parents::{MAX_PARENTS, OnParentFailure, Parent};
use crate::payload::Payload;
use crate::priority::Priority;
use crate::unique::Unique;

/// The most attempts and crashes a job may be given.
const MAX_ATTEMPTS_LIMIT: u32 = 65_535;
const MAX_CRASHES_LIMIT: u32 = 255;
const MAX_COST: u32 = 65_535;
/// The longest timeout and retention. Backends may store them in 32 bits.
const MAX_TIMEOUT: Duration = Duration::from_millis(u32::MAX as u64);
const MAX_RETENTION: Duration = Duration::from_secs(u32::MAX as u64);
/// The longest delay: 100 years.
const MAX_DELAY: Duration = Duration::from_secs(36_525 * 24 * 3_600);
/// The end of the year 9999.
const LAST_INSTANT: Timestamp = Timestamp::from_millis(253_402_300_799_999);

/// All that is known of a job when it is enqueued and that never changes after.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobRecord {
    /// Made by the caller's side.
    pub id: JobId,
    /// The queue it waits in.
    pub queue: QueueName,
    /// The name by which it finds its handler.
    pub kind: Kind,
    /// Its encoded arguments.
    pub payload: Payload,
    /// The version of the payload's schema, from 1.
    pub version: u32,
    /// What goes first within the queue.
    pub priority: Priority,
    /// How often it is tried, the first attempt included.
    pub max_attempts: u32,
    /// How many workers it may bring down.
    pub max_crashes: u32,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How long it is kept once completed or cancelled.
    pub retention: Option<Duration>,
    /// What makes it the same as another, and for how long.
    pub unique: Option<Unique>,
    /// Whose share of the queue it takes.
    pub lane: Option<LaneKey>,
    /// How much of a [rate](crate::Limits::rate) it uses up: 1 to 65,535. One that costs more than a
    /// rate allows costs all of it.
    pub cost: u32,
    /// The batch that counts it.
    pub batch: Option<BatchRef>,
    /// Small facts beside the payload.
    pub metadata: Metadata,
    /// When it was enqueued: stamped by the backend with its own clock.
    pub enqueued_at: Timestamp,
}

impl JobRecord {
    /// A record with the defaults of [`Job`]'s constants, enqueued at the epoch: a backend stamps it.
    #[must_use]
    pub fn new(id: JobId, queue: QueueName, kind: Kind, payload: Payload) -> Self {
        Self {
            id,
            queue,
            kind,
            payload,
            version: 1,
            priority: Priority::DEFAULT,
            max_attempts: DEFAULT_MAX_ATTEMPTS,
            max_crashes: DEFAULT_MAX_CRASHES,
            timeout: None,
            retention: None,
            unique: None,
            lane: None,
            cost: 1,
            batch: None,
            metadata: Metadata::new(),
            enqueued_at: Timestamp::EPOCH,
        }
    }

    /// The record of a typed job, with the choices of its type.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when the job has no encoding, is too large, or
    /// its type has an impossible name or number.
    pub fn of<J: Job>(id: JobId, job: &J) -> Result<Self> {
        let record = Self {
            version: J::VERSION,
            priority: J::PRIORITY,
            max_attempts: J::MAX_ATTEMPTS,
            max_crashes: J::MAX_CRASHES,
            timeout: J::TIMEOUT,
            retention: J::RETENTION,
            unique: job
                .unique_key()?
                .map(|key| Unique { scope: J::UNIQUE_SCOPE, ..Unique::new(key, J::UNIQUE_MODE) }),
            lane: job.lane_key()?,
            cost: J::COST,
            ..Self::new(id, QueueName::new(J::QUEUE)?, Kind::new(J::KIND)?, Payload::encode(job)?)
        };
        record.check()?;
        Ok(record)
    }

    /// Whether another job may stand for it when it is enqueued: one that holds its unique key.
    #[must_use]
    pub fn may_be_duplicate(&self) -> bool {
        self.unique.is_some_and(|unique| unique.mode.makes_duplicates())
    }

    /// Refuses what no backend could keep.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), naming the field and its limit.
    pub fn check(&self) -> Result<()> {
        let within = |what: &str, value: u32, limit: u32| {
            if (1..=limit).contains(&value) {
                Ok(())
            } else {
                Err(Error::invalid_input(format!(
                    "{what} of a job of kind {:?} is {value}; it must be 1 to {limit}",
                    self.kind.as_str()
                )))
            }
        };
        within("max_attempts", self.max_attempts, MAX_ATTEMPTS_LIMIT)?;
        within("max_crashes", self.max_crashes, MAX_CRASHES_LIMIT)?;
        within("version", self.version, MAX_ATTEMPTS_LIMIT)?;
        within("cost", self.cost, MAX_COST)?;
        let duration =
            |what: &str, value: Option<Duration>, least: Duration, most: Duration| match value {
                Some(value) if value < least || value > most => Err(Error::invalid_input(format!(
                    "{what} of a job of kind {:?} is {}; it must be {} to {}",
                    self.kind.as_str(),
                    duration::text(value),
                    duration::text(least),
                    duration::text(most)
                ))),
                _ => Ok(()),
            };
        duration("timeout", self.timeout, Duration::from_millis(1), MAX_TIMEOUT)?;
        duration("retention", self.retention, Duration::from_secs(1), MAX_RETENTION)?;
        if let Some(unique) = &self.unique {
            unique.check()?;
        }
        self.metadata.check()
    }
}

/// When a job becomes ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// At once.
    #[default]
    Now,
    /// At an instant, by the backend's clock; one in the past is as good as now. Before the year 10000.
    At(Timestamp),
    /// After a delay, counted from the enqueue by the backend's clock: 100 years at most.
    After(Duration),
}

impl When {
    /// Refuses what is more likely a mistake, such as a time in microseconds.
    fn check(self, id: JobId) -> Result<()> {
        match self {
            Self::At(instant) if instant > LAST_INSTANT => Err(Error::invalid_input(format!(
                "job {id} cannot be ready {} ms after the epoch: that is after the year 9999",
                instant.as_millis()
            ))),
            Self::After(delay) if delay > MAX_DELAY => Err(Error::invalid_input(format!(
                "job {id} cannot be ready after {}: 100 years at most",
                duration::text(delay)
            ))),
            _ => Ok(()),
        }
    }
}

/// A job to be enqueued.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewJob {
    /// What to store.
    pub record: JobRecord,
    /// When it becomes ready; if it has parents, counted from when the last of them has ended.
    pub when: When,
    /// The jobs it waits for.
    pub parents: Vec<Parent>,
    /// What becomes of it when one of them fails.
    pub on_parent_failure: OnParentFailure,
    /// Jobs that were enqueued before it and wait for it, as one of their parents
    /// [to come](Parent::is_to_come).
    pub children: Vec<JobRef>,
}

impl NewJob {
    /// A job that becomes ready at `when`, and waits for no other.
    #[must_use]
    pub const fn new(record: JobRecord, when: When) -> Self {
        Self {
            record,
            when,
            parents: Vec::new(),
            on_parent_failure: OnParentFailure::Fail,
            children: Vec::new(),
        }
    }

    /// Refuses what no backend could keep.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), naming the field and its limit.
    pub fn check(&self) -> Result<()> {
        self.record.check()?;
        self.when.check(self.record.id)?;
        for (what, count) in [("parents", self.parents.len()), ("children", self.children.len())] {
            if count > MAX_PARENTS {
                return Err(Error::invalid_input(format!(
                    "job {} has {count} {what}, more than the {MAX_PARENTS} allowed: use a batch",
                    self.record.id
                )));
            }
        }
        let myself = JobRef::new(self.record.queue.clone(), self.record.id);
        if self.parents.iter().any(|parent| parent.job == myself) || self.children.contains(&myself)
        {
            return Err(Error::invalid_input(format!("job {} cannot wait for itself", myself.id)));
        }
        let mut named = HashSet::new();
        if let Some(twice) = self.parents.iter().find(|parent| !named.insert(&parent.job)) {
            return Err(Error::invalid_input(format!(
                "job {} names its parent {} twice",
                myself.id, twice.job
            )));
        }
        if !self.children.is_empty() && self.record.may_be_duplicate() {
            return Err(Error::invalid_input(format!(
                "job {} has children that wait for it, and a unique key by which it may be a duplicate: \
                 they would wait for ever; make it not unique, or name it as a parent when it is added",
                myself.id
            )));
        }
        Ok(())
    }
}

/// What became of an enqueue.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "callers must be able to rely on there being these cases"
)]
pub enum Enqueued {
    /// The job was added, under this id.
    Created(JobId),
    /// Nothing was added: this job is there already, under the same id or the same unique key. If the key
    /// counts among all queues, it may be in another one.
    Duplicate(JobRef),
    /// The job was added in place of one that waited with its unique key, which ended as cancelled.
    Replaced {
        /// The job that was added.
        id: JobId,
        /// The one that it took the place of.
        previous: JobId,
    },
}

impl Enqueued {
    /// The id of the job that stands for the request, new or old.
    #[must_use]
    pub const fn id(&self) -> JobId {
        match self {
            Self::Created(id) | Self::Replaced { id, .. } => *id,
            Self::Duplicate(job) => job.id,
        }
    }

    /// Where that job is found, if the one to be added was for `queue`.
    #[must_use]
    pub fn found_in(&self, queue: &QueueName) -> JobRef {
        match self {
            Self::Created(id) | Self::Replaced { id, .. } => JobRef::new(queue.clone(), *id),
            Self::Duplicate(job) => job.clone(),
        }
    }

    /// Whether a job was added.
    #[must_use]
    pub const fn is_created(&self) -> bool {
        matches!(self, Self::Created(_) | Self::Replaced { .. })
    }
}
