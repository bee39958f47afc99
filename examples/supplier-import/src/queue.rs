//! Which queue an address means.

use std::sync::Arc;

use jobq_core::{Backend, MemoryBackend};
use jobq_redis::RedisBackend;

use crate::commands::Failure;

/// Whether an address is that of the queue in this process's memory.
pub(crate) fn is_memory(url: &str) -> bool {
    matches!(url, "memory:" | "memory" | "memory://")
}

/// Opens the queue at an address.
pub(crate) async fn open(url: &str) -> Result<Arc<dyn Backend>, Failure> {
    if is_memory(url) {
        return Ok(Arc::new(MemoryBackend::new()));
    }
    if !["redis://", "rediss://", "unix://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Err(Failure::usage("the queue must be memory: or redis://HOST:PORT"));
    }
    match RedisBackend::connect(url).await {
        Ok(backend) => Ok(Arc::new(backend)),
        Err(error) => Err(Failure::failed(&error)),
    }
}
