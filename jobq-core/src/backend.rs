//! The contract between jobq and a store of jobs: everything in the life of a job.
//!
//! What people do to jobs (list, requeue, cancel, pause) is the business of [`Inspect`](crate::Inspect).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::batch::{BatchRef, BatchView, NewBatch};
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::id::{JobId, WorkerId};
use crate::lane::LaneKey;
use crate::lease::{Exchanged, Extended, Held, LeaseRef, LeaseRequest, Settlement};
use crate::limits::{LimitScope, LimitSource, Limits};
use crate::name::QueueName;
use crate::parents::ParentOutcome;
use crate::progress::Report;
use crate::record::{Enqueued, NewJob};
use crate::sighting::Sighting;

/// The largest cursor that a job can store, in bytes.
pub const MAX_CHECKPOINT_BYTES: usize = 64 * 1024;

/// Refuses a cursor that no backend could keep.
///
/// # Errors
///
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) for more than [`MAX_CHECKPOINT_BYTES`].
pub fn check_checkpoint(cursor: &[u8]) -> Result<()> {
    if cursor.len() > MAX_CHECKPOINT_BYTES {
        return Err(Error::invalid_input(format!(
            "the checkpoint has {} bytes, more than the {MAX_CHECKPOINT_BYTES} allowed",
            cursor.len()
        )));
    }
    Ok(())
}

