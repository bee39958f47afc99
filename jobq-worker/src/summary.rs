//! What a worker did from its start to its end.

use std::fmt;
use std::time::Duration;

use jobq_core::QueueName;

/// Why a run of a worker ended. Why one of its handlers should stop is a
/// [`StopReason`](jobq_core::StopReason).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// It was told to: by a signal, or by the future given to
    /// [`run_until`](crate::Worker::run_until).
    Requested,
    /// Somebody asked all workers to restart.
    Restart,
    /// It has run as many jobs as it may.
    MaxJobs,
    /// It has run as long as it may.
    MaxTime,
    /// It needs more memory than it may.
    MaxMemory,
    /// Nothing was left to do, but perhaps in [queues that the backend refuses](Summary::refused_queues).
    Empty,
    /// The backend refused limits that the program sets, and nothing was leased.
    Refused,
    /// It was told a second time while it was stopping, and did not wait for anything.
    Forced,
}

impl EndReason {
    /// The word for it, in the log and in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Restart => "restart",
            Self::MaxJobs => "max_jobs",
            Self::MaxTime => "max_time",
            Self::MaxMemory => "max_memory",
            Self::Empty => "empty",
            Self::Refused => "refused",
            Self::Forced => "forced",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A queue that the backend refuses to serve.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedQueue {
    /// Its name.
    pub queue: QueueName,
    /// What the backend says of it, for people.
    pub why: String,
}

impl RefusedQueue {
    pub(crate) const fn new(queue: QueueName, why: String) -> Self {
        Self { queue, why }
    }
}

/// What a worker did.
///
/// Only settlements that the backend acknowledged are counted, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Attempts that were made to their end: the sum of the next four. Jobs that were put off or given back are
    /// not among them.
    pub processed: u64,
    /// Jobs that completed, discarded ones among them.
    pub completed: u64,
    /// Attempts that failed and will be repeated.
    pub retried: u64,
    /// Jobs that are dead now.
    pub dead: u64,
    /// Jobs cancelled.
    pub cancelled: u64,
    /// Jobs put off, those of unknown kinds among them.
    pub snoozed: u64,
    /// Attempts that failed: retried and dead ones.
    pub failed: u64,
    /// Jobs given back unfinished.
    pub released: u64,
    /// Leases that were lost: their jobs have run, or will run, elsewhere.
    pub lost: u64,
    /// Settlements of which the answer got lost, and that were refused when they were sent again: they
    /// had their effect the first time, or their leases were lost. They are counted nowhere else.
    pub uncertain: u64,
    /// Handlers that ignored the request to stop.
    pub stuck: u64,
    /// Settlements that could not be delivered before the end: their jobs run again elsewhere.
    pub unsettled: u64,
    /// The queues that the backend refused to serve at the end, such as for a missing right: what waits in them
    /// was not run.
    pub refused_queues: Vec<RefusedQueue>,
    /// From start to end.
    pub elapsed: Duration,
    /// Why it stopped.
    pub reason: EndReason,
}

impl Summary {
    pub(crate) const fn new() -> Self {
        Self {
            processed: 0,
            completed: 0,
            retried: 0,
            dead: 0,
            cancelled: 0,
            snoozed: 0,
            failed: 0,
            released: 0,
            lost: 0,
            uncertain: 0,
            stuck: 0,
            unsettled: 0,
            refused_queues: Vec::new(),
            elapsed: Duration::ZERO,
            reason: EndReason::Requested,
        }
    }

    /// So many of them a second.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub(crate) fn rate(&self) -> f64 {
        self.processed as f64 / self.elapsed.as_secs_f64().max(0.001)
    }
}

impl fmt::Display for Summary {
    /// `processed 1200, failed 3 in 4.2 s (286 jobs/s)`
    ///
    /// Jobs that were put off are no work done: if there are any they are named by themselves, `put off 20`. Queues that
    /// were refused stand at the end: `; queue crm was refused`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "processed {}, failed {}", self.processed, self.failed)?;
        if self.snoozed > 0 {
            write!(f, ", put off {}", self.snoozed)?;
        }
        write!(f, " in {:.1} s ({:.0} jobs/s)", self.elapsed.as_secs_f64(), self.rate())?;
        for refused in &self.refused_queues {
            write!(f, "; queue {} was refused", refused.queue)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_put_off_are_no_work_done() {
        let mut summary = Summary::new();
        (summary.processed, summary.snoozed, summary.completed) = (2, 20, 2);
        summary.elapsed = Duration::from_secs(1);

        assert_eq!(summary.to_string(), "processed 2, failed 0, put off 20 in 1.0 s (2 jobs/s)");
        summary.snoozed = 0;
        assert_eq!(summary.to_string(), "processed 2, failed 0 in 1.0 s (2 jobs/s)");
    }

    #[test]
    fn queues_that_were_refused_are_named() {
        let mut summary = Summary::new();
        summary.elapsed = Duration::from_secs(1);
        let refused = |name| RefusedQueue::new(QueueName::new(name).unwrap(), "no".to_owned());
        summary.refused_queues = ["crm", "mail"].map(refused).into();

        let shown = "processed 0, failed 0 in 1.0 s (0 jobs/s); queue crm was refused; queue mail was refused";
        assert_eq!(summary.to_string(), shown);
    }
}
