//! What the tests of this crate share.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(dead_code, reason = "each test program uses its own part")]

use std::time::Duration;

use jobq_core::{
    Backend, Exchanged, Inspect, JobId, JobRecord, Kind, LeaseRequest, NewJob, Payload, QueueName,
    SystemClock, When, WorkerId,
};
use jobq_redis::{RedisBackend, RedisConfig, TestServer};

/// How long a test waits for what must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How long a lease lasts in tests.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

pub(crate) fn queue() -> QueueName {
    QueueName::new("mail").unwrap()
}

pub(crate) fn job() -> NewJob {
    job_of(&"hello")
}

pub(crate) fn job_of(payload: &impl serde::Serialize) -> NewJob {
    let id = JobId::generate(&SystemClock::default());
    let kind = Kind::new("send_welcome").unwrap();
    NewJob::new(JobRecord::new(id, queue(), kind, Payload::encode(payload).unwrap()), When::Now)
}

/// A backend that gives up on a silent server after a moment.
pub(crate) async fn impatient(url: &str) -> RedisBackend {
    let config = RedisConfig::new(url)
        .unwrap()
        .response_timeout(Duration::from_millis(300))
        .connect_timeout(Duration::from_millis(300));
    RedisBackend::connect_with(config).await.unwrap()
}

pub(crate) async fn lease(backend: &RedisBackend, limit: usize) -> Exchanged {
    let request = LeaseRequest::new(WorkerId::from_u64(7), limit, LEASE);
    backend.exchange(&queue(), &[], Some(request)).await.unwrap()
}

/// Tries until it works. Panics when it does not for too long.
pub(crate) async fn eventually<T, E: std::fmt::Display>(
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let started = tokio::time::Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => assert!(started.elapsed() < PATIENCE, "still: {error}"),
        }
        // Servers are started, cut off and promoted without a word to their clients.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The user that `docs/operations.md` tells operators to make, as the words of `ACL SETUSER`.
pub(crate) fn documented_user() -> Vec<String> {
    let text = include_str!("../../../docs/operations.md");
    let (_, rest) = text.split_once("\nACL SETUSER ").unwrap();
    let (rule, _) = rest.split_once("\n```").unwrap();
    rule.split_whitespace().map(|word| word.replace("PASSWORD", "secret")).collect()
}

/// A server with that user, and the URL by which it logs in. The user `default` may do all, for the test.
pub(crate) fn server_with_documented_user() -> (TestServer, String) {
    let user = documented_user();
    let words: Vec<&str> =
        std::iter::once("--user").chain(user.iter().map(String::as_str)).collect();
    let server = TestServer::start_with(&words).unwrap();
    let url = format!("redis://{}:secret@127.0.0.1:{}", user[0], server.port());
    (server, url)
}

/// Panics if a queue all of whose jobs have ended has left anything but what does not grow: the sentinel of the
/// leased set, the token counter, and a wake-up that nobody has taken. Entries of ready lists whose jobs have left
/// go with the lease that comes upon them.
pub(crate) async fn assert_nothing_is_left(
    backend: &RedisBackend,
    prefix: &str,
    queue: &QueueName,
    servers: &[String],
) {
    backend.resume(queue).await.unwrap();
    let request = LeaseRequest::new(WorkerId::from_u64(1), 1_000, Duration::from_secs(1));
    let leased = backend.exchange(queue, &[], Some(request)).await.unwrap().leases;
    assert!(leased.is_empty(), "{} jobs are left", leased.len());
    for server in servers {
        let client = redis::Client::open(server.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(format!("{{{prefix}:{queue}}}:*"))
            .query_async(&mut connection)
            .await
            .unwrap();
        for key in keys {
            let size = size_that_is_left(&mut connection, &key).await;
            assert_eq!(size, 0, "{key} holds something");
        }
    }
}

/// How much a key holds of what should not be left of a queue all of whose jobs have ended. Panics if the
/// key itself should be gone.
async fn size_that_is_left(connection: &mut redis::aio::MultiplexedConnection, key: &str) -> u64 {
    let part = key.rsplit(':').next().unwrap();
    match part {
        "leased" => {
            let members: u64 = redis::cmd("ZCARD").arg(key).query_async(connection).await.unwrap();
            members - 1
        }
        "meta" => {
            // Entries left over, and jobs that batches count.
            let counts: Vec<Option<u64>> = redis::cmd("HMGET")
                .arg(key)
                .arg(&["gone", "members"])
                .query_async(connection)
                .await
                .unwrap();
            counts.into_iter().flatten().sum()
        }
        "wake" => {
            let tokens: u64 = redis::cmd("LLEN").arg(key).query_async(connection).await.unwrap();
            tokens - 1
        }
        // A priority stays noted until the next lease finds its list empty, and flow control
        // until the maintenance finds none. The number of the last note read of each other
        // queue has to stay.
        "levels" | "flow" | "inbox" => 0,
        _ => panic!("{key} is left"),
    }
}

/// Sends a signal to a server, such as `-STOP`.
pub(crate) fn signal(server: &TestServer, name: &str) {
    let pid = server.pid().to_string();
    assert!(std::process::Command::new("kill").args([name, &pid]).status().unwrap().success());
}
