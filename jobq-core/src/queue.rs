//! The typed way to enqueue, over any backend.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, StreamExt, TryStreamExt, stream};

use crate::backend::Backend;
use crate::batch::{Batch, BatchRef, OpenBatch};
use crate::chunks::chunks;
use crate::error::{Error, Result};
use crate::handle::JobHandle;
use crate::id::JobId;
use crate::job::Job;
use crate::job_ref::JobRef;
use crate::options::{Options, after_setter, one_job_setters, option_setters};
use crate::parents::Parent;
use crate::record::{Enqueued, JobRecord, NewJob};
use crate::workflow::{Steps, Workflow};

/// How many chunks are under way at once: while the backend works on some, the next are encoded.
const CALLS_IN_FLIGHT: usize = 4;

/// The typed producer: every [`Backend`] is one.
///
/// ```
/// use std::time::Duration;
/// use jobq_core::{Enqueued, Job, MemoryBackend, Queue};
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Job)]
/// struct SendWelcome { user: u64 }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let queue = MemoryBackend::new();
/// queue.enqueue(SendWelcome { user: 1 }).await?;
/// let later = queue.enqueue(SendWelcome { user: 2 }).after(Duration::from_secs(60)).await?;
/// assert!(matches!(later, Enqueued::Created(_)));
/// # Ok::<(), jobq_core::Error>(())
/// # }).unwrap();
/// ```
pub trait Queue: Backend {
    /// Enqueues one job. Await the answer, after choosing options if need be.
    fn enqueue<J: Job>(&self, job: J) -> Enqueue<'_, J>
    where
        Self: Sized,
    {
        Enqueue::new(self, job)
    }

    /// Enqueues jobs as a stream brings them, in chunks and in bounded memory: a million jobs take no
    /// more than a thousand. What the stream has given is not withheld until more comes. They become
    /// ready in about the stream's order.
    ///
    /// # Errors
    ///
    /// The first failure ends it, and its message says how many jobs are known to be stored. Doing it
    /// all again is safe if the jobs have [ids](EnqueueMany::ids) of their own.
    fn enqueue_many<J, S>(&self, jobs: S) -> EnqueueMany<'_, J, S>
    where
        Self: Sized,
        J: Job,
        S: Stream<Item = J> + Send,
    {
        EnqueueMany::new(self, jobs)
    }

    /// Enqueues all jobs of an iterator: [`enqueue_many`](Self::enqueue_many) for what is already there.
    fn enqueue_all<J, I>(&self, jobs: I) -> EnqueueMany<'_, J, stream::Iter<I::IntoIter>>
    where
        Self: Sized,
        J: Job,
        I: IntoIterator<Item = J>,
        I::IntoIter: Send,
    {
        self.enqueue_many(stream::iter(jobs))
    }

    /// A batch: jobs that are counted as one, with jobs that run when they have ended.
    ///
    /// ```
    /// # use jobq_core::{Job, MemoryBackend, Queue};
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize, Job)]
    /// struct ImportRow { row: u64 }
    ///
    /// #[derive(Serialize, Deserialize, Job)]
    /// struct SendReport;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let queue = MemoryBackend::new();
    /// let batch = queue.batch("price list").on_complete(SendReport).open().await?;
    /// batch.enqueue_all((1..=3).map(|row| ImportRow { row })).await?;
    /// let view = batch.close().await?;
    /// assert_eq!((view.total, view.pending()), (3, 3));
    /// # Ok::<(), jobq_core::Error>(())
    /// # }).unwrap();
    /// ```
    fn batch(&self, name: impl Into<String>) -> OpenBatch<'_>
    where
        Self: Sized,
    {
        OpenBatch::new(self, name.into())
    }

    /// A batch that is open already, such as one that another process has opened. Whether it is known
    /// shows when it is used.
    fn batch_of(&self, batch: BatchRef) -> Batch<'_>
    where
        Self: Sized,
    {
        Batch::new(self, batch)
    }

    /// Enqueues all steps of a workflow, and gives the job of each by its name.
    ///
    /// No step runs before all that come after it are there. When this fails after some of them were
    /// enqueued, nothing has been lost: enqueue the same workflow again.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when steps go round in a circle, a step comes after
    /// one that there is not, two have one name, or a job cannot be enqueued as it is, such as one that
    /// others come after and that may be a duplicate: nothing is written then. Else as
    /// [`Backend::enqueue_jobs`].
    fn enqueue_workflow<'a>(
        &'a self,
        workflow: &'a Workflow,
    ) -> impl Future<Output = Result<Steps<'a>>> + Send
    where
        Self: Sized,
    {
        workflow.enqueue(self)
    }

    /// A handle on a job that is enqueued already. Whether it is known shows when it is used.
    fn handle<J: Job>(&self, job: JobRef) -> JobHandle<'_, J>
    where
        Self: Sized,
    {
        JobHandle::new(self, job, None)
    }
}

impl<B: Backend> Queue for B {}

/// A job about to be enqueued: choose options, then await it.
///
/// The future is cancel safe as [`Backend::enqueue_jobs`] is: dropped, the job is stored or it is not. To
/// find out, enqueue it again under the same [id](Self::id).
///
/// It borrows the backend, so it cannot go into a task that is spawned: enqueue there, by an `Arc` of the
/// backend. What can go anywhere is where the job is found, a [`JobRef`](crate::JobRef), and the
/// [`BatchRef`](crate::BatchRef) of a batch that it belongs to.
#[must_use = "nothing is enqueued until this is awaited"]
pub struct Enqueue<'a, J> {
    backend: &'a dyn Backend,
    job: J,
    options: Options,
}

