//! What a test finds in the queue.

use std::fmt::Write;

use futures_util::FutureExt;

use super::TestQueue;
use crate::clock::Timestamp;
use crate::id::JobId;
use crate::inspect::{Inspect, JobView};
use crate::job::Job;
use crate::name::QueueName;
use crate::state::JobState;

/// The most jobs of one queue and state that are looked at.
const MOST: usize = 1_000_000;

/// The states of a job that is still to run.
const TO_RUN: [JobState; 4] =
    [JobState::Waiting, JobState::Scheduled, JobState::Ready, JobState::Leased];
/// The states of a job that has ended and is kept.
const ENDED: [JobState; 3] = [JobState::Dead, JobState::Completed, JobState::Cancelled];

/// A job that a test has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestJob<J> {
    /// What was enqueued.
    pub job: J,
    /// Its id.
    pub id: JobId,
    /// Where it is.
    pub queue: QueueName,
    /// Where it is in its life.
    pub state: JobState,
    /// Attempts that have failed so far.
    pub failed_attempts: u32,
    /// When it is due, if it is scheduled.
    pub due_at: Option<Timestamp>,
    /// What the last attempt that failed has said.
    pub last_error: Option<String>,
    /// All else that is known of it: priority, lane, unique key, batch and metadata in its record, and its history.
    pub view: JobView,
}

impl TestQueue {
    /// The jobs of type `J` that are still to run, in all queues: queue by queue, and in each those first that wait for
    /// others, then scheduled, ready and leased ones.
    ///
    /// # Panics
    ///
    /// When a payload of this kind does not fit the type.
    #[must_use]
    #[track_caller]
    pub fn enqueued<J: Job>(&self) -> Vec<J> {
        self.found::<J>(&TO_RUN).into_iter().map(|found| found.job).collect()
    }

    /// All jobs of type `J` that the queue knows, in any state. Those that have ended well are known if they have a
    /// retention.
    ///
    /// # Panics
    ///
    /// As [`enqueued`](Self::enqueued).
    #[must_use]
    #[track_caller]
    pub fn jobs<J: Job>(&self) -> Vec<TestJob<J>> {
        let mut found = self.found::<J>(&TO_RUN);
        found.extend(self.found::<J>(&ENDED));
        found
    }

    /// Whether nothing is left to run, in any queue. Dead jobs, and those that are kept, do not count.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.views(&TO_RUN).is_empty()
    }

    #[track_caller]
    fn found<J: Job>(&self, states: &[JobState]) -> Vec<TestJob<J>> {
        let views = self.views(states).into_iter();
        views
            .filter(|view| view.record.kind.as_str() == J::KIND)
            .map(|view| match view.record.payload.decode() {
                Ok(job) => TestJob {
                    job,
                    id: view.record.id,
                    queue: view.record.queue.clone(),
                    state: view.state,
                    failed_attempts: view.failed_attempts,
                    due_at: view.at.filter(|_| view.state == JobState::Scheduled),
                    last_error: view.history.last().map(|failure| failure.message.clone()),
                    view,
                },
                Err(fault) => panic!("a job of kind {:?} does not fit its type: {fault}", J::KIND),
            })
            .collect()
    }

    fn views(&self, states: &[JobState]) -> Vec<JobView> {
        let looked = async {
            let mut views = Vec::new();
            for stats in self.backend.queues().await? {
                for state in states {
                    views.extend(self.backend.jobs(&stats.queue, *state, 0, MOST).await?);
                }
            }
            Ok::<_, crate::error::Error>(views)
        };
        // Nothing in memory is waited for, or fails.
        looked.now_or_never().and_then(Result::ok).unwrap_or_default()
    }

    /// What is still to run, for the message of a test that fails.
    #[doc(hidden)]
    #[must_use]
    pub fn listing(&self) -> String {
        let views = self.views(&TO_RUN);
        if views.is_empty() {
            return "nothing is enqueued".to_owned();
        }
        let mut text = String::from("enqueued are:");
        for view in views {
            let JobView { record, state, .. } = &view;
            let payload = record
                .payload
                .decode::<serde_json::Value>()
                .map_or_else(|_| "…".to_owned(), |payload| payload.to_string());
            // Writing to a text in memory cannot fail.
            let _ = write!(text, "\n  {} {payload} in {}, {state}", record.kind, record.queue);
        }
        text
    }
}

