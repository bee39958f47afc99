//! What a handler knows of the attempt it runs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backend::Backend;
use crate::batch::Batch;
use crate::cancellation::Cancellation;
use crate::clock::Timestamp;
use crate::error::{Error, ErrorKind, Result};
use crate::id::{JobId, Token, WorkerId};
use crate::lane::LaneKey;
use crate::lease::{Held, Lease};
use crate::metadata::Metadata;
use crate::name::{Kind, QueueName};
use crate::parents::ParentOutcome;
use crate::progress::{Progress, Report};

/// The longest that a handler can let its lane rest.
const LONGEST_REST: Duration = Duration::from_secs(24 * 3_600);

/// One attempt of a job, as its handler sees it. Clones are the same attempt.
#[derive(Clone)]
pub struct JobContext {
    inner: Arc<Inner>,
}

struct Inner {
    lease: Arc<Lease>,
    deadline: Option<Timestamp>,
    cancellation: Cancellation,
    backend: Arc<dyn Backend>,
    report: Mutex<Report>,
}

impl JobContext {
    /// The context of an attempt. Workers make it; so do tests of handlers.
    #[must_use]
    pub fn new(
        lease: Arc<Lease>,
        deadline: Option<Timestamp>,
        cancellation: Cancellation,
        backend: Arc<dyn Backend>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                lease,
                deadline,
                cancellation,
                backend,
                report: Mutex::new(Report::default()),
            }),
        }
    }

    /// The job's id: the same for every attempt. A good idempotency key for calls to others.
    #[must_use]
    pub fn id(&self) -> JobId {
        self.inner.lease.job.id
    }

    /// The job's kind.
    #[must_use]
    pub fn kind(&self) -> &Kind {
        &self.inner.lease.job.kind
    }

    /// The queue the job came from.
    #[must_use]
    pub fn queue_name(&self) -> &QueueName {
        &self.inner.lease.job.queue
    }

    /// The number of this attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.inner.lease.attempt()
    }

    /// How many attempts there are in all.
    #[must_use]
    pub fn max_attempts(&self) -> u32 {
        self.inner.lease.job.max_attempts
    }

    /// Whether the job is dead if this attempt fails.
    #[must_use]
    pub fn is_last_attempt(&self) -> bool {
        self.inner.lease.is_last_attempt()
    }

    /// How many workers have died, or lost touch, while they ran this job.
    #[must_use]
    pub fn crashes(&self) -> u32 {
        self.inner.lease.crashes
    }

    /// The fencing token of this attempt: greater than those of all earlier attempts.
    #[must_use]
    pub fn token(&self) -> Token {
        self.inner.lease.token
    }

    /// The worker that runs this attempt.
    #[must_use]
    pub fn worker(&self) -> WorkerId {
        self.inner.lease.worker
    }

    /// When the attempt's timeout strikes, by the worker's clock; `None` if it has none.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.inner.deadline
    }

    /// When the job was enqueued, by the backend's clock.
    #[must_use]
    pub fn enqueued_at(&self) -> Timestamp {
        self.inner.lease.job.enqueued_at
    }

    /// The small facts that travel with the job.
    #[must_use]
    pub fn metadata(&self) -> &Metadata {
        &self.inner.lease.job.metadata
    }

    /// The lease of this attempt.
    #[must_use]
    pub fn lease(&self) -> &Lease {
        &self.inner.lease
    }

    /// The request to stop: a handler that takes long should watch it, and return
    /// `Err(`[`JobError::cancelled()`](crate::JobError::cancelled)`)` if its work is not done. What becomes of the job is
    /// [decided by the reason](crate::outcome#when-it-is-asked-to-stop): at a shutdown it is given back. `Ok(())`
    /// would complete it.
    ///
    /// Shortly after a request the handler's future is dropped, which means the same; a blocking handler is left
    /// to end by itself, and reported as stuck if it does not.
    #[must_use]
    pub fn cancellation(&self) -> &Cancellation {
        &self.inner.cancellation
    }

    /// Whether the handler should stop: between two steps of its work, with
    /// `return Err(JobError::cancelled())`. See [`cancellation`](Self::cancellation).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancellation.is_requested()
    }

    /// The queue to enqueue follow-up jobs with: the backend this job came from. Bring
    /// [`Queue`](crate::Queue) into scope for its methods.
    #[must_use]
    pub fn queue(&self) -> &Arc<dyn Backend> {
        &self.inner.backend
    }

    /// Tells everybody how far the job has come. One write to the backend: call it some times a
    /// second, not for every row.
    ///
    /// [`Held::Lost`] means that this attempt no longer holds the job: the handler should stop.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full). Progress is a
    /// courtesy: most handlers ignore the error and go on.
    pub async fn progress(
        &self,
        done: u64,
        total: u64,
        message: impl Into<String> + Send,
    ) -> Result<Held> {
        let progress = Progress::new(done, total, message);
        self.publish(|report| report.progress = Some(progress)).await
    }

    /// Where an earlier attempt has got to, as [`save`](Self::save) stored it; `None` if none did.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::ErrorKind::Corrupt) when what is stored is no `T`.
    pub fn saved<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let Some(bytes) = &self.inner.lease.checkpoint else {
            return Ok(None);
        };
        crate::msgpack::value(bytes).map(Some).map_err(|cause| {
            let what = std::any::type_name::<T>();
            Error::new(
                ErrorKind::Corrupt,
                format!("the checkpoint of job {} is no {what}", self.id()),
            )
            .because(cause)
        })
    }

    /// Stores where the job has got to, for a later attempt to go on from: at most 64 KiB, encoded. One
    /// write to the backend.
    ///
    /// [`Held::Lost`] means that this attempt no longer holds the job: the handler should stop.
    ///
    /// # Errors
    ///
    /// As [`Backend::checkpoint`].
    pub async fn save<T: Serialize + Sync>(&self, cursor: &T) -> Result<Held> {
        let bytes = rmp_serde::to_vec_named(cursor).map_err(|cause| {
            Error::invalid_input("the checkpoint has no encoding").because(cause)
        })?;
        let lease = self.inner.lease.proof();
        self.inner.backend.checkpoint(self.queue_name(), lease, &bytes).await
    }

    /// The lane whose share of the queue this job takes.
    #[must_use]
    pub fn lane(&self) -> Option<&LaneKey> {
        self.inner.lease.job.lane.as_ref()
    }

    /// Lets no further job of this job's lane be leased for so long: what to do about a `429` with a
    /// `Retry-After`. Usually followed by `Err(JobError::snooze(rest))`. More than a day counts as a day,
    /// as `rest` often comes from elsewhere. A job without a lane changes nothing.
    ///
    /// # Errors
    ///
    /// As [`Backend::throttle_lane`].
    pub async fn throttle_lane(&self, rest: Duration) -> Result<()> {
        match self.lane() {
            Some(lane) => {
                let rest = rest.min(LONGEST_REST);
                self.inner.backend.throttle_lane(self.queue_name(), lane, rest).await
            }
            None => Ok(()),
        }
    }

    /// The batch that counts this job: it can be added to.
    #[must_use]
    pub fn batch(&self) -> Option<Batch<'_>> {
        let batch = self.inner.lease.job.batch.clone()?;
        Some(Batch::new(&self.inner.backend, batch))
    }

    /// How the jobs that this one waited for have ended, in the order in which it named them.
    ///
    /// # Errors
    ///
    /// As [`Backend::parents`].
    pub async fn parents(&self) -> Result<Vec<ParentOutcome>> {
        self.inner.backend.parents(self.queue_name(), self.id()).await
    }

    /// Adds a line to the log that is kept with the job: the newest hundred lines of the newest
    /// attempt, cut to 500 bytes. One write to the backend, as with [`progress`](Self::progress).
    ///
    /// # Errors
    ///
    /// As [`progress`](Self::progress).
    pub async fn log(&self, line: impl Into<String> + Send) -> Result<Held> {
        let (at, attempt) = (self.inner.backend.clock().now(), self.attempt());
        let line = line.into();
        self.publish(|report| report.push_line(at, attempt, line)).await
    }

    async fn publish(&self, change: impl FnOnce(&mut Report) + Send) -> Result<Held> {
        let report = {
            let mut report = self.report();
            change(&mut report);
            report.clone()
        };
        self.inner.backend.report(self.queue_name(), self.inner.lease.proof(), &report).await
    }

    fn report(&self) -> MutexGuard<'_, Report> {
        // A report is whole between any two statements, so a panic elsewhere does not spoil it.
        self.inner.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for JobContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobContext")
            .field("id", &self.id())
            .field("kind", self.kind())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}
