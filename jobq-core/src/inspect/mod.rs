//! The contract for people and their tools: look, and step in.

mod shared;
mod views;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::backend::WorkerStatus;
use crate::batch::{BatchRef, BatchView};
use crate::error::Result;
use crate::explain::Standing;
use crate::id::JobId;
use crate::job_ref::JobRef;
use crate::lane::LaneKey;
use crate::limits::LimitSetting;
use crate::name::QueueName;
use crate::state::JobState;
use crate::unique::UniqueKey;

pub use self::views::{
    CancelOutcome, Deaths, DeleteOutcome, JobView, LaneView, QueueStats, RequeueOutcome,
};

/// What people do with jobs and queues.
///
/// Nothing here is on a hot path; still every call does work bounded by its arguments and by the number
/// of jobs leased in the queue. All calls are cancel safe and may be repeated.
///
/// An `Arc` of a backend is one, with all three contracts:
///
/// ```
/// use std::sync::Arc;
///
/// use jobq_core::{Backend, Inspect, MemoryBackend, Schedules};
///
/// fn run(_backend: impl Backend + Schedules + Inspect) {}
///
/// let backend = Arc::new(MemoryBackend::new());
/// run(Arc::clone(&backend));
/// ```
#[async_trait]
pub trait Inspect: fmt::Debug + Send + Sync + 'static {
    /// All queues that hold a job or have held one, by name, with their counts.
    ///
    /// # Errors
    ///
    /// As every call here: [`Unavailable`](crate::ErrorKind::Unavailable).
    async fn queues(&self) -> Result<Vec<QueueStats>>;

    /// The names of all these queues, in order: costs less than their counts.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn queue_names(&self) -> Result<Vec<QueueName>>;

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

    /// The queue that knows each of these jobs, if any, in their order. Looks into every queue, once for all of them.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn locate_all(&self, ids: &[JobId]) -> Result<Vec<Option<QueueName>>>;

    /// All that is known of a job; `None` if the queue does not know it.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn job(&self, queue: &QueueName, id: JobId) -> Result<Option<JobView>>;

    /// All that is known of these jobs, in their order; those that the queue does not know are left out.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn look_up(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<JobView>>;

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

    /// Which jobs of a queue died last, from the `offset`th on, and how many are dead in all. Costs a tenth of
    /// [`jobs`](Self::jobs): that many queues can be looked at for the newest of all.
    ///
    /// # Errors
    ///
    /// As [`queues`](Self::queues).
    async fn deaths(&self, queue: &QueueName, offset: usize, limit: usize) -> Result<Deaths>;

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

const _OBJECT_SAFE: fn(&dyn Inspect) = |_| {};
