//! One enqueued job, to wait for and to follow.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use futures_util::{Stream, stream};
use serde::de::DeserializeOwned;

use crate::backend::Backend;
use crate::error::{Error, ErrorKind, Result};
use crate::id::JobId;
use crate::job_ref::{After, JobRef};
use crate::msgpack::NIL;
use crate::record::Enqueued;
use crate::sighting::Sighting;
use crate::state::JobState;

/// An enqueued job: waits for its result, and follows its progress, from any process.
///
/// It borrows the backend, so it cannot go into a task that is spawned. Its [reference](Self::reference)
/// can, with an `Arc` of the backend: [`Queue::handle`](crate::Queue::handle) makes a handle of it there.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use jobq_core::{Job, MemoryBackend, Queue, Result};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Job)]
/// #[job(retention = "1h")]
/// struct Sum { of: Vec<u64> }
///
/// async fn add_up(backend: Arc<MemoryBackend>) -> Result<()> {
///     let job = backend.enqueue(Sum { of: vec![1, 2] }).handle().await?.reference().clone();
///     tokio::spawn(async move { backend.handle::<Sum>(job).result::<u64>(Duration::from_secs(60)).await });
///     Ok(())
/// }
/// ```
pub struct JobHandle<'a, J> {
    backend: &'a dyn Backend,
    job: JobRef,
    enqueued: Option<Enqueued>,
    kind: PhantomData<fn() -> J>,
}

impl<'a, J> JobHandle<'a, J> {
    pub(crate) const fn new(
        backend: &'a dyn Backend,
        job: JobRef,
        enqueued: Option<Enqueued>,
    ) -> Self {
        Self { backend, job, enqueued, kind: PhantomData }
    }

    /// The job's id.
    #[must_use]
    pub const fn id(&self) -> JobId {
        self.job.id
    }

    /// Where the job is found, from any process.
    #[must_use]
    pub const fn reference(&self) -> &JobRef {
        &self.job
    }

    /// What became of the enqueue; `None` if this handle was made of a reference.
    #[must_use]
    pub const fn enqueued(&self) -> Option<&Enqueued> {
        self.enqueued.as_ref()
    }

    /// Waits for the job's end, and gives what its handler returned. Nobody polls.
    ///
    /// The job needs a [retention](crate::Job::RETENTION): one without leaves nothing behind, and there
    /// is no telling whether it was. A handler that returned `()` gives `T = ()`.
    ///
    /// # Errors
    ///
    /// [`Failed`](ErrorKind::Failed) when the job is dead or was cancelled, with its last error;
    /// [`TimedOut`](ErrorKind::TimedOut) when it has not ended after `timeout`, by this process's clock;
    /// [`NotFound`](ErrorKind::NotFound) when nothing is known of it; [`Corrupt`](ErrorKind::Corrupt)
    /// when the result is no `T`; else as [`Backend::watch`].
    pub async fn result<T: DeserializeOwned>(&self, timeout: Duration) -> Result<T> {
        match tokio::time::timeout(timeout, self.end()).await {
            Ok(sighting) => self.result_of::<T>(sighting?),
            Err(_) => Err(Error::new(
                ErrorKind::TimedOut,
                format!("job {} has not ended within {timeout:?}", self.job),
            )),
        }
    }

    /// What can be seen of the job, from now on and whenever it changes. Ends with the job's end, or
    /// when nothing is known of the job any more.
    ///
    /// # Errors
    ///
    /// An item is an error as [`Backend::watch`] gives it, and the last one: call this again to go on.
    pub fn watch(&self) -> impl Stream<Item = Result<Sighting>> + Send + use<'a, J> {
        let (backend, job) = (self.backend, self.job.clone());
        stream::unfold(Some((job, None::<Sighting>)), move |state| async move {
            let (job, seen) = state?;
            match backend.watch(&job.queue, job.id, seen.as_ref()).await {
                Ok(sighting) => {
                    let goes_on = sighting.state.is_some_and(JobState::is_live);
                    let next = goes_on.then(|| (job, Some(sighting.clone())));
                    Some((Ok(sighting), next))
                }
                Err(error) => Some((Err(error), None)),
            }
        })
    }

    async fn end(&self) -> Result<Sighting> {
        let mut seen = None;
        loop {
            let sighting = self.backend.watch(&self.job.queue, self.job.id, seen.as_ref()).await?;
            if !sighting.state.is_some_and(JobState::is_live) {
                return Ok(sighting);
            }
            seen = Some(sighting);
        }
    }

    fn result_of<T: DeserializeOwned>(&self, sighting: Sighting) -> Result<T> {
        let job = &self.job;
        match sighting.state {
            Some(JobState::Completed) => {
                // `()` is stored as no result; it reads as nil.
                let bytes = sighting.result.unwrap_or_else(|| vec![NIL]);
                crate::msgpack::value(&bytes).map_err(|cause| {
                    let what = std::any::type_name::<T>();
                    Error::new(ErrorKind::Corrupt, format!("the result of job {job} is no {what}"))
                        .because(cause)
                })
            }
            Some(state) => Err(Error::new(
                ErrorKind::Failed,
                match sighting.error {
                    Some(error) => format!("job {job} is {state}: {error}"),
                    None => format!("job {job} is {state}"),
                },
            )),
            None => Err(Error::new(
                ErrorKind::NotFound,
                format!(
                    "nothing is known of job {job}: give it a retention, so that its result is kept"
                ),
            )),
        }
    }
}

impl<J> fmt::Debug for JobHandle<'_, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JobHandle").field(&self.job).finish()
    }
}

impl<J> From<&JobHandle<'_, J>> for JobRef {
    fn from(handle: &JobHandle<'_, J>) -> Self {
        handle.job.clone()
    }
}

impl<J> From<&JobHandle<'_, J>> for After {
    fn from(handle: &JobHandle<'_, J>) -> Self {
        Self::Jobs(vec![handle.job.clone()])
    }
}

impl<J, const N: usize> From<[&JobHandle<'_, J>; N]> for After {
    fn from(handles: [&JobHandle<'_, J>; N]) -> Self {
        Self::Jobs(handles.map(|handle| handle.job.clone()).into())
    }
}
