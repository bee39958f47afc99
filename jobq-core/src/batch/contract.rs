//! What a backend is told of a batch, and what it tells.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::clock::{Clock, Timestamp};
use crate::duration;
use crate::error::{Error, ErrorKind, Result};
use crate::id::JobId;
use crate::job_ref::parts;
use crate::name::QueueName;
use crate::record::NewJob;
use crate::text::{as_text, shown};

/// How long a batch is known after its last job has ended, unless it says otherwise.
const DEFAULT_RETENTION: Duration = Duration::from_secs(7 * 24 * 3_600);
const MAX_RETENTION: Duration = Duration::from_secs(366 * 24 * 3_600);
const MAX_NAME_BYTES: usize = 200;

/// The identity of a batch: a UUID, made by the caller's side as a [`JobId`] is. Its text is
/// also its form with serde.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(JobId);

impl BatchId {
    /// A fresh id (UUIDv7).
    #[must_use]
    pub fn generate(clock: &dyn Clock) -> Self {
        Self(JobId::generate(clock))
    }

    /// The id that stands for `key`: the same key gives the same id, in every process and version.
    #[must_use]
    pub fn from_key(key: &str) -> Self {
        Self(JobId::from_key(key))
    }

    /// The id with these 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(JobId::from_bytes(bytes))
    }

    /// The 16 bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for BatchId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse()
            .map(Self)
            .map_err(|_| Error::invalid_input(format!("batch id {} is not a UUID", shown(text))))
    }
}

/// Where a batch is found: its home queue, in which it is counted, and its id. Its jobs may be in any
/// queue; those in its home are counted in the very step in which they end, others a moment later.
///
/// Its text, also with serde, is `import/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct BatchRef {
    /// Its home.
    pub queue: QueueName,
    /// Its id.
    pub id: BatchId,
}

impl BatchRef {
    /// The batch `id` whose home is `queue`.
    #[must_use]
    pub const fn new(queue: QueueName, id: BatchId) -> Self {
        Self { queue, id }
    }
}

impl fmt::Display for BatchRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.queue, self.id)
    }
}

impl FromStr for BatchRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (queue, id) = parts(text, "batch")?;
        Ok(Self::new(queue.parse()?, id.parse()?))
    }
}

as_text!(BatchId, BatchRef);

/// A batch to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewBatch {
    /// Where it will be found.
    pub batch: BatchRef,
    /// What people call it: at most 200 bytes, and not unique.
    pub name: String,
    /// Enqueued once every job has completed: at the end, or when the failed ones have been retried.
    pub on_success: Option<NewJob>,
    /// Enqueued once, when the first job ends as dead or cancelled.
    pub on_failure: Option<NewJob>,
    /// Enqueued once, when the batch is closed and every job has ended, whatever way.
    pub on_complete: Option<NewJob>,
    /// Whether the first failure calls off all jobs that have not started: they end as cancelled
    /// instead of being leased.
    pub call_off_on_failure: bool,
    /// The batch that counts this one as one of its jobs.
    pub parent: Option<BatchRef>,
    /// How long the batch is known after its last job has ended: 1 s to 366 days.
    pub retention: Duration,
}

impl NewBatch {
    /// A batch without callbacks, known for 7 days after its end.
    #[must_use]
    pub fn new(batch: BatchRef, name: impl Into<String>) -> Self {
        Self {
            batch,
            name: name.into(),
            on_success: None,
            on_failure: None,
            on_complete: None,
            call_off_on_failure: false,
            parent: None,
            retention: DEFAULT_RETENTION,
        }
    }

