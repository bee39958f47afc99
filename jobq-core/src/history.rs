//! What went wrong with a job, attempt by attempt.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::every::every;
use crate::id::WorkerId;

/// How many failures a job remembers: the newest ones.
pub const MAX_FAILURES: usize = 16;

/// How much of a failure's message is kept, in bytes.
pub const MAX_MESSAGE_BYTES: usize = 2 * 1024;

/// The way in which an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// The handler returned an error.
    Error,
    /// The handler panicked.
    Panic,
    /// The attempt took longer than its timeout.
    Timeout,
    /// The lease ran out: the worker died, or lost touch with the backend. Not counted as an attempt.
    Crash,
    /// The payload could not be decoded.
    Undecodable,
    /// A job that it waited for did not complete, so it never ran. Not counted as an attempt.
    Parent,
}

impl FailureKind {
    every!(Error, Panic, Timeout, Crash, Undecodable, Parent);

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Timeout => "timeout",
            Self::Crash => "crash",
            Self::Undecodable => "undecodable",
            Self::Parent => "parent",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One failed attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Failure {
    /// The way in which it failed.
    pub kind: FailureKind,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// When it failed, by the backend's clock for crashes and the worker's for the rest.
    pub at: Timestamp,
    /// The worker that ran it.
    pub worker: WorkerId,
    /// What the handler said, cut to [`MAX_MESSAGE_BYTES`].
    pub message: String,
}

impl Failure {
    /// A failure; a long `message` is cut.
    #[must_use]
    pub fn new(
        kind: FailureKind,
        attempt: u32,
        at: Timestamp,
        worker: WorkerId,
        message: impl Into<String>,
    ) -> Self {
        let mut message = message.into();
        if message.len() > MAX_MESSAGE_BYTES {
            let mut end = MAX_MESSAGE_BYTES - '…'.len_utf8();
            while !message.is_char_boundary(end) {
                end -= 1;
            }
            message.truncate(end);
            message.push('…');
        }
        Self { kind, attempt, at, worker, message }
    }
}

/// The failures of a job, oldest first: at most [`MAX_FAILURES`], the oldest forgotten first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History(Vec<Failure>);

impl History {
    /// No failures.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds the newest failure.
    pub fn push(&mut self, failure: Failure) {
        if self.0.len() >= MAX_FAILURES {
            self.0.drain(..=self.0.len() - MAX_FAILURES);
        }
        self.0.push(failure);
    }

    /// The newest failure.
    #[must_use]
    pub fn last(&self) -> Option<&Failure> {
        self.0.last()
    }

    /// All that is remembered, oldest first.
    #[must_use]
    pub fn failures(&self) -> &[Failure] {
        &self.0
    }
}

impl FromIterator<Failure> for History {
    fn from_iter<I: IntoIterator<Item = Failure>>(failures: I) -> Self {
        let mut history = Self::new();
        failures.into_iter().for_each(|failure| history.push(failure));
        history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(attempt: u32, message: &str) -> Failure {
        Failure::new(FailureKind::Error, attempt, Timestamp::EPOCH, WorkerId::from_u64(1), message)
    }

    #[test]
    fn the_oldest_failure_is_forgotten_first() {
        let history: History = (1..=20).map(|n| failure(n, "no")).collect();

        assert_eq!(history.failures().len(), MAX_FAILURES);
        assert_eq!(history.failures()[0].attempt, 5);
        assert_eq!(history.last().unwrap().attempt, 20);
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let cut = failure(1, &"é".repeat(MAX_MESSAGE_BYTES)).message;

        assert!(cut.len() <= MAX_MESSAGE_BYTES);
        assert!(cut.ends_with("é…"));
    }
}
