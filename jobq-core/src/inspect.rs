//! The contract for people and their tools: look, and step in.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::backend::WorkerStatus;
use crate::batch::{BatchRef, BatchView};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::explain::Standing;
use crate::history::History;
use crate::id::{JobId, Token, WorkerId};
use crate::job_ref::JobRef;
use crate::lane::LaneKey;
use crate::limits::{LimitSetting, Limits};
use crate::name::QueueName;
use crate::progress::Report;
use crate::record::JobRecord;
use crate::state::JobState;
use crate::unique::UniqueKey;

/// What people do with jobs and queues.
///
/// Nothing here is on a hot path; still every call does work bounded by its arguments and by the number
/// of jobs leased in the queue. All calls are cancel safe and may be repeated.
#[async_trait]
pub trait Inspect: fmt::Debug + Send + Sync + 'static {
    /// All queues that hold a job or have held one, by name, with their counts.
    ///
    /// # Errors
    ///
    /// As every call here: [`Unavailable`](crate::ErrorKind::Unavailable).
    async fn queues(&self) -> Result<Vec<QueueStats>>;

    /// The counts of one queue; all zero for one that never was.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn queue(&self, queue: &QueueName) -> Result<QueueStats>;

    /// The queue that knows a job with this id, if any. Looks into every queue.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn locate(&self, id: JobId) -> Result<Option<QueueName>>;

    /// All that is known of a job; `None` if the queue does not know it.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn job(&self, queue: &QueueName, id: JobId) -> Result<Option<JobView>>;

    /// The jobs of a queue in one state, from the `offset`th on: ready ones in the order in which they
    /// will be leased, those without a lane before those with one, and these lane by lane in the order of
    /// the keys; all others by their time, oldest first. Jobs that move meanwhile may be missed.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn jobs(
        &self,
        queue: &QueueName,
        state: JobState,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobView>>;

    /// Cancels jobs; the answers are in their order.
    ///
    /// Waiting, scheduled and ready jobs end at once. A leased one is asked to end: its worker learns of it with
    /// the next extension of the lease, and an attempt that ends other than by success ends the job.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues), and [`Full`](crate::ErrorKind::Full).
    async fn cancel(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<CancelOutcome>>;

    /// Moves dead jobs back to ready, behind those that wait, with all their attempts and crashes before
    /// them again and their history kept; the answers are in their order.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues), and [`Full`](crate::ErrorKind::Full).
    async fn requeue(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<RequeueOutcome>>;

    /// Deletes jobs that nobody is running and that are still in the state in which they were seen; the
    /// answers are in their order. One that has moved on since then, such as a dead job that somebody has
    /// put back, is left alone.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn delete(
        &self,
        queue: &QueueName,
        seen: JobState,
        ids: &[JobId],
    ) -> Result<Vec<DeleteOutcome>>;

    /// Stops leasing from a queue until it is resumed. What runs goes on; enqueueing goes on.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues), and [`Full`](crate::ErrorKind::Full).
    async fn pause(&self, queue: &QueueName) -> Result<()>;

    /// Leases from a paused queue again.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn resume(&self, queue: &QueueName) -> Result<()>;

    /// The lanes of a queue that have a job ready or running, or an override, by key: those after `after`, so
    /// that the last one of a page leads to the next. Costs the same wherever that is.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn lanes(
        &self,
        queue: &QueueName,
        after: Option<&LaneKey>,
        limit: usize,
    ) -> Result<Vec<LaneView>>;

    /// One lane of a queue, as it would be shown if nothing was known of it.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<LaneView>;

    /// Stops leasing from a lane until it is resumed.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues), and [`Full`](crate::ErrorKind::Full).
    async fn pause_lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<()>;

    /// Leases from a paused lane again. One that rests for another reason rests no more either, and its
    /// failures in a row are forgotten.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues), and [`Full`](crate::ErrorKind::Full).
    async fn resume_lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<()>;

    /// All limits set for a queue and its lanes, at most `limit` of those for single lanes.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn limits(&self, queue: &QueueName, limit: usize) -> Result<Vec<LimitSetting>>;

    /// All shared limits.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn shared_limits(&self) -> Result<Vec<LimitSetting>>;

    /// Who holds a unique key: the job that waits with it (or did within its throttle), and the one that
    /// runs with it. Looks among those of the queue and among those of all queues.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn unique(&self, queue: &QueueName, key: UniqueKey) -> Result<Vec<JobRef>>;

    /// The batches whose home is this queue, newest first, from the `offset`th on.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn batches(
        &self,
        queue: &QueueName,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<BatchView>>;

    /// The jobs of a batch that are dead, from the `offset`th on.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn failed_of_batch(
        &self,
        batch: &BatchRef,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobRef>>;

    /// Calls off the jobs of a batch that have not started: they end as cancelled instead of being
    /// leased. Says whether the batch is known.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues), and [`Full`](crate::ErrorKind::Full).
    async fn call_off_batch(&self, batch: &BatchRef) -> Result<bool>;

    /// Why a job is not running; `None` if the queue does not know it. Told from the same facts by which
    /// [`exchange`](crate::Backend::exchange) decides.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn standing(&self, queue: &QueueName, id: JobId) -> Result<Option<Standing>>;

    /// Asks all workers to stop gracefully, so that whatever supervises them starts the new program.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues), and [`Full`](crate::ErrorKind::Full).
    async fn restart_workers(&self) -> Result<()>;

    /// The workers that live, by their start.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn workers(&self) -> Result<Vec<WorkerStatus>>;

    /// Another handle to the same store, whose work is driven by the runtime that uses it: the counterpart
    /// of [`Backend::detached`](crate::Backend::detached), for those who look while the program's own
    /// runtime may be blocked.
    fn inspect_detached(&self) -> Arc<dyn Inspect>;
}

