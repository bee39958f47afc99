//! The conformance suite on the memory backend.

use async_trait::async_trait;
use jobq_core::conformance::{Fixture, Store};
use jobq_core::{DeadRetention, ManualClock, MemoryBackend, QueueName};

struct MemoryFixture(MemoryBackend);

#[async_trait]
impl Fixture for MemoryFixture {
    async fn create(clock: ManualClock, dead_retention: DeadRetention) -> Self {
        Self(MemoryBackend::with_clock(clock).dead_retention(dead_retention))
    }

    fn store(&self) -> &dyn Store {
        &self.0
    }

    async fn assert_pristine(&self, queue: &QueueName) {
        assert_eq!(self.0.leftovers(queue), []);
    }
}

jobq_core::conformance::suite!(MemoryFixture);
