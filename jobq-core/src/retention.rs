//! How much of the past a backend keeps.

use std::time::Duration;

/// How long and how many dead jobs a queue keeps: what is past either bound is pruned, oldest first.
///
/// Completed and cancelled jobs have a retention of their own, chosen when they are enqueued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadRetention {
    /// How long a dead job waits for somebody to look at it.
    pub max_age: Duration,
    /// How many dead jobs one queue keeps.
    pub max_count: usize,
}

impl DeadRetention {
    /// Keeps dead jobs for `max_age`, and at most `max_count` of them in each queue.
    #[must_use]
    pub const fn new(max_age: Duration, max_count: usize) -> Self {
        Self { max_age, max_count }
    }
}

impl Default for DeadRetention {
    /// 30 days, longer than most holidays; and 100,000 jobs, so that a handler that is broken for a
    /// night cannot fill the store.
    fn default() -> Self {
        Self::new(Duration::from_secs(30 * 24 * 60 * 60), 100_000)
    }
}
