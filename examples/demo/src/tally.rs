//! Counts the attempts of all workers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jobq_core::{JobContext, Outcome};
use jobq_worker::{InnerAttempt, Layer};

/// How many attempts have ended. Clones count together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<AtomicU64>);

impl Tally {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Layer for Tally {
    async fn call(&self, _: JobContext, inner: InnerAttempt) -> Outcome {
        let outcome = inner.run().await;
        self.0.fetch_add(1, Ordering::Relaxed);
        outcome
    }
}
