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
pub(crate) struct Opened {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) inspect: Arc<dyn Inspect>,
    /// Whether it ends with this process.
    pub(crate) is_memory: bool,
}

impl Opened {
    fn of<B: Backend + Inspect>(backend: B, is_memory: bool) -> Self {
        let backend = Arc::new(backend);
        Self { inspect: Arc::clone(&backend) as _, backend, is_memory }
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
