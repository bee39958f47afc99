//! The core's specification of a backend, on Redis, as a user with just the rights that operators are told to give.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use async_trait::async_trait;
use jobq_core::conformance::{Fixture, Store};
use jobq_core::{Backend, DeadRetention, Inspect, LeaseRequest, ManualClock, QueueName, WorkerId};
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

    /// All that may be left of a queue is what does not grow: the sentinel of the leased set, the token
    /// counter, and a wake-up that nobody has taken. Entries of ready lists whose jobs have left go with
    /// the lease that comes upon them.
    async fn assert_pristine(&self, queue: &QueueName) {
        self.backend.resume(queue).await.unwrap();
        let request = LeaseRequest::new(WorkerId::from_u64(1), 1_000, Duration::from_secs(1));
        let leased = self.backend.exchange(queue, &[], Some(request)).await.unwrap().leases;
        assert!(leased.is_empty(), "{} jobs are left", leased.len());
        let client = redis::Client::open(self.server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(format!("{{jobq:{queue}}}:*"))
            .query_async(&mut connection)
            .await
            .unwrap();
        for key in keys {
            let size = support::size_that_is_left(&mut connection, &key).await;
            assert_eq!(size, 0, "{key} holds something");
        }
    }
}

jobq_core::conformance::suite!(RedisFixture);
