//! The typed way to open, fill, close and follow a batch.

use std::fmt;
use std::time::Duration;

use futures_util::{Stream, stream};

use super::callback::IntoCallback;
use super::contract::{BatchId, BatchRef, BatchView, NewBatch, unknown_batch};
use crate::backend::Backend;
use crate::error::Result;
use crate::inspect::{Inspect, RequeueOutcome};
use crate::job::Job;
use crate::job_ref::JobRef;
use crate::name::QueueName;
use crate::queue::{Enqueue, EnqueueMany};
use crate::record::NewJob;

/// The queue that batches are at home in unless they say otherwise. It may hold no job.
pub const DEFAULT_HOME: &str = "default";

/// A batch about to be opened: choose what is to happen when its jobs have ended, then
/// [open](Self::open) it.
#[must_use = "nothing is opened until `open` is awaited"]
pub struct OpenBatch<'a> {
    backend: &'a dyn Backend,
    name: String,
    home: Option<String>,
    id: Option<BatchId>,
    callbacks: Callbacks,
    call_off_on_failure: bool,
    parent: Option<BatchRef>,
    retention: Option<Duration>,
}

/// Built when they are chosen; what is wrong with one is told when the batch is opened.
#[derive(Default)]
struct Callbacks {
    on_success: Option<Result<NewJob>>,
    on_failure: Option<Result<NewJob>>,
    on_complete: Option<Result<NewJob>>,
}

impl<'a> OpenBatch<'a> {
    pub(crate) fn new(backend: &'a dyn Backend, name: String) -> Self {
        Self {
            backend,
            name,
            home: None,
            id: None,
            callbacks: Callbacks::default(),
            call_off_on_failure: false,
            parent: None,
            retention: None,
        }
    }

    /// Gives it this home, the queue in which it is counted, in place of `default`. Best is the queue
    /// most of its jobs are in: there they are counted in the very step in which they end.
    pub fn on(mut self, queue: impl Into<String>) -> Self {
        self.home = Some(queue.into());
        self
    }

    /// Gives it this id. Opening a batch again under an id that is known changes nothing, so a caller
    /// with a key of its own can repeat it.
    pub fn id(mut self, id: BatchId) -> Self {
        self.id = Some(id);
        self
    }

    /// Enqueues this [callback](IntoCallback) once, when every job of the batch has completed.
    pub fn on_success(mut self, callback: impl IntoCallback) -> Self {
        self.callbacks.on_success = Some(callback.into_callback(self.backend));
        self
    }

    /// Enqueues this [callback](IntoCallback) once, when the first job of the batch ends as dead or
    /// cancelled.
    pub fn on_failure(mut self, callback: impl IntoCallback) -> Self {
        self.callbacks.on_failure = Some(callback.into_callback(self.backend));
        self
    }

    /// Enqueues this [callback](IntoCallback) once, when the batch is closed and every job of it has ended,
    /// whatever way.
    pub fn on_complete(mut self, callback: impl IntoCallback) -> Self {
        self.callbacks.on_complete = Some(callback.into_callback(self.backend));
        self
    }

    /// Calls off the jobs that have not started as soon as one fails.
    pub fn call_off_on_failure(mut self) -> Self {
        self.call_off_on_failure = true;
        self
    }

    /// Counts it as one job of another batch.
    pub fn parent(mut self, batch: BatchRef) -> Self {
        self.parent = Some(batch);
        self
    }

    /// Overrides how long it is known after its end: 7 days if not given.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Opens it. Whether it was new is said by [`Batch::is_new`].
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a choice that is not possible; else as
    /// [`Backend::open_batch`].
    pub async fn open(self) -> Result<Batch<'a>> {
        let queue = QueueName::new(self.home.as_deref().unwrap_or(DEFAULT_HOME))?;
        let id = self.id.unwrap_or_else(|| BatchId::generate(self.backend.clock()));
        let mut new = NewBatch::new(BatchRef::new(queue, id), self.name);
        new.on_success = self.callbacks.on_success.transpose()?;
        new.on_failure = self.callbacks.on_failure.transpose()?;
        new.on_complete = self.callbacks.on_complete.transpose()?;
        new.call_off_on_failure = self.call_off_on_failure;
        new.parent = self.parent;
        if let Some(retention) = self.retention {
            new.retention = retention;
        }
        new.check()?;
        let is_new = self.backend.open_batch(&new).await?;
        Ok(Batch { backend: self.backend, batch: new.batch, is_new })
    }
}