/// A store of jobs.
///
/// # Contract
///
/// An implementation MUST pass the conformance suite (`jobq_core::conformance`, feature `test-util`). In short:
///
/// - **Atomic.** Each transition of a job happens whole or not at all, and a call that fails has for
///   each job either had its full effect or none. A full store refuses; it never loses.
/// - **Fenced.** A write with a lease that is no longer held MUST change nothing and say so.
/// - **Bounded.** Every call does work bounded by its arguments, and grows with the number of stored
///   jobs by no more than their logarithm.
/// - **One clock.** Due times and expiries are decided by the backend's clock, never by a worker's.
///
/// All methods are **cancel safe** in this sense: a future that is dropped has for each job either had
/// its full effect or none, but which of the two the caller cannot know. What may then be repeated is
/// said at each method.
///
/// Every method is required: a wrapper that forgot to pass one on would otherwise go unnoticed.
#[async_trait]
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// Adds jobs; the answers are in their order.
    ///
    /// A job whose id is known to its queue (waiting, leased, dead, or kept) MUST NOT be added again,
    /// nor one whose unique key is held by another job, as its [mode](crate::UniqueMode) says. Two jobs
    /// of one call are treated as if they had come one after the other. A job MUST be ready, scheduled or
    /// waiting for its parents when the call returns, and an idle worker woken for what is ready. It MUST
    /// be counted by its batch.
    ///
    /// The call is atomic for each job, not for the batch. It may be repeated with the same ids: a job
    /// that had been added and is still known is a [`Duplicate`](Enqueued::Duplicate). One that has
    /// meanwhile completed without a retention is unknown, and runs again.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when a job fails [its check]; nothing is
    /// written then. [`Limited`](crate::ErrorKind::Limited) when a queue or lane would have more jobs
    /// than its limit, [`NotFound`](crate::ErrorKind::NotFound) when a parent or a batch is not known,
    /// and [`Conflict`](crate::ErrorKind::Conflict) when a batch has ended or a parent has as many children
    /// as it may: nothing is written for jobs of that queue then. [`Full`](crate::ErrorKind::Full) and [`Unavailable`](crate::ErrorKind::Unavailable)
    /// after none, some or all of the jobs were added.
    ///
    /// [its check]: NewJob::check
    async fn enqueue_jobs(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>>;

    /// Settles leases of a queue and leases new jobs of it, in one step.
    ///
    /// Settlements come first, so that what they free can be leased at once. Then due scheduled jobs
    /// are promoted and expired leases reclaimed, a bounded number of each, and up to the requested
    /// number of ready jobs are leased: highest priority first; within a priority lane by lane in turns,
    /// as [weights](Limits::weight) say; within a lane first in first out. Jobs without a lane are
    /// together one more lane, of weight 1. A paused queue leases nothing, nor does a paused lane, nor is
    /// a job leased that is over a limit. Each lease MUST have a greater token than all earlier ones of the queue.
    ///
    /// A job with a request to cancel is cancelled when it is settled other than as complete.
    ///
    /// When the call fails, settlements may be repeated: one that had its effect is then
    /// [`Lost`](Held::Lost). Jobs may have been leased that the caller does not know of: it should
    /// [`forfeit`](Self::forfeit) them.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full).
    async fn exchange(
        &self,
        queue: &QueueName,
        settlements: &[Settlement],
        request: Option<LeaseRequest>,
    ) -> Result<Exchanged>;

    /// Makes leases of a queue last `duration` from now; the answers are in their order.
    ///
    /// A lease that has expired but was not yet reclaimed MAY be extended. May be repeated.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full).
    async fn extend(
        &self,
        queue: &QueueName,
        leases: &[LeaseRef],
        duration: Duration,
    ) -> Result<Vec<Extended>>;

    /// Stores what a leased job says of itself, in place of what it said before. May be repeated.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full).
    async fn report(&self, queue: &QueueName, lease: LeaseRef, report: &Report) -> Result<Held>;

    /// Gives back all leases of `worker` in a queue but those in `keep`, as
    /// [`Release`](crate::Next::Release) does, and says how many. What was leased first is first again.
    ///
    /// For a worker whose exchange failed: the answer that got lost may have brought leases, and
    /// without this they would count as crashes. May be repeated. Takes time in proportion to the jobs
    /// leased in the queue.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full).
    async fn forfeit(
        &self,
        queue: &QueueName,
        worker: WorkerId,
        keep: &[LeaseRef],
    ) -> Result<usize>;

    /// Does what is due in a queue, at most `limit` jobs of each sort: promotes scheduled jobs,
    /// reclaims expired leases, and prunes what is past its retention.
    ///
    /// An expired lease adds one to the job's crashes. The job goes to the front of its priority, or to
    /// the dead once it has crashed as often as it may. Of several, the one whose lease expired first
    /// is first again; of those that expired together, the one that was leased first. Safe to run from
    /// many workers at once. Call it again while [`more`](Maintained::more) says so. May be repeated.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full).
    async fn maintain(&self, queue: &QueueName, limit: usize) -> Result<Maintained>;

    /// Lets no job of a lane be leased for so long from now, or for longer if it was told so before.
    /// What runs goes on. Other workers keep to it at once. May be repeated.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full).
    async fn throttle_lane(&self, queue: &QueueName, lane: &LaneKey, rest: Duration) -> Result<()>;

    /// Sets the limits of a scope in place of what the same source had set there; empty ones take them
    /// away. They hold at once, also for what is waiting. Jobs that run count, and go on. May be
    /// repeated.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when they fail [their check](Limits::check);
    /// [`Refused`](crate::ErrorKind::Refused) when this backend cannot share limits between queues.
    async fn set_limits(
        &self,
        scope: &LimitScope,
        source: LimitSource,
        limits: &Limits,
    ) -> Result<()>;

    /// Stores where a leased job has got to, in place of what it stored before: its later attempts are
    /// given it with their [lease](crate::Lease::checkpoint). An empty cursor takes it away. Forgotten
    /// when the job ends, and kept through the dead. May be repeated.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for more than [`MAX_CHECKPOINT_BYTES`];
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full).
    async fn checkpoint(&self, queue: &QueueName, lease: LeaseRef, cursor: &[u8]) -> Result<Held>;

    /// How the parents of a job ended, in the order in which it named them; none of those that have
    /// not. Known as long as the job is, also of parents that left nothing behind.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    async fn parents(&self, queue: &QueueName, id: JobId) -> Result<Vec<ParentOutcome>>;

    /// Opens a batch, and says whether it was new: one with this id may be known already. With a parent,
    /// it is counted there from now on. Jobs whose [record](crate::JobRecord::batch) names it are
    /// counted from their enqueue.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when it fails [its check](NewBatch::check);
    /// [`NotFound`](crate::ErrorKind::NotFound) and [`Conflict`](crate::ErrorKind::Conflict) when the
    /// parent is not known or has ended; [`Unavailable`](crate::ErrorKind::Unavailable),
    /// [`Full`](crate::ErrorKind::Full).
    async fn open_batch(&self, batch: &NewBatch) -> Result<bool>;

    /// Closes a batch: when the jobs it has by then have ended, so has it. One without jobs ends at once.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) when it is not known,
    /// [`Conflict`](crate::ErrorKind::Conflict) when it is closed already;
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full).
    async fn close_batch(&self, batch: &BatchRef) -> Result<BatchView>;

    /// How far a batch has come; `None` if its home does not know it. Costs the same whatever its size.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    async fn batch_view(&self, batch: &BatchRef) -> Result<Option<BatchView>>;

    /// What can be seen of a job: at once if that differs from `seen`, and else as soon as it does.
    /// Every change of its state that lasts is seen; of several reports in a row, the last. Dropping the
    /// future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    async fn watch(
        &self,
        queue: &QueueName,
        id: JobId,
        seen: Option<&Sighting>,
    ) -> Result<Sighting>;

    /// Waits until one of the queues may have something to lease, and says which.
    ///
    /// When a job becomes ready, at least one waiting caller MUST be woken, and when a job is scheduled
    /// before all others at least one too, so that it can learn of the earlier time. When a caller leases
    /// all it asked for and leaves jobs behind, ready or scheduled, another one MUST be woken in turn. A
    /// caller MAY be woken for nothing. Times are not waited for here: the caller takes them from
    /// [`Exchanged::next_in`]. Dropping the future loses no wake-up.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    async fn wait(&self, queues: &[QueueName]) -> Result<QueueName>;

    /// Says that a worker lives, and brings what it should know. Forgotten after `ttl` without
    /// another one. May be repeated.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable), [`Full`](crate::ErrorKind::Full).
    async fn heartbeat(&self, worker: &WorkerStatus, ttl: Duration) -> Result<Signals>;

    /// Takes a worker that has stopped off the list of the living. May be repeated.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](crate::ErrorKind::Unavailable).
    async fn farewell(&self, worker: WorkerId) -> Result<()>;

    /// Whether the store can be reached and used right now. May be repeated.
    ///
    /// # Errors
    ///
    /// What any other call would fail with.
    async fn ping(&self) -> Result<()>;

    /// Another handle to the same store, whose work is driven by the runtime that uses it.
    ///
    /// Leases are extended from a runtime of their own, which must go on while the handlers' runtime
    /// is blocked: a connection driven by the latter would be blocked with it.
    fn detached(&self) -> Arc<dyn Backend>;

    /// The clock by which this handle stamps ids and records: the machine's, unless one was injected.
    fn clock(&self) -> &dyn Clock;
}

