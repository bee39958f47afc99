//! Jobs that wait for other jobs.

use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::id::JobId;
use crate::job_ref::JobRef;
use crate::msgpack::NIL;
use crate::state::JobState;

/// The most parents, and the most children, of one job. A fan-in of more is a
/// [batch](crate::Queue::batch) with a callback.
pub const MAX_PARENTS: usize = 1_000;

/// A job that another one waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parent {
    /// The job.
    pub job: JobRef,
    /// Whether it may be enqueued after its child. It then names the child among its
    /// [children](crate::NewJob::children); one that never comes leaves the child waiting.
    pub is_to_come: bool,
}

impl Parent {
    /// A parent that the backend knows.
    #[must_use]
    pub const fn known(job: JobRef) -> Self {
        Self { job, is_to_come: false }
    }

    /// A parent that is enqueued after its child.
    #[must_use]
    pub const fn to_come(job: JobRef) -> Self {
        Self { job, is_to_come: true }
    }
}

/// What becomes of a job when a parent ends as dead or cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnParentFailure {
    /// It is dead too, without having run.
    #[default]
    Fail,
    /// It is cancelled.
    Skip,
    /// It goes on as if the parent had completed; [`JobContext::parents`](crate::JobContext::parents)
    /// tells it apart.
    Continue,
}

/// How a parent ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParentOutcome {
    /// The parent.
    pub job: JobRef,
    /// Completed, cancelled or dead.
    pub state: JobState,
    /// What its handler returned, encoded.
    pub result: Option<Vec<u8>>,
}

impl ParentOutcome {
    /// A parent that ended in `state`.
    #[must_use]
    pub const fn new(job: JobRef, state: JobState, result: Option<Vec<u8>>) -> Self {
        Self { job, state, result }
    }
}

impl ParentOutcome {
    /// What the parent's handler returned; `None` if it did not complete. A handler that returned `()`
    /// gives `T = ()`.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::ErrorKind::Corrupt) when that is no `T`.
    pub fn result<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        if self.state != JobState::Completed {
            return Ok(None);
        }
        let bytes = self.result.as_deref().unwrap_or(&[NIL]);
        crate::msgpack::value(bytes).map(Some).map_err(|cause| {
            let what = std::any::type_name::<T>();
            Error::new(ErrorKind::Corrupt, format!("the result of job {} is no {what}", self.job))
                .because(cause)
        })
    }
}

/// The error of a job that is to wait for one that its queue does not know.
#[must_use]
pub fn unknown_parent(parent: &JobRef, child: JobId) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "job {child} is to wait for job {parent}, which is not known: it was never enqueued, or \
             it has ended and left nothing behind, as one without a retention does"
        ),
    )
}

/// The error of a job that is to wait for one that has as many children as it may.
#[must_use]
pub fn too_many_children(parent: &JobRef) -> Error {
    Error::new(
        ErrorKind::Conflict,
        format!("job {parent} has {MAX_PARENTS} children, the most it may: use a batch"),
    )
}