    /// Refuses what no backend could keep.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput), naming the field and its limit.
    pub fn check(&self) -> Result<()> {
        if self.name.len() > MAX_NAME_BYTES {
            return Err(Error::invalid_input(format!(
                "the name of batch {} has {} bytes, more than the {MAX_NAME_BYTES} allowed",
                self.batch.id,
                self.name.len()
            )));
        }
        if self.retention < Duration::from_secs(1) || self.retention > MAX_RETENTION {
            return Err(Error::invalid_input(format!(
                "a retention of {} is not possible for batch {}: 1s to 366d",
                duration::text(self.retention),
                self.batch.id
            )));
        }
        if self.parent.as_ref() == Some(&self.batch) {
            return Err(Error::invalid_input(format!(
                "batch {} cannot be its own parent",
                self.batch.id
            )));
        }
        let callbacks = [&self.on_success, &self.on_failure, &self.on_complete];
        callbacks.into_iter().flatten().try_for_each(|job| self.check_callback(job))
    }

    fn check_callback(&self, job: &NewJob) -> Result<()> {
        let id = job.record.id;
        if job.record.batch.is_some() {
            return Err(Error::invalid_input(format!(
                "callback {id} of batch {} cannot be counted by a batch",
                self.batch.id
            )));
        }
        if !job.parents.is_empty() || !job.children.is_empty() {
            return Err(Error::invalid_input(format!(
                "callback {id} of batch {} cannot have parents or children: the batch is what it waits for",
                self.batch.id
            )));
        }
        self.stamp(job).check()
    }

    /// A callback as it is to be enqueued: with the facts `batch` and `batch_queue` that say which batch
    /// it is about.
    #[must_use]
    pub fn stamp(&self, callback: &NewJob) -> NewJob {
        let mut job = callback.clone();
        job.record.metadata.insert("batch", self.batch.id.to_string());
        job.record.metadata.insert("batch_queue", self.batch.queue.as_str());
        job
    }
}

/// Where a batch is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BatchState {
    /// Jobs may be added by anybody.
    Open,
    /// Closed: only its own jobs may add further ones. Not all have ended.
    Closed,
    /// Every job has ended, and none failed.
    Succeeded,
    /// Every job has ended, and some failed. Retrying one makes it closed again.
    Failed,
}

impl BatchState {
    /// The word for this state.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Whether every job has ended.
    #[must_use]
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How far a batch has come. The counts add up: `done + failed + cancelled + pending() == total`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchView {
    /// Where it is found.
    pub batch: BatchRef,
    /// What people call it.
    pub name: String,
    /// Where it is in its life.
    pub state: BatchState,
    /// Jobs added so far, nested batches among them.
    pub total: u64,
    /// Jobs that have completed.
    pub done: u64,
    /// Jobs that are dead.
    pub failed: u64,
    /// Jobs that were cancelled or deleted.
    pub cancelled: u64,
    /// Whether jobs that have not started are called off.
    pub is_called_off: bool,
    /// The batch that counts this one as one of its jobs.
    pub parent: Option<BatchRef>,
    /// When it was opened, by the backend's clock.
    pub opened_at: Timestamp,
    /// When its last job ended; `None` while there are some.
    pub ended_at: Option<Timestamp>,
}

impl BatchView {
    /// The view of a batch that was just opened.
    #[must_use]
    pub const fn new(batch: BatchRef, name: String, opened_at: Timestamp) -> Self {
        Self {
            batch,
            name,
            state: BatchState::Open,
            total: 0,
            done: 0,
            failed: 0,
            cancelled: 0,
            is_called_off: false,
            parent: None,
            opened_at,
            ended_at: None,
        }
    }

    /// Jobs that have not ended.
    #[must_use]
    pub const fn pending(&self) -> u64 {
        self.total.saturating_sub(self.done + self.failed + self.cancelled)
    }
}

/// The error of a call about a batch that its home does not know.
#[must_use]
pub fn unknown_batch(batch: &BatchRef) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!("batch {batch} is not known: it was never opened, or its retention is over"),
    )
}

/// The error of a call that would add to a batch whose every job has ended.
#[must_use]
pub fn ended_batch(batch: &BatchRef) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("batch {batch} has ended, so nothing can be added to it: open another one"),
    )
}

/// The error of a second call to close a batch.
#[must_use]
pub fn closed_batch(batch: &BatchRef) -> Error {
    Error::new(ErrorKind::Conflict, format!("batch {batch} is closed already"))
}
