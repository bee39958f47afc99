//! Enqueues that wait until their jobs are safe.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod support;

use std::time::{Duration, Instant};

use jobq_core::{Backend, Enqueued, ErrorKind, Inspect};
use jobq_redis::{Durability, RedisBackend, RedisConfig, TestServer};
use support::{eventually, job, lease, queue, signal};

/// Long enough for a loaded machine, short enough to wait for in vain.
const WITHIN: Duration = Duration::from_millis(500);

fn replica_of(primary: &TestServer) -> TestServer {
    let port = primary.port().to_string();
    let server = TestServer::start_with(&["--replicaof", "127.0.0.1", &port]).unwrap();
    // The primary says when its replica is there.
    let client = redis::Client::open(primary.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let within = support::PATIENCE.as_millis().to_string();
    let there: u32 = redis::cmd("WAIT").arg(1).arg(within).query(&mut connection).unwrap();
    assert_eq!(there, 1, "no replica came");
    server
}

fn primary() -> TestServer {
    TestServer::start_with(&["--repl-diskless-sync-delay", "0"]).unwrap()
}

async fn backend(server: &TestServer, count: u32) -> RedisBackend {
    let level = Durability::Replicas { count, within: WITHIN };
    let config = RedisConfig::new(&server.url()).unwrap().durability(level);
    RedisBackend::connect_with(config).await.unwrap()
}

#[tokio::test]
async fn an_enqueue_is_answered_when_a_replica_has_the_job() {
    let primary = primary();
    let replica = replica_of(&primary);
    let backend = backend(&primary, 1).await;

    let enqueued = backend.enqueue_jobs(&[job(), job()]).await.unwrap();

    assert!(enqueued.iter().all(Enqueued::is_created));
    let client = redis::Client::open(replica.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let there: u64 = redis::cmd("HLEN").arg("{jobq:mail}:jobs").query(&mut connection).unwrap();
    assert_eq!(there, 2);
    assert_eq!(lease(&backend, 10).await.leases.len(), 2);
}

#[tokio::test]
async fn an_enqueue_that_a_stopped_replica_has_not_got_says_so_and_may_be_repeated() {
    let primary = primary();
    let replica = replica_of(&primary);
    let backend = backend(&primary, 1).await;
    // A busy machine may need more than one try.
    let first = [job()];
    eventually(async || backend.enqueue_jobs(&first).await).await;
    let new = job();

    signal(&replica, "-STOP");
    let began = Instant::now();
    let error = backend.enqueue_jobs(std::slice::from_ref(&new)).await.unwrap_err();
    let took = began.elapsed();
    // Others are not held up by those who wait.
    let (error_again, ping_took) = tokio::join!(
        async { backend.enqueue_jobs(std::slice::from_ref(&new)).await.unwrap_err() },
        async {
            let began = Instant::now();
            for _ in 0..10 {
                backend.ping().await.unwrap();
            }
            began.elapsed()
        }
    );
    signal(&replica, "-CONT");
    let repeated = eventually(async || backend.enqueue_jobs(std::slice::from_ref(&new)).await);
    let repeated = repeated.await;

    assert!(took >= WITHIN, "{took:?}");
    assert!(ping_took < WITHIN, "{ping_took:?}");
    for error in [error, error_again] {
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        let told = error.to_string();
        assert!(told.contains("after 500 ms it was on 0 of 1 replicas"), "{told}");
        assert!(told.contains("enqueue it again with the same id"), "{told}");
    }
    assert!(!repeated[0].is_created(), "it was in the queue all the same");
    let stats = Inspect::queue(&backend, &queue()).await.unwrap();
    assert_eq!(stats.ready, 2, "it is there once");
}

/// From 7.2 on a wait is for what its connection has written. A job that is known already writes nothing, and if the
/// write for its own sake is refused nothing is waited for: that says nothing of the job.
#[tokio::test]
async fn a_repeated_enqueue_is_not_called_safe_when_writes_are_refused() {
    let primary = TestServer::start_with(&[
        "--repl-diskless-sync-delay",
        "0",
        "--min-replicas-to-write",
        "1",
        "--min-replicas-max-lag",
        "2",
    ])
    .unwrap();
    let replica = replica_of(&primary);
    let plain = RedisBackend::connect(&primary.url()).await.unwrap();
    eventually(async || plain.enqueue_jobs(&[job()]).await).await;
    let waits = backend(&primary, 1).await;
    let mut scheduled = job();
    scheduled.when = jobq_core::When::After(Duration::from_secs(3_600));

    signal(&replica, "-STOP");
    let first = waits.enqueue_jobs(std::slice::from_ref(&scheduled)).await.unwrap_err();
    // The server finds out that its replica lags.
    let refused = eventually(async || match plain.enqueue_jobs(&[job()]).await {
        Err(error) => Ok(error),
        Ok(_) => Err("it takes writes that its replica does not have"),
    })
    .await;
    let again = waits.enqueue_jobs(std::slice::from_ref(&scheduled)).await;
    signal(&replica, "-CONT");

    assert!(first.to_string().contains("it was on 0 of 1 replicas"), "{first}");
    assert_eq!(refused.kind(), ErrorKind::Unavailable, "{refused}");
    let error = again.expect_err("it is on no replica");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let told = error.to_string();
    assert!(told.contains("not as safe as asked for: the server refuses to write"), "{told}");
}

/// Connections that nobody uses are tried before they are used again. Together they may not take longer than one.
#[tokio::test]
async fn many_idle_connections_to_a_silent_server_cost_no_more_than_one() {
    let server = TestServer::start().unwrap();
    let proxy = jobq_redis::FaultProxy::before(server.port()).await.unwrap();
    let level = Durability::Replicas { count: 0, within: WITHIN };
    let config = RedisConfig::new(&proxy.url())
        .unwrap()
        .durability(level)
        .response_timeout(Duration::from_millis(300))
        .connect_timeout(Duration::from_millis(300));
    let backend = RedisBackend::connect_with(config).await.unwrap();
    // Each trip takes long enough for all to be under way at once, and calls with several jobs go alone.
    proxy.delay(Duration::from_millis(50));
    let fill = (0..12).map(|_| async { backend.enqueue_jobs(&[job(), job()]).await.unwrap() });
    futures_util::future::join_all(fill).await;
    proxy.delay(Duration::ZERO);

    proxy.freeze();
    let began = Instant::now();
    backend.enqueue_jobs(&[job()]).await.unwrap_err();
    let took = began.elapsed();
    proxy.thaw();
    eventually(async || backend.enqueue_jobs(&[job()]).await).await;

    assert!(took < Duration::from_millis(1_800), "{took:?}");
}

/// What a failover may lose, with a replica that is cut off when its primary dies.
#[tokio::test]
async fn what_no_replica_has_is_lost_with_the_primary_but_was_not_acknowledged_if_it_waited() {
    let mut primary = primary();
    let replica = replica_of(&primary);
    let waits = backend(&primary, 1).await;
    let plain = RedisBackend::connect(&primary.url()).await.unwrap();
    let (copied, unsafe_one, unsure) = (job(), job(), job());
    assert!(waits.enqueue_jobs(std::slice::from_ref(&copied)).await.unwrap()[0].is_created());

    signal(&replica, "-STOP");
    let mut connection = redis::Client::open(primary.url()).unwrap().get_connection().unwrap();
    redis::cmd("CLIENT").arg(&["KILL", "TYPE", "replica"]).exec(&mut connection).unwrap();
    assert!(plain.enqueue_jobs(std::slice::from_ref(&unsafe_one)).await.unwrap()[0].is_created());
    waits.enqueue_jobs(std::slice::from_ref(&unsure)).await.unwrap_err();
    primary.kill();
    signal(&replica, "-CONT");
    let mut connection = redis::Client::open(replica.url()).unwrap().get_connection().unwrap();
    redis::cmd("REPLICAOF").arg(&["NO", "ONE"]).exec(&mut connection).unwrap();

    let promoted = RedisBackend::connect(&replica.url()).await.unwrap();
    let leases = lease(&promoted, 10).await.leases;
    let there: Vec<_> = leases.iter().map(|lease| lease.job.id).collect();
    assert_eq!(there, [copied.record.id]);
}

#[tokio::test]
async fn more_replicas_than_there_are_cannot_have_it() {
    let primary = primary();
    let _replica = replica_of(&primary);

    let error = backend(&primary, 2).await.enqueue_jobs(&[job()]).await.unwrap_err();

    assert!(error.to_string().contains("it was on 1 of 2 replicas"), "{error}");
}

#[tokio::test]
async fn jobs_with_lanes_and_scripts_that_were_forgotten_wait_too() {
    let primary = primary();
    let replica = replica_of(&primary);
    let backend = backend(&primary, 1).await;
    let mut with_lane = job();
    with_lane.record.lane = Some(jobq_core::LaneKey::new("a").unwrap());
    let client = redis::Client::open(primary.url()).unwrap();
    let mut connection = client.get_connection().unwrap();

    for job in [job(), with_lane.clone()] {
        redis::cmd("SCRIPT").arg("FLUSH").exec(&mut connection).unwrap();
        assert!(backend.enqueue_jobs(&[job]).await.unwrap()[0].is_created());
    }
    assert_eq!(lease(&backend, 10).await.leases.len(), 2);

    signal(&replica, "-STOP");
    with_lane.record.id = job().record.id;
    let mut elsewhere = job();
    elsewhere.record.queue = jobq_core::QueueName::new("plain").unwrap();
    for job in [elsewhere, with_lane] {
        redis::cmd("SCRIPT").arg("FLUSH").exec(&mut connection).unwrap();
        let error = backend.enqueue_jobs(&[job]).await.unwrap_err();
        assert!(error.to_string().contains("it was on 0 of 1 replicas"), "{error}");
    }
    signal(&replica, "-CONT");
}

/// The parent's queue may be on another node, which has a replica of its own.
#[tokio::test]
async fn what_a_parent_in_another_queue_was_told_is_waited_for_too() {
    let primary = primary();
    let replica = replica_of(&primary);
    let backend = backend(&primary, 1).await;
    let mut parent = job();
    parent.record.queue = jobq_core::QueueName::new("parents").unwrap();
    backend.enqueue_jobs(std::slice::from_ref(&parent)).await.unwrap();
    let mut child = job();
    child.parents.push(jobq_core::Parent::known(jobq_core::JobRef::new(
        parent.record.queue.clone(),
        parent.record.id,
    )));

    signal(&replica, "-STOP");
    let error = backend.enqueue_jobs(std::slice::from_ref(&child)).await.unwrap_err();
    let plain = RedisBackend::connect(&primary.url()).await.unwrap();
    let before = Inspect::queue(&plain, &queue()).await.unwrap().waiting;
    signal(&replica, "-CONT");

    assert!(error.to_string().contains("it was on 0 of 1 replicas"), "{error}");
    assert_eq!(before, 0, "the parent comes first");
    let again = backend.enqueue_jobs(std::slice::from_ref(&child));
    assert!(again.await.unwrap()[0].is_created());
}

/// Runs on what `JOBQ_REDIS_SERVER` names; before 7.2 it is refused.
#[tokio::test]
async fn the_disk_can_be_waited_for_where_the_server_can() {
    for appends in ["yes", "no"] {
        let server = TestServer::start_with(&["--appendonly", appends]).unwrap();
        let level = Durability::Disk { local: true, replicas: 0, within: Duration::from_secs(5) };
        let config = RedisConfig::new(&server.url()).unwrap().durability(level);
        match (RedisBackend::connect_with(config).await, appends) {
            (Err(error), _) => {
                assert_eq!(error.kind(), ErrorKind::Refused);
                assert!(error.to_string().contains("for the disk from 7.2 on"), "{error}");
            }
            (Ok(backend), "yes") => {
                assert!(backend.enqueue_jobs(&[job()]).await.unwrap()[0].is_created());
            }
            (Ok(backend), _) => {
                let error = backend.enqueue_jobs(&[job()]).await.unwrap_err();
                assert!(error.to_string().contains("no append-only file"), "{error}");
            }
        }
    }
}
