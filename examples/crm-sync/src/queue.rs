//! Which queue an address means.

use std::fmt;
use std::sync::Arc;

use jobq_core::{Backend, Inspect, MemoryBackend, Schedules};
use jobq_redis::RedisBackend;
use jobq_scheduler::Scheduler;
use program::Failure;

/// Whether an address is that of the queue in this process's memory.
pub(crate) fn is_memory(url: &str) -> bool {
    matches!(url, "memory:" | "memory" | "memory://")
}

/// A queue that can keep schedules.
pub trait Scheduling: fmt::Debug + Send + Sync {
    /// A scheduler, as yet without schedules.
    fn scheduler(&self) -> Scheduler;
}

impl<B: Backend + Inspect + Schedules + Clone> Scheduling for B {
    fn scheduler(&self) -> Scheduler {
        Scheduler::new(self.clone())
    }
}

/// An open queue. Clones are the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opened {
    /// For those who enqueue and work.
    pub backend: Arc<dyn Backend>,
    /// For those who look.
    pub inspect: Arc<dyn Inspect>,
    /// For those who run schedules.
    pub schedules: Arc<dyn Scheduling>,
}

impl Opened {
    /// A queue over a backend.
    #[must_use]
    pub fn of<B: Backend + Inspect + Schedules + Clone>(backend: B) -> Self {
        let backend = Arc::new(backend);
        let (inspect, schedules) = (Arc::clone(&backend) as _, Arc::clone(&backend) as _);
        Self { inspect, schedules, backend }
    }
}

/// Opens the queue at an address.
pub(crate) async fn open(url: &str) -> Result<Opened, Failure> {
    if is_memory(url) {
        return Ok(Opened::of(MemoryBackend::new()));
    }
    if !["redis://", "rediss://", "unix://"].iter().any(|scheme| url.starts_with(scheme)) {
        let message = "the queue must be memory: or redis://HOST:PORT";
        return Err(Failure::usage(message));
    }
    Ok(Opened::of(RedisBackend::connect(url).await?))
}

/// Opens a queue that others can open too: what is in the memory of this process is gone with it, and so
/// is what was counted of a store's budget.
pub(crate) async fn open_shared(url: &str) -> Result<Opened, Failure> {
    if is_memory(url) {
        let message = "this needs a queue that outlives this process: add --queue redis://…, or run \
                       `crm-sync serve` and ask it over HTTP";
        return Err(Failure::usage(message));
    }
    open(url).await
}