/// What one round of maintenance did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Maintained {
    /// Scheduled jobs that became ready.
    pub promoted: usize,
    /// Jobs whose lease had expired and that are ready again.
    pub reclaimed: usize,
    /// Jobs whose lease had expired once too often, now dead.
    pub poisoned: usize,
    /// Jobs deleted because their retention was over.
    pub pruned: usize,
    /// Whether a limit was reached, so that there may be more to do.
    pub more: bool,
}

impl Maintained {
    /// What a round did, in the order of the fields.
    #[must_use]
    pub const fn new(
        promoted: usize,
        reclaimed: usize,
        poisoned: usize,
        pruned: usize,
        more: bool,
    ) -> Self {
        Self { promoted, reclaimed, poisoned, pruned, more }
    }
}

/// What a worker says of itself with each heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// Its identity for this boot.
    pub id: WorkerId,
    /// A name for people: host and process, or what was configured. Nothing depends on it.
    pub name: String,
    /// The queues it leases from.
    pub queues: Vec<String>,
    /// The kinds it has handlers for.
    pub kinds: Vec<String>,
    /// How many jobs it runs at most.
    pub concurrency: usize,
    /// How many it runs now.
    pub running: usize,
    /// Whether it is stopping: it leases no more.
    pub draining: bool,
    /// When it started, by its own clock.
    pub started_at: Timestamp,
}

