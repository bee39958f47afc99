//! Which queue an address means.

use std::sync::Arc;

use jobq_core::{Backend, Inspect, MemoryBackend};
use jobq_redis::RedisBackend;

use crate::failure::Failure;

/// Whether an address is that of the queue in this process's memory.
pub(crate) fn is_memory(url: &str) -> bool {
    matches!(url, "memory:" | "memory" | "memory://")
}

/// An open queue.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "put together in one place, and by tests")]
pub struct OpenQueue {
    /// The queue.
    pub backend: Arc<dyn Backend>,
    /// The same for people.
    pub inspect: Arc<dyn Inspect>,
}

impl OpenQueue {
    /// Of a backend.
    pub fn of<B: Backend + Inspect>(backend: B) -> Self {
        let backend = Arc::new(backend);
        Self { inspect: Arc::clone(&backend) as _, backend }
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
