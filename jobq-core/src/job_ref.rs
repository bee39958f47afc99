//! Where a job is found.

use std::fmt;
use std::time::Duration;

use crate::id::JobId;
use crate::name::QueueName;

/// A job by its queue and id: all it takes to find it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct JobRef {
    /// Its queue.
    pub queue: QueueName,
    /// Its id.
    pub id: JobId,
}

impl JobRef {
    /// The job `id` of `queue`.
    #[must_use]
    pub const fn new(queue: QueueName, id: JobId) -> Self {
        Self { queue, id }
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of queue {}", self.id, self.queue)
    }
}

/// What a job is enqueued to come after.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum After {
    /// A delay.
    Delay(Duration),
    /// The end of other jobs.
    Jobs(Vec<JobRef>),
}

impl From<Duration> for After {
    fn from(delay: Duration) -> Self {
        Self::Delay(delay)
    }
}

impl From<JobRef> for After {
    fn from(job: JobRef) -> Self {
        Self::Jobs(vec![job])
    }
}

impl From<Vec<JobRef>> for After {
    fn from(jobs: Vec<JobRef>) -> Self {
        Self::Jobs(jobs)
    }
}

impl<const N: usize> From<[JobRef; N]> for After {
    fn from(jobs: [JobRef; N]) -> Self {
        Self::Jobs(jobs.into())
    }
}
