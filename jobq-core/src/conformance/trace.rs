//! What a random run tells of itself, and how it is told to repeat one.

use std::fmt::Debug;

/// What was done so far, for whoever has to find out why it failed.
pub(super) struct Trace {
    seed: u64,
    operations: Vec<String>,
}

impl Trace {
    pub(super) const fn new(seed: u64) -> Self {
        Self { seed, operations: Vec::new() }
    }

    pub(super) fn note(&mut self, operation: impl Debug) {
        self.operations.push(format!("{operation:?}"));
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (n, operation) in self.operations.iter().enumerate() {
                eprintln!("{n:4} {operation}");
            }
            eprintln!("repeat with JOBQ_MODEL_SEED={}", self.seed);
        }
    }
}

/// The number in an environment variable.
pub(super) fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