/// How many jobs of a queue are in each state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// The queue.
    pub queue: QueueName,
    /// Whether it is paused.
    pub paused: bool,
    /// Jobs that wait for other jobs to end.
    pub waiting: u64,
    /// Jobs that wait for a worker.
    pub ready: u64,
    /// Jobs that wait for their time, those due but not yet promoted among them.
    pub scheduled: u64,
    /// Jobs held by workers.
    pub leased: u64,
    /// Completed jobs that are kept.
    pub completed: u64,
    /// Cancelled jobs that are kept.
    pub cancelled: u64,
    /// Jobs put aside for people.
    pub dead: u64,
    /// When the job that has waited longest at the head of a priority was enqueued.
    pub oldest_ready_at: Option<Timestamp>,
}

impl QueueStats {
    /// The counts of an empty queue.
    #[must_use]
    pub const fn empty(queue: QueueName) -> Self {
        Self {
            queue,
            paused: false,
            waiting: 0,
            ready: 0,
            scheduled: 0,
            leased: 0,
            completed: 0,
            cancelled: 0,
            dead: 0,
            oldest_ready_at: None,
        }
    }

    /// The count of one state.
    #[must_use]
    pub const fn count(&self, state: JobState) -> u64 {
        match state {
            JobState::Waiting => self.waiting,
            JobState::Scheduled => self.scheduled,
            JobState::Ready => self.ready,
            JobState::Leased => self.leased,
            JobState::Completed => self.completed,
            JobState::Cancelled => self.cancelled,
            JobState::Dead => self.dead,
        }
    }
}

/// What is known of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneView {
    /// The lane.
    pub lane: LaneKey,
    /// Whether it is paused.
    pub paused: bool,
    /// Jobs of it that wait for a worker.
    pub ready: u64,
    /// Jobs of it held by workers.
    pub leased: u64,
    /// What limits it, from all sources and scopes.
    pub limits: Limits,
    /// When it next may have a job leased, if that is a matter of time: it rests, or its rate is used up.
    pub until: Option<Timestamp>,
    /// Failed attempts in a row.
    pub failures: u32,
}

impl LaneView {
    /// The view of a lane that nothing is known of.
    #[must_use]
    pub const fn new(lane: LaneKey, limits: Limits) -> Self {
        Self { lane, paused: false, ready: 0, leased: 0, limits, until: None, failures: 0 }
    }
}

/// All that is known of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobView {
    /// What was enqueued.
    pub record: JobRecord,
    /// Where it is in its life.
    pub state: JobState,
    /// Attempts that have failed so far.
    pub failed_attempts: u32,
    /// Leases that have expired so far.
    pub crashes: u32,
    /// What went wrong so far.
    pub history: History,
    /// What its newest attempt has said of itself.
    pub report: Report,
    /// Whether somebody has asked for the running job to be cancelled.
    pub cancel_requested: bool,
    /// When it is due (scheduled), its lease expires (leased), it died (dead), or it will be deleted
    /// (completed, cancelled); `None` for waiting and ready jobs.
    pub at: Option<Timestamp>,
    /// Who runs it under which token (leased).
    pub held_by: Option<(WorkerId, Token)>,
    /// What the handler returned, encoded (completed).
    pub result: Option<Vec<u8>>,
    /// Why what is stored of it cannot be read, if so. Something has overwritten it, or a newer version wrote it:
    /// then of `record` only the id and the queue are true, and what else is known is not shown. It can be
    /// deleted as any other.
    pub unreadable: Option<String>,
}

impl JobView {
    /// The view of a job that nothing has happened to yet.
    #[must_use]
    pub fn new(record: JobRecord, state: JobState) -> Self {
        Self {
            record,
            state,
            failed_attempts: 0,
            crashes: 0,
            history: History::new(),
            report: Report::default(),
            cancel_requested: false,
            at: None,
            held_by: None,
            result: None,
            unreadable: None,
        }
    }
}

/// What became of a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelOutcome {
    /// The job was waiting, and is cancelled.
    Cancelled,
    /// The job is running, and was asked to end.
    Requested,
    /// The job had ended before.
    AlreadyEnded,
    /// The queue does not know the job.
    NotFound,
}

/// What became of a request to requeue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequeueOutcome {
    /// The job is ready again.
    Requeued,
    /// This job holds the unique key now, so the dead one stays where it is.
    Conflict(JobId),
    /// The job is known but not dead.
    NotDead,
    /// The queue does not know the job.
    NotFound,
}

/// What became of a request to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeleteOutcome {
    /// The job is gone.
    Deleted,
    /// The job is running: cancel it instead.
    Running,
    /// The job is in another state than it was seen in.
    MovedOn,
    /// The queue does not know the job.
    NotFound,
}

const _OBJECT_SAFE: fn(&dyn Inspect) = |_| {};
