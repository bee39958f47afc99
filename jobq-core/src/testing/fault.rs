//! Faults that a test asks for.

use std::sync::PoisonError;

use super::TestQueue;
use crate::job::Job;
use crate::lease::Lease;

/// What is to go wrong with an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The worker is killed before the handler has done anything. Nobody says what became of the attempt: the job
    /// runs again when its lease has expired, and no attempt is used.
    CrashBefore,
    /// The worker is killed right after the handler has done all of its work, before anybody hears of it: what the
    /// handler has done is done again by the next attempt, unless it is idempotent.
    CrashAfter,
    /// The handler is not run; the attempt fails with this message.
    Error(String),
    /// The handler is not run; the attempt takes too long.
    TimeOut,
}

/// A fault that waits for its attempt.
#[derive(Debug)]
pub(super) struct Injected {
    kind: &'static str,
    attempt: u32,
    fault: Fault,
}

impl TestQueue {
    /// Lets something go wrong with the attempt of this number, from 1, of the next job of type `J` that comes to
    /// it. Once: for more of the same ask more often.
    ///
    /// A crash uses no attempt, so after a crash at attempt 2 the next run is attempt 2 again.
    ///
    /// ```
    /// use std::time::Duration;
    /// use jobq_core::testing::{End, Fault, TestQueue, handler};
    /// use jobq_core::{Job, JobContext, Queue};
    /// # use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize, Job)]
    /// struct SendInvoice { order: u64 }
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let queue = TestQueue::new();
    /// queue.enqueue(SendInvoice { order: 7 }).await?;
    /// queue.inject::<SendInvoice>(1, Fault::CrashAfter);
    ///
    /// let send = handler(|_job: SendInvoice, _cx: JobContext| async { /* … */ });
    /// let ran = queue.run_for(&send, Duration::from_secs(60)).await;
    ///
    /// assert_eq!(ran[0].end, End::Crashed);
    /// assert_eq!(ran[1].end, End::Completed); // it was sent twice, if sending is not idempotent
    /// # Ok::<(), jobq_core::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn inject<J: Job>(&self, attempt: u32, fault: Fault) {
        let mut injected = self.injected.lock().unwrap_or_else(PoisonError::into_inner);
        injected.push(Injected { kind: J::KIND, attempt, fault });
    }

    /// What is to go wrong with this attempt; it does not again.
    pub(super) fn fault_of(&self, lease: &Lease) -> Option<Fault> {
        let mut injected = self.injected.lock().unwrap_or_else(PoisonError::into_inner);
        let place = injected.iter().position(|injected| {
            injected.kind == lease.job.kind.as_str() && injected.attempt == lease.attempt()
        })?;
        Some(injected.remove(place).fault)
    }
}
