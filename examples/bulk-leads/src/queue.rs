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

/// An open queue.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "put together in one place, and by tests")]
pub struct OpenQueue {
    /// The queue.
    pub backend: Arc<dyn Backend>,
    /// The same for people.
    pub inspect: Arc<dyn Inspect>,
    /// The same for those who run schedules.
    pub schedules: Arc<dyn Scheduling>,
}

impl OpenQueue {
    /// Of a backend.
    pub fn of<B: Backend + Inspect + Schedules + Clone>(backend: B) -> Self {
        let backend = Arc::new(backend);
        let (inspect, schedules) = (Arc::clone(&backend) as _, Arc::clone(&backend) as _);
        Self { inspect, schedules, backend }
    }

    /// The queue at an address: `memory:`, or `redis://HOST:PORT`.
    ///
    /// # Errors
    ///
    /// When it is no address of a queue, or the server cannot be reached.
    pub async fn open(url: &str) -> Result<Self, Failure> {
        if is_memory(url) {
            return Ok(Self::of(MemoryBackend::new()));
        }
        if !["redis://", "rediss://", "unix://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(Failure::usage("the queue must be memory: or redis://HOST:PORT"));
        }
        Ok(Self::of(RedisBackend::connect(url).await?))
    }
}