/// Asserts that a [`TestQueue`](crate::testing::TestQueue) has a job that is still to run and fits the pattern, perhaps with
/// a condition, or so many of them. The pattern begins with the job's type, by its name or by its path.
///
/// Where a job waits, until when, and with which options: [`TestQueue::jobs`](crate::testing::TestQueue::jobs).
///
/// ```
/// # use jobq_core::testing::TestQueue;
/// # use jobq_core::{Job, Queue, assert_enqueued, assert_not_enqueued};
/// # use serde::{Deserialize, Serialize};
/// #[derive(Serialize, Deserialize, Job)]
/// struct SendInvoice { order: u64, copy: bool }
///
/// #[derive(Serialize, Deserialize, Job)]
/// struct CloseBooks;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # let queue = TestQueue::new();
/// queue.enqueue(SendInvoice { order: 7, copy: false }).await?;
///
/// assert_enqueued!(queue, SendInvoice { order: 7, .. });
/// assert_enqueued!(queue, SendInvoice { order, .. } if *order > 5);
/// assert_enqueued!(queue, 1, SendInvoice { .. });
/// assert_not_enqueued!(queue, SendInvoice { copy: true, .. });
/// assert_not_enqueued!(queue, CloseBooks);
///
/// queue.enqueue(CloseBooks).on("books").priority(9).await?;
///
/// let close = &queue.jobs::<CloseBooks>()[0];
/// assert_eq!(close.queue.as_str(), "books");
/// assert_eq!(close.view.record.priority, jobq_core::Priority::constant(9));
/// # Ok::<(), jobq_core::Error>(())
/// # }).unwrap();
/// ```
#[macro_export]
macro_rules! assert_enqueued {
    ($queue:expr, $($job:ident)::+ { $($fields:tt)* } $(if $condition:expr)? $(,)?) => {
        $crate::__assert_enqueued!($queue, at_least_one, [$($job)::+] [$($job)::+ { $($fields)* } $(if $condition)?])
    };
    ($queue:expr, $($job:ident)::+ ( $($fields:tt)* ) $(if $condition:expr)? $(,)?) => {
        $crate::__assert_enqueued!($queue, at_least_one, [$($job)::+] [$($job)::+ ( $($fields)* ) $(if $condition)?])
    };
    ($queue:expr, $($job:ident)::+ $(if $condition:expr)? $(,)?) => {
        $crate::__assert_enqueued!($queue, at_least_one, [$($job)::+] [$($job)::+ $(if $condition)?])
    };
    ($queue:expr, $count:expr, $($job:ident)::+ { $($fields:tt)* } $(if $condition:expr)? $(,)?) => {
        $crate::__assert_enqueued!($queue, $count, [$($job)::+] [$($job)::+ { $($fields)* } $(if $condition)?])
    };
    ($queue:expr, $count:expr, $($job:ident)::+ ( $($fields:tt)* ) $(if $condition:expr)? $(,)?) => {
        $crate::__assert_enqueued!($queue, $count, [$($job)::+] [$($job)::+ ( $($fields)* ) $(if $condition)?])
    };
    ($queue:expr, $count:expr, $($job:ident)::+ $(if $condition:expr)? $(,)?) => {
        $crate::__assert_enqueued!($queue, $count, [$($job)::+] [$($job)::+ $(if $condition)?])
    };
}

/// Asserts that a [`TestQueue`](crate::testing::TestQueue) has no job that is still to run and fits the pattern: the opposite of
/// [`assert_enqueued!`](crate::assert_enqueued).
#[macro_export]
macro_rules! assert_not_enqueued {
    ($queue:expr, $($job:ident)::+ { $($fields:tt)* } $(if $condition:expr)? $(,)?) => {
        $crate::__assert_enqueued!($queue, none, [$($job)::+] [$($job)::+ { $($fields)* } $(if $condition)?])
    };
    ($queue:expr, $($job:ident)::+ ( $($fields:tt)* ) $(if $condition:expr)? $(,)?) => {
        $crate::__assert_enqueued!($queue, none, [$($job)::+] [$($job)::+ ( $($fields)* ) $(if $condition)?])
    };
    ($queue:expr, $($job:ident)::+ $(if $condition:expr)? $(,)?) => {
        $crate::__assert_enqueued!($queue, none, [$($job)::+] [$($job)::+ $(if $condition)?])
    };
}

/// How many jobs of a type fit a pattern, and whether that is what was wanted.
#[doc(hidden)]
#[macro_export]
macro_rules! __assert_enqueued {
    (@count $queue:ident, [$job:path] [$($pattern:tt)+]) => {
        $queue.enqueued::<$job>().iter().filter(|job| matches!(job, $($pattern)+)).count()
    };
    ($queue:expr, at_least_one, [$job:path] [$($pattern:tt)+]) => {{
        let queue: &$crate::testing::TestQueue = &$queue;
        let count: usize = $crate::__assert_enqueued!(@count queue, [$job] [$($pattern)+]);
        let wanted = stringify!($($pattern)+);
        assert!(count > 0, "no job {wanted} is enqueued; {}", queue.listing());
    }};
    ($queue:expr, none, [$job:path] [$($pattern:tt)+]) => {{
        let queue: &$crate::testing::TestQueue = &$queue;
        let count: usize = $crate::__assert_enqueued!(@count queue, [$job] [$($pattern)+]);
        let unwanted = stringify!($($pattern)+);
        assert!(count == 0, "a job {unwanted} is enqueued; {}", queue.listing());
    }};
    ($queue:expr, $count:expr, [$job:path] [$($pattern:tt)+]) => {{
        let queue: &$crate::testing::TestQueue = &$queue;
        let count: usize = $crate::__assert_enqueued!(@count queue, [$job] [$($pattern)+]);
        let (wanted, jobs): (usize, _) = ($count, stringify!($($pattern)+));
        assert!(
            count == wanted,
            "{count} jobs {jobs} are enqueued in place of {wanted}; {}", queue.listing(),
        );
    }};
}
