//! What becomes of messages in this process, counted in passes.
//!
//! A pass ends when nothing has run for a moment, or when as many messages have been taken as a pass may have.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Add, Sub};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::sync::Notify;

/// For how long nothing must have run for a pass to be over.
const QUIET: Duration = Duration::from_millis(200);

/// What became of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pass {
    /// Inbox messages that were processed.
    pub processed: u64,
    /// Outbox messages that were sent.
    pub sent: u64,
    /// Messages of either that have failed for good.
    pub failed: u64,
    /// Deliveries that failed, and are tried again.
    pub retried: u64,
}

impl Pass {
    /// How many messages were taken.
    #[must_use]
    pub const fn taken(&self) -> u64 {
        self.processed + self.sent + self.failed + self.retried
    }
}

impl Add for Pass {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            processed: self.processed + other.processed,
            sent: self.sent + other.sent,
            failed: self.failed + other.failed,
            retried: self.retried + other.retried,
        }
    }
}

impl Sub for Pass {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            processed: self.processed - earlier.processed,
            sent: self.sent - earlier.sent,
            failed: self.failed - earlier.failed,
            retried: self.retried - earlier.retried,
        }
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "processed {}, sent {}, failed {}", self.processed, self.sent, self.failed)
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Processed,
    Sent,
    Failed,
    Retried,
}

/// Counts what becomes of messages. Clones are the same.
#[derive(Clone, Debug)]
pub struct Tally {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// How many messages a pass may have.
    limit: Option<u64>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    total: Pass,
    /// The pass under way.
    pass: Pass,
    /// Passes that nobody has asked for yet.
    over: VecDeque<Pass>,
}

impl Tally {
    /// Counts from nothing, in passes of so many messages at most.
    #[must_use]
    pub fn new(limit: Option<u64>) -> Self {
        let shared = Shared { limit, state: Mutex::default(), changed: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    /// What became of all messages until now.
    #[must_use]
    pub fn total(&self) -> Pass {
        self.lock().total
    }

    /// A handler has begun; it is over when this is dropped.
    pub(crate) fn begin(&self) -> Run<'_> {
        self.lock().running += 1;
        Run { tally: self }
    }

    /// Waits for the next pass to be over that had any messages. Cancel safe; for one who waits at a time.
    pub async fn next_pass(&self) -> Pass {
        loop {
            let changed = self.shared.changed.notified();
            let is_quiet = {
                let mut state = self.lock();
                if let Some(pass) = state.over.pop_front() {
                    return pass;
                }
                state.running == 0 && state.pass.taken() > 0
            };
            if !is_quiet {
                changed.await;
            } else if tokio::time::timeout(QUIET, changed).await.is_err() {
                return std::mem::take(&mut self.lock().pass);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A handler that runs.
#[derive(Debug)]
pub(crate) struct Run<'t> {
    tally: &'t Tally,
}

impl Run<'_> {
    /// What has become of its message.
    pub(crate) fn ended(&self, ending: Ending) {
        let mut state = self.tally.lock();
        let State { total, pass, .. } = &mut *state;
        for counts in [total, pass] {
            *match ending {
                Ending::Processed => &mut counts.processed,
                Ending::Sent => &mut counts.sent,
                Ending::Failed => &mut counts.failed,
                Ending::Retried => &mut counts.retried,
            } += 1;
        }
        if self.tally.shared.limit.is_some_and(|limit| state.pass.taken() >= limit) {
            let pass = std::mem::take(&mut state.pass);
            state.over.push_back(pass);
        }
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        self.tally.lock().running -= 1;
        self.tally.shared.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pass_is_over_when_nothing_runs_for_a_moment() {
        let tally = Tally::new(None);
        let first = tally.begin();
        first.ended(Ending::Sent);
        let second = tally.begin();
        drop(first);
        let waiting = tokio::time::timeout(Duration::from_secs(60), tally.next_pass());
        assert!(waiting.await.is_err(), "something still ran");

        second.ended(Ending::Failed);
        drop(second);
        let pass = tally.next_pass().await;

        assert_eq!(pass.to_string(), "processed 0, sent 1, failed 1");
        assert_eq!(tally.total(), pass);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_has_no_more_messages_than_it_may() {
        let tally = Tally::new(Some(3));
        for _ in 0..7 {
            tally.begin().ended(Ending::Processed);
        }

        let mut passes = Vec::new();
        for _ in 0..3 {
            passes.push(tally.next_pass().await.processed);
        }

        assert_eq!(passes, [3, 3, 1]);
        assert_eq!(tally.total().processed, 7);
    }

    #[tokio::test(start_paused = true)]
    async fn what_did_nothing_is_no_pass() {
        let tally = Tally::new(None);
        drop(tally.begin());

        let waiting = tokio::time::timeout(Duration::from_secs(60), tally.next_pass());

        assert!(waiting.await.is_err());
    }
}
