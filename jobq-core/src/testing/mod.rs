//! Testing programs that enqueue and handle jobs: a queue in memory whose time moves when a test says so.
//!
//! ```
//! use std::time::Duration;
//! use jobq_core::testing::{End, TestQueue, handler};
//! use jobq_core::{Job, JobContext, JobError, JobResult, Queue, assert_enqueued};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, Serialize, Deserialize, Job)]
//! #[job(max_attempts = 4, backoff = "list(1h, 12h, 1d)")]
//! struct ChargeCard { order: u64 }
//!
//! async fn charge_card(_job: ChargeCard, cx: JobContext) -> JobResult {
//!     if cx.attempt() < 4 {
//!         return Err(JobError::retry("the bank is closed"));
//!     }
//!     Ok(())
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let queue = TestQueue::new();
//! queue.enqueue(ChargeCard { order: 7 }).await?; // or whatever of your program does so
//! assert_enqueued!(queue, ChargeCard { order: 7 });
//!
//! let ran = queue.run_for(&handler(charge_card), Duration::from_secs(2 * 24 * 3_600)).await;
//!
//! assert_eq!(ran.len(), 4);
//! assert!(matches!(&ran[0].end, End::Retries { error, .. } if error == "the bank is closed"));
//! assert_eq!(ran[3].end, End::Completed);
//! assert!(queue.is_empty());
//! # Ok::<(), jobq_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! Two days, in less than a millisecond. Faults can be [injected](TestQueue::inject): a worker that is killed before or
//! after its handler has done its work, or an error or a time-out in place of an attempt.
//!
//! A [`TestQueue`] is a [`MemoryBackend`] otherwise: it can be enqueued to, looked at through
//! [`Inspect`](crate::Inspect), and given to code that takes a [`Backend`](crate::Backend). Uniqueness, lanes, limits, batches and parents
//! hold as everywhere. The handlers of a worker's registry are run by
//! `jobq_worker::Registry::for_tests`.

mod enqueued;
mod fault;
mod handlers;
mod run;

use std::fmt;
use std::ops::Deref;
use std::sync::Mutex;
use std::time::Duration;

pub use self::enqueued::TestJob;
pub use self::fault::Fault;
use self::fault::Injected;
pub use self::handlers::{Handlers, Single, handler};
pub use self::run::{End, Ran};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::memory::MemoryBackend;

/// When a test queue begins: the 1st of January 2026, 00:00 UTC, a Thursday.
const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

/// A queue in memory with virtual time: see [the module](self).
pub struct TestQueue {
    backend: MemoryBackend,
    clock: ManualClock,
    injected: Mutex<Vec<Injected>>,
}

impl TestQueue {
    /// An empty queue. Its time stands at 2026-01-01T00:00:00Z, in every test.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(START)
    }

    /// An empty queue whose time stands at `start`.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        let clock = ManualClock::starting_at(start);
        let backend = MemoryBackend::with_clock(clock.clone());
        Self { backend, clock, injected: Mutex::default() }
    }

    /// The queue, for code that takes a backend. Clones are the same queue.
    #[must_use]
    pub const fn backend(&self) -> &MemoryBackend {
        &self.backend
    }

    /// Which time it is.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets time pass in which no worker runs.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

impl Default for TestQueue {
    fn default() -> Self {
        Self::new()
    }
}

/// So that it can be used as any backend: `queue.enqueue(job).await`.
impl Deref for TestQueue {
    type Target = MemoryBackend;

    fn deref(&self) -> &MemoryBackend {
        &self.backend
    }
}

impl fmt::Debug for TestQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestQueue").field("now", &self.now()).finish_non_exhaustive()
    }
}