impl fmt::Debug for OpenBatch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenBatch").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A batch: jobs enqueued with it are counted by it.
///
/// It borrows the backend, so it cannot go into a task that is spawned. Its [reference](Self::reference)
/// can, with an `Arc` of the backend: [`Queue::batch_of`](crate::Queue::batch_of) makes a batch of it there.
#[derive(Clone)]
pub struct Batch<'a> {
    backend: &'a dyn Backend,
    batch: BatchRef,
    is_new: bool,
}

impl<'a> Batch<'a> {
    pub(crate) const fn new(backend: &'a dyn Backend, batch: BatchRef) -> Self {
        Self { backend, batch, is_new: false }
    }

    /// Where it is found, from any process.
    #[must_use]
    pub const fn reference(&self) -> &BatchRef {
        &self.batch
    }

    /// Whether it was opened for this handle: not if its id was known already, so that opening it changed
    /// nothing, nor if the handle was made of a reference.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.is_new
    }

    /// Enqueues one job that it counts.
    pub fn enqueue<J: Job>(&self, job: J) -> Enqueue<'a, J> {
        Enqueue::new(self.backend, job).batch(self.batch.clone())
    }

    /// Enqueues jobs that it counts as a stream brings them, in bounded memory.
    pub fn enqueue_many<J, S>(&self, jobs: S) -> EnqueueMany<'a, J, S>
    where
        J: Job,
        S: Stream<Item = J> + Send,
    {
        EnqueueMany::new(self.backend, jobs).batch(self.batch.clone())
    }

    /// Enqueues all jobs of an iterator, counted by it.
    pub fn enqueue_all<J, I>(&self, jobs: I) -> EnqueueMany<'a, J, stream::Iter<I::IntoIter>>
    where
        J: Job,
        I: IntoIterator<Item = J>,
        I::IntoIter: Send,
    {
        self.enqueue_many(stream::iter(jobs))
    }

    /// Opens a batch that counts as one job of this one.
    pub fn nested(&self, name: impl Into<String>) -> OpenBatch<'a> {
        OpenBatch::new(self.backend, name.into())
            .on(self.batch.queue.as_str())
            .parent(self.batch.clone())
    }

    /// Closes it: when the jobs it has by then have ended, so has it. Its own jobs may still add some.
    ///
    /// # Errors
    ///
    /// As [`Backend::close_batch`].
    pub async fn close(&self) -> Result<BatchView> {
        self.backend.close_batch(&self.batch).await
    }

    /// How far it has come.
    ///
    /// # Errors
    ///
    /// [`NotFound`](crate::ErrorKind::NotFound) when its retention is over; else as
    /// [`Backend::batch_view`].
    pub async fn view(&self) -> Result<BatchView> {
        self.backend.batch_view(&self.batch).await?.ok_or_else(|| unknown_batch(&self.batch))
    }
}

impl Batch<'_> {
    /// Puts its dead jobs back into their queues, of which it then counts them as pending again: as many as
    /// have failed by now, so that those which fail again meanwhile are left alone. What nested batches
    /// count is theirs.
    ///
    /// `store` is that of this batch. Each job is moved whole or not at all, and all of them in as many
    /// calls as they take; it may be repeated.
    ///
    /// ```
    /// # use jobq_core::{Job, MemoryBackend, Queue};
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = MemoryBackend::new();
    /// let batch = store.batch("price list").open().await?;
    /// let retried = batch.retry_failed(&store).await?;
    /// assert_eq!(retried.requeued, 0);
    /// # Ok::<(), jobq_core::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`view`](Self::view) and [`Inspect::requeue`].
    pub async fn retry_failed(&self, store: &dyn Inspect) -> Result<Retried> {
        let mut to_do = self.view().await?.failed;
        let mut retried = Retried::default();
        while to_do > 0 {
            let step = usize::try_from(to_do).unwrap_or(STEP).min(STEP);
            let jobs = store.failed_of_batch(&self.batch, retried.left.len(), step).await?;
            if jobs.is_empty() {
                break;
            }
            to_do = to_do.saturating_sub(jobs.len() as u64);
            for jobs in jobs.chunk_by(|one, next| one.queue == next.queue) {
                let ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
                let outcomes = store.requeue(&jobs[0].queue, &ids).await?;
                for (job, outcome) in jobs.iter().zip(outcomes) {
                    if outcome == RequeueOutcome::Requeued {
                        retried.requeued += 1;
                    } else {
                        retried.left.push((job.clone(), outcome));
                    }
                }
            }
        }
        Ok(retried)
    }
}

/// How many dead jobs one call puts back.
const STEP: usize = 100;

/// What became of [retrying](Batch::retry_failed) the failed jobs of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retried {
    /// Jobs that are ready again.
    pub requeued: u64,
    /// Those that are not, and why.
    pub left: Vec<(JobRef, RequeueOutcome)>,
}

impl fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Batch").field(&self.batch).finish()
    }
}