impl WorkerStatus {
    /// The status of a worker that has just started.
    #[must_use]
    pub fn new(id: WorkerId, name: impl Into<String>, started_at: Timestamp) -> Self {
        Self {
            id,
            name: name.into(),
            queues: Vec::new(),
            kinds: Vec::new(),
            concurrency: 0,
            running: 0,
            draining: false,
            started_at,
        }
    }
}

/// What the backend tells a worker in answer to its heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signals {
    /// A number that changes when somebody asks all workers to restart. A worker keeps the first one
    /// it sees, and stops gracefully when it sees another: whatever supervises it starts the new
    /// program.
    pub restart: u64,
}

impl Signals {
    /// The signals of a backend.
    #[must_use]
    pub const fn new(restart: u64) -> Self {
        Self { restart }
    }
}

#[async_trait]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    async fn enqueue_jobs(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        (**self).enqueue_jobs(jobs).await
    }

    async fn exchange(
        &self,
        queue: &QueueName,
        settlements: &[Settlement],
        request: Option<LeaseRequest>,
    ) -> Result<Exchanged> {
        (**self).exchange(queue, settlements, request).await
    }

    async fn extend(
        &self,
        queue: &QueueName,
        leases: &[LeaseRef],
        duration: Duration,
    ) -> Result<Vec<Extended>> {
        (**self).extend(queue, leases, duration).await
    }

    async fn report(&self, queue: &QueueName, lease: LeaseRef, report: &Report) -> Result<Held> {
        (**self).report(queue, lease, report).await
    }

    async fn forfeit(
        &self,
        queue: &QueueName,
        worker: WorkerId,
        keep: &[LeaseRef],
    ) -> Result<usize> {
        (**self).forfeit(queue, worker, keep).await
    }

    async fn maintain(&self, queue: &QueueName, limit: usize) -> Result<Maintained> {
        (**self).maintain(queue, limit).await
    }

    async fn throttle_lane(&self, queue: &QueueName, lane: &LaneKey, rest: Duration) -> Result<()> {
        (**self).throttle_lane(queue, lane, rest).await
    }

    async fn set_limits(
        &self,
        scope: &LimitScope,
        source: LimitSource,
        limits: &Limits,
    ) -> Result<()> {
        (**self).set_limits(scope, source, limits).await
    }

    async fn checkpoint(&self, queue: &QueueName, lease: LeaseRef, cursor: &[u8]) -> Result<Held> {
        (**self).checkpoint(queue, lease, cursor).await
    }

    async fn parents(&self, queue: &QueueName, id: JobId) -> Result<Vec<ParentOutcome>> {
        (**self).parents(queue, id).await
    }

    async fn open_batch(&self, batch: &NewBatch) -> Result<bool> {
        (**self).open_batch(batch).await
    }

    async fn close_batch(&self, batch: &BatchRef) -> Result<BatchView> {
        (**self).close_batch(batch).await
    }

    async fn batch_view(&self, batch: &BatchRef) -> Result<Option<BatchView>> {
        (**self).batch_view(batch).await
    }

    async fn watch(
        &self,
        queue: &QueueName,
        id: JobId,
        seen: Option<&Sighting>,
    ) -> Result<Sighting> {
        (**self).watch(queue, id, seen).await
    }

    async fn wait(&self, queues: &[QueueName]) -> Result<QueueName> {
        (**self).wait(queues).await
    }

    async fn heartbeat(&self, worker: &WorkerStatus, ttl: Duration) -> Result<Signals> {
        (**self).heartbeat(worker, ttl).await
    }

    async fn farewell(&self, worker: WorkerId) -> Result<()> {
        (**self).farewell(worker).await
    }

    async fn ping(&self) -> Result<()> {
        (**self).ping().await
    }

    fn detached(&self) -> Arc<dyn Backend> {
        (**self).detached()
    }

    fn clock(&self) -> &dyn Clock {
        (**self).clock()
    }
}

const _OBJECT_SAFE: fn(&dyn Backend) = |_| {};
