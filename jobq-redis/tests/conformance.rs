//! The core's specification of a backend, on Redis, as a user with just the rights that operators are told to give.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use async_trait::async_trait;
use jobq_core::conformance::{Fixture, Store};
use jobq_core::{DeadRetention, ManualClock, QueueName};
use jobq_redis::{RedisBackend, RedisConfig, TestServer};

const PATIENCE: Duration = Duration::from_secs(60);

struct RedisFixture {
    backend: RedisBackend,
    server: TestServer,
}

#[async_trait]
impl Fixture for RedisFixture {
    async fn create(clock: ManualClock, dead_retention: DeadRetention) -> Self {
        let (server, url) = support::server_with_documented_user();
        let config = RedisConfig::new(&url).unwrap().clock(clock).dead_retention(dead_retention);
        // Time is the clock's here. That a machine is slow is no fault of the backend.
        let config = config.response_timeout(PATIENCE).connect_timeout(PATIENCE);
        Self { backend: RedisBackend::connect_with(config).await.unwrap(), server }
    }

    fn store(&self) -> &dyn Store {
        &self.backend
    }

    async fn assert_pristine(&self, queue: &QueueName) {
        let servers = [self.server.url()];
        support::assert_nothing_is_left(&self.backend, "jobq", queue, &servers).await;
    }
}

jobq_core::conformance::suite!(RedisFixture);
