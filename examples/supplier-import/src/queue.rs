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
pub(crate) trait Scheduling: fmt::Debug + Send + Sync {
    /// A scheduler, as yet without schedules.
    fn scheduler(&self) -> Scheduler;
}

impl<B: Backend + Inspect + Schedules + Clone> Scheduling for B {
    fn scheduler(&self) -> Scheduler {
        Scheduler::new(self.clone())
    }
}

/// An open queue.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) inspect: Arc<dyn Inspect>,
    pub(crate) schedules: Arc<dyn Scheduling>,
    /// Whether it ends with this process.
    pub(crate) is_memory: bool,
}

impl Opened {
    fn of<B: Backend + Inspect + Schedules + Clone>(backend: B, is_memory: bool) -> Self {
        let backend = Arc::new(backend);
        let (inspect, schedules) = (Arc::clone(&backend) as _, Arc::clone(&backend) as _);
        Self { inspect, schedules, backend, is_memory }
    }
}

/// Opens the queue at an address.
pub(crate) async fn open(url: &str) -> Result<Opened, Failure> {
    if is_memory(url) {
        return Ok(Opened::of(MemoryBackend::new(), true));
    }
    if !["redis://", "rediss://", "unix://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(Failure::usage("the queue must be memory: or redis://HOST:PORT"));
    }
    match RedisBackend::connect(url).await {
        Ok(backend) => Ok(Opened::of(backend, false)),
        Err(error) => Err(Failure::failed(&error)),
    }
}
