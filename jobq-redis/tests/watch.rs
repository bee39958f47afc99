//! Who watches a job is told of its change, whatever becomes of connections; and leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use jobq_core::{
    Backend, ErrorKind, Inspect, JobId, JobState, ManualClock, Next, Result, Settlement, Sighting,
    Timestamp,
};
use jobq_redis::{FaultProxy, RedisBackend, RedisConfig, TestServer};
use support::{PATIENCE, eventually, impatient, job, lease, queue};
use tokio::task::JoinHandle;

async fn connection(server: &TestServer) -> redis::aio::MultiplexedConnection {
    redis::Client::open(server.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
}

async fn redis<T: redis::FromRedisValue>(server: &TestServer, command: &[&str]) -> T {
    let mut call = redis::cmd(command[0]);
    call.arg(&command[1..]);
    call.query_async(&mut connection(server).await).await.unwrap()
}

/// How many connections of the server listen for changes.
async fn listening(server: &TestServer) -> usize {
    redis::<String>(server, &["CLIENT", "LIST", "TYPE", "pubsub"]).await.lines().count()
}

/// A job that was enqueued, and what can be seen of it.
async fn ready_job(backend: &RedisBackend) -> (JobId, Sighting) {
    let job = job();
    backend.enqueue_jobs(std::slice::from_ref(&job)).await.unwrap();
    (job.record.id, backend.watch(&queue(), job.record.id, None).await.unwrap())
}

/// Watches in a task of its own; returns when it is noted.
async fn watching(
    server: &TestServer,
    backend: &RedisBackend,
    id: JobId,
    seen: Sighting,
) -> JoinHandle<Result<Sighting>> {
    let backend = backend.clone();
    let task = tokio::spawn(async move { backend.watch(&queue(), id, Some(&seen)).await });
    noted(server).await;
    task
}

/// Waits until somebody is noted as a watcher.
async fn noted(server: &TestServer) {
    eventually(async || match redis::<u64>(server, &["HLEN", "{jobq:mail}:marks"]).await {
        0 => Err("nobody watches"),
        _ => Ok(()),
    })
    .await;
}

async fn told(watching: JoinHandle<Result<Sighting>>) -> Sighting {
    tokio::time::timeout(PATIENCE, watching).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn one_connection_listens_for_all_watchers() {
    let server = TestServer::start().unwrap();
    let backend = RedisBackend::connect(&server.url()).await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let (id, seen) = ready_job(&backend).await;
        tasks.push(watching(&server, &backend, id, seen.clone()).await);
    }
    eventually(async || match redis::<u64>(&server, &["HLEN", "{jobq:mail}:marks"]).await {
        20 => Ok(()),
        _ => Err("not all are noted"),
    })
    .await;

    assert_eq!(listening(&server).await, 1);
    assert_eq!(lease(&backend, 20).await.leases.len(), 20);
    for task in tasks {
        assert_eq!(told(task).await.state, Some(JobState::Leased));
    }
    assert_eq!(redis::<u64>(&server, &["EXISTS", "{jobq:mail}:marks"]).await, 0, "all used up");
}

#[tokio::test]
async fn a_change_is_seen_by_watchers_of_several_processes() {
    let server = TestServer::start().unwrap();
    let first = RedisBackend::connect(&server.url()).await.unwrap();
    let second = RedisBackend::connect(&server.url()).await.unwrap();
    let (id, seen) = ready_job(&first).await;
    let tasks = [
        watching(&server, &first, id, seen.clone()).await,
        watching(&server, &second, id, seen).await,
    ];
    eventually(async || match listening(&server).await {
        2 => Ok(()),
        _ => Err("not both listen"),
    })
    .await;

    lease(&first, 1).await;

    for task in tasks {
        assert_eq!(told(task).await.state, Some(JobState::Leased));
    }
}

#[tokio::test]
async fn a_watch_survives_the_connection_that_listens() {
    let server = TestServer::start().unwrap();
    let backend = RedisBackend::connect(&server.url()).await.unwrap();
    let (id, seen) = ready_job(&backend).await;
    let task = watching(&server, &backend, id, seen).await;

    // What is published now is heard by nobody.
    redis::<u64>(&server, &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    lease(&backend, 1).await;

    assert_eq!(told(task).await.state, Some(JobState::Leased));
}

#[tokio::test]
async fn a_watch_on_a_broken_link_fails_and_can_be_repeated() {
    let server = TestServer::start().unwrap();
    let proxy = FaultProxy::before(server.port()).await.unwrap();
    let backend = impatient(&proxy.url()).await;
    let (id, seen) = ready_job(&backend).await;
    let task = watching(&server, &backend, id, seen.clone()).await;

    proxy.freeze();
    proxy.cut();
    let error = tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    proxy.thaw();
    let direct = RedisBackend::connect(&server.url()).await.unwrap();
    lease(&direct, 1).await;

    let again = eventually(async || backend.watch(&queue(), id, Some(&seen)).await).await;
    assert_eq!(again.state, Some(JobState::Leased));
}

/// The dead do not renew their notes; the maintenance takes these away, and the living write new ones.
#[tokio::test]
async fn a_watcher_that_died_leaves_nothing_behind() {
    let server = TestServer::start().unwrap();
    let clock = ManualClock::starting_at(Timestamp::from_millis(1_800_000_000_000));
    let config = RedisConfig::new(&server.url()).unwrap().clock(clock.clone());
    let backend = RedisBackend::connect_with(config.clone()).await.unwrap();
    let (id, seen) = ready_job(&backend).await;
    let died = RedisBackend::connect_with(config).await.unwrap();
    let task = watching(&server, &died, id, seen.clone()).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());

    backend.maintain(&queue(), 10).await.unwrap();
    assert_eq!(redis::<u64>(&server, &["HLEN", "{jobq:mail}:marks"]).await, 1, "not yet");
    clock.advance(Duration::from_secs(61));
    let task = watching(&server, &backend, id, seen).await;
    clock.advance(Duration::from_secs(61));
    backend.maintain(&queue(), 10).await.unwrap();
    drop(died);
    noted(&server).await;

    lease(&backend, 1).await;
    assert_eq!(told(task).await.state, Some(JobState::Leased));
    assert_eq!(redis::<u64>(&server, &["EXISTS", "{jobq:mail}:marks"]).await, 0);
}

#[test]
fn a_watch_outlives_the_runtime_in_which_another_began() {
    let server = TestServer::start().unwrap();
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let (first, second) = (runtime().unwrap(), runtime().unwrap());
    let backend = first.block_on(RedisBackend::connect(&server.url())).unwrap();
    let (id, seen) = first.block_on(ready_job(&backend));
    drop(first.block_on(watching(&server, &backend, id, seen.clone())));
    let waiting = second.spawn({
        let (backend, seen) = (backend.clone(), seen.clone());
        async move {
            loop {
                // Told that who listened is gone, it watches again.
                if let Ok(sighting) = backend.watch(&queue(), id, Some(&seen)).await {
                    return sighting;
                }
            }
        }
    });

    drop(first);
    second.block_on(async {
        let fresh = RedisBackend::connect(&server.url()).await.unwrap();
        lease(&fresh, 1).await;
        let sighting = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
        assert_eq!(sighting.state, Some(JobState::Leased));
    });
}

/// A user that may not publish can work all the same; one that may not subscribe is told so.
#[tokio::test]
async fn a_user_without_channels_works_and_cannot_watch() {
    let server = TestServer::start_with(&[
        "--user",
        "app",
        "on",
        ">pw",
        "~{jobq*}:*",
        "+@all",
        "resetchannels",
    ])
    .unwrap();
    let url = format!("redis://app:pw@127.0.0.1:{}", server.port());
    let backend = RedisBackend::connect(&url).await.unwrap();
    let (id, seen) = ready_job(&backend).await;

    let error = backend.watch(&queue(), id, Some(&seen)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Refused, "{error}");
    assert!(error.to_string().contains("ACL"), "{error}");

    let full = RedisBackend::connect(&server.url()).await.unwrap();
    let task = watching(&server, &full, id, seen).await;
    let leases = lease(&backend, 1).await.leases;
    let settlement = Settlement::new(Arc::clone(&leases[0]), Next::Complete { result: None });
    backend.exchange(&queue(), &[settlement], None).await.unwrap();
    assert_eq!(backend.queue(&queue()).await.unwrap().ready, 0);
    task.abort();
}
