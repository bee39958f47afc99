//! The queue of the drivers that have one.

use std::sync::Arc;

use jobq_core::{Backend, Inspect, MemoryBackend};
use jobq_redis::RedisBackend;
use program::Failure;

/// An open queue. Clones are the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Opened {
    /// For those who enqueue and work.
    pub backend: Arc<dyn Backend>,
    /// For those who look.
    pub inspect: Arc<dyn Inspect>,
}

impl Opened {
    /// A queue over a backend.
    #[must_use]
    pub fn of<B: Backend + Inspect>(backend: B) -> Self {
        let backend = Arc::new(backend);
        Self { inspect: Arc::clone(&backend) as _, backend }
    }

    /// A queue in the memory of this process, which ends with it.
    #[must_use]
    pub fn memory() -> Self {
        Self::of(MemoryBackend::new())
    }

    /// A queue in Redis.
    pub(crate) async fn redis(url: &str) -> Result<Self, Failure> {
        if !["redis://", "rediss://", "unix://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(Failure::usage("--redis must be redis://HOST:PORT"));
        }
        Ok(Self::of(RedisBackend::connect(url).await?))
    }
}