impl<'a, J: Job> Enqueue<'a, J> {
    pub(crate) fn new(backend: &'a dyn Backend, job: J) -> Self {
        Self { backend, job, options: Options::default() }
    }

    option_setters!();
    after_setter!();
    one_job_setters!();

    /// Enqueues it, and gives a handle to wait for its result and to follow its progress.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    pub async fn handle(self) -> Result<JobHandle<'a, J>> {
        let backend = self.backend;
        let job = self.build()?;
        let answers = backend.enqueue_jobs(std::slice::from_ref(&job)).await?;
        let enqueued = answers.into_iter().next().ok_or_else(|| missing_answer(0, 1))?;
        let reference = enqueued.found_in(&job.record.queue);
        Ok(JobHandle::new(backend, reference, Some(enqueued)))
    }

    /// The job in the form a backend takes, not yet enqueued.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), as [`JobRecord::of`].
    pub fn build(self) -> Result<NewJob> {
        let id = self.options.id.unwrap_or_else(|| JobId::generate(self.backend.clock()));
        new_job(id, &self.job, &self.options)
    }
}

impl<'a, J: Job> IntoFuture for Enqueue<'a, J> {
    type Output = Result<Enqueued>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let backend = self.backend;
            let job = self.build()?;
            let answers = backend.enqueue_jobs(std::slice::from_ref(&job)).await?;
            answers.into_iter().next().ok_or_else(|| missing_answer(0, 1))
        })
    }
}

impl<J> fmt::Debug for Enqueue<'_, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enqueue").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Jobs about to be enqueued: choose options that hold for all of them, then await it. It borrows the
/// backend, as [`Enqueue`] does.
#[must_use = "nothing is enqueued until this is awaited"]
pub struct EnqueueMany<'a, J, S> {
    backend: &'a dyn Backend,
    jobs: S,
    options: Options,
    id_of: Option<IdOf<J>>,
}

type IdOf<J> = Arc<dyn Fn(&J) -> JobId + Send + Sync>;

impl<'a, J: Job, S> EnqueueMany<'a, J, S> {
    pub(crate) fn new(backend: &'a dyn Backend, jobs: S) -> Self {
        Self { backend, jobs, options: Options::default(), id_of: None }
    }

    option_setters!();
    after_setter!();

    /// Gives each job the id that `id_of` makes of it, so that the whole enqueue can be repeated.
    pub fn ids(mut self, id_of: impl Fn(&J) -> JobId + Send + Sync + 'static) -> Self {
        self.id_of = Some(Arc::new(id_of));
        self
    }
}

impl<'a, J, S> IntoFuture for EnqueueMany<'a, J, S>
where
    J: Job,
    S: Stream<Item = J> + Send + 'a,
{
    type Output = Result<EnqueuedMany>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { backend, jobs, options, id_of } = self;
        Box::pin(async move {
            let mut sum = EnqueuedMany::default();
            // Fused: the end of a stream is asked for once more after a chunk that it cut short.
            let new_jobs = jobs.fuse().map(|job| {
                let id = id_of
                    .as_ref()
                    .map_or_else(|| JobId::generate(backend.clock()), |id_of| id_of(&job));
                new_job(id, &job, &options)
            });
            let mut calls = std::pin::pin!(
                chunks(new_jobs)
                    .map(|chunk| async move { backend.enqueue_jobs(&chunk?).await })
                    // In order: the chunks of one producer become ready one after the other.
                    .buffered(CALLS_IN_FLIGHT)
            );
            loop {
                match calls.try_next().await {
                    Ok(Some(answers)) => sum.add(&answers),
                    Ok(None) => return Ok(sum),
                    Err(error) => return Err(sum.cut_short_by(error)),
                }
            }
        })
    }
}

impl<J, S> fmt::Debug for EnqueueMany<'_, J, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnqueueMany").field("options", &self.options).finish_non_exhaustive()
    }
}

/// What became of enqueueing many jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnqueuedMany {
    /// Jobs that were added.
    pub created: u64,
    /// Jobs that were there already.
    pub duplicates: u64,
}

impl EnqueuedMany {
    fn add(&mut self, answers: &[Enqueued]) {
        for answer in answers {
            match answer {
                Enqueued::Created(_) | Enqueued::Replaced { .. } => self.created += 1,
                Enqueued::Duplicate(_) => self.duplicates += 1,
            }
        }
    }

    fn cut_short_by(self, error: Error) -> Error {
        let stored = self.created + self.duplicates;
        Error::new(
            error.kind(),
            format!("{stored} jobs were stored before this went wrong: {error}"),
        )
        .because(error)
    }
}

pub(crate) fn new_job<J: Job>(id: JobId, job: &J, options: &Options) -> Result<NewJob> {
    let mut record = JobRecord::of(id, job)?;
    options.apply(&mut record)?;
    let mut job = NewJob::new(record, options.when);
    job.parents = options.parents.iter().cloned().map(Parent::known).collect();
    job.on_parent_failure = options.on_parent_failure;
    job.check()?;
    Ok(job)
}

fn missing_answer(got: usize, expected: usize) -> Error {
    Error::new(
        crate::ErrorKind::Corrupt,
        format!("the backend gave {got} answers for {expected} jobs"),
    )
}
