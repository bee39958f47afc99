//! The one queue of all systems.

use std::sync::Arc;

use jobq_core::{Backend, Inspect, MemoryBackend};
use jobq_redis::RedisBackend;
use jobq_scheduler::Scheduler;

use crate::system::Result;

/// The group of this program's schedules.
const GROUP: &str = "demo";

/// A queue, as workers, people and schedulers see it.
pub(crate) enum Queue {
    Memory(MemoryBackend),
    Redis(RedisBackend),
}

/// Does the same with whichever it is.
macro_rules! with {
    ($queue:expr, $backend:ident => $done:expr) => {
        match $queue {
            Queue::Memory($backend) => $done,
            Queue::Redis($backend) => $done,
        }
    };
}

impl Queue {
    /// The queue at an address.
    pub(crate) async fn open(url: &str) -> Result<Self> {
        if matches!(url, "memory:" | "memory" | "memory://") {
            return Ok(Self::Memory(MemoryBackend::new()));
        }
        Ok(Self::Redis(RedisBackend::connect(url).await?))
    }

    /// What people call it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Memory(_) => "a queue in memory",
            Self::Redis(_) => "a queue in Redis",
        }
    }

    /// Refuses one that others use: what they have in it would run here.
    pub(crate) async fn check_unused(&self) -> Result<()> {
        for stats in self.inspect().queues().await? {
            if stats.ready + stats.scheduled + stats.waiting + stats.leased + stats.dead > 0 {
                let name = stats.queue;
                return Err(format!(
                    "queue {name} has jobs in it: give the demo a Redis of its own"
                )
                .into());
            }
        }
        Ok(())
    }

    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        with!(self, backend => Arc::new(backend.clone()))
    }

    pub(crate) fn inspect(&self) -> Arc<dyn Inspect> {
        with!(self, backend => Arc::new(backend.clone()))
    }

    /// A scheduler without schedules.
    pub(crate) fn scheduler(&self) -> Scheduler {
        with!(self, backend => Scheduler::new(backend.clone())).group(GROUP)
    }

    /// As each of the systems holds it.
    pub(crate) fn for_leads(&self) -> bulk_leads::OpenQueue {
        with!(self, backend => bulk_leads::OpenQueue::of(backend.clone()))
    }

    pub(crate) fn for_contexts(&self) -> company_context::Opened {
        with!(self, backend => company_context::Opened::of(backend.clone()))
    }

    pub(crate) fn for_relay(&self) -> crm_relay::OpenQueue {
        match self {
            Self::Memory(backend) => crm_relay::OpenQueue::memory(backend.clone()),
            Self::Redis(backend) => crm_relay::OpenQueue::redis(backend.clone()),
        }
    }

    pub(crate) fn for_sync(&self) -> crm_sync::Opened {
        with!(self, backend => crm_sync::Opened::of(backend.clone()))
    }
}
