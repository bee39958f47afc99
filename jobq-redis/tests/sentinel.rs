//! Sentinels and what they say. That workers follow them through a failover is shown by `failover.rs` of `jobq-worker`.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod support;

use std::time::{Duration, Instant};

use jobq_core::{Backend, Error, ErrorKind, Inspect, JobState};
use jobq_redis::{RedisBackend, RedisConfig, TestSentinels, TestServer};
use support::{PATIENCE, eventually, job, lease, queue};

fn config(url: &str) -> RedisConfig {
    RedisConfig::new(url)
        .unwrap()
        .response_timeout(Duration::from_secs(1))
        .connect_timeout(Duration::from_secs(1))
}

#[tokio::test]
async fn what_is_wrong_with_a_url_is_said() {
    let servers = TestSentinels::start().unwrap();
    let url = servers.url();
    for (url, kind, said) in [
        (url.replace("mymaster", "other"), ErrorKind::Refused, "knows no master \"other\""),
        (url.replace("two", "2nd"), ErrorKind::Refused, "?sentinel_username=…&sentinel_password=…"),
        (url.split('?').next().unwrap().to_owned(), ErrorKind::Refused, "&sentinel_password=…"),
        (url.replace(":one@", ":1st@"), ErrorKind::Refused, "as in redis://user:password@host"),
        (url.replace(":one@", ""), ErrorKind::Refused, "as in redis://user:password@host"),
    ] {
        let error = RedisBackend::connect_with(config(&url)).await.unwrap_err();
        let told = format!("{error} {error:?}");
        assert_eq!(error.kind(), kind, "{told}");
        assert!(error.to_string().contains(said), "{told}");
        for secret in [":one", "two", "1st", "2nd"] {
            assert!(!told.contains(secret), "{told}");
        }
    }
    // A server is no sentinel.
    let server = TestServer::start().unwrap();
    let url = format!("redis+sentinel://127.0.0.1:{}/mymaster", server.port());
    let error = RedisBackend::connect_with(config(&url)).await.unwrap_err();
    assert!(error.to_string().contains("is no Sentinel"), "{error}");
}

#[tokio::test]
async fn one_sentinel_of_those_named_is_enough() {
    let servers = TestSentinels::start().unwrap();
    let mut gone = TestServer::start().unwrap();
    gone.kill();
    let url = servers.url().replace('@', &format!("@127.0.0.1:{},", gone.port()));

    let backend = RedisBackend::connect_with(config(&url)).await.unwrap();

    backend.enqueue_jobs(&[job()]).await.unwrap();
    assert_eq!(lease(&backend, 1).await.leases.len(), 1);
    assert!(
        backend.address().starts_with("mymaster (Sentinel 127.0.0.1:"),
        "{}",
        backend.address()
    );
    assert!(!backend.server_facts().await.unwrap().version.is_empty());
}

/// Frozen and not dead: its connections stay open, and nothing comes of them.
#[tokio::test]
async fn waits_and_watches_move_on_from_a_frozen_master() {
    let servers = TestSentinels::start().unwrap();
    let backend = RedisBackend::connect_with(config(&servers.url())).await.unwrap();
    let job = job();
    backend.enqueue_jobs(std::slice::from_ref(&job)).await.unwrap();
    let (queue, id) = (queue(), job.record.id);
    let seen = backend.watch(&queue, id, None).await.unwrap();
    eventually(async || backend.wait(std::slice::from_ref(&queue)).await).await;

    support::signal(&servers.master, "-STOP");
    let leased = async {
        eventually(async || {
            let request = jobq_core::LeaseRequest::new(
                jobq_core::WorkerId::from_u64(7),
                1,
                Duration::from_secs(60),
            );
            backend.exchange(&queue, &[], Some(request)).await
        })
        .await
    };
    let told = async { eventually(async || backend.watch(&queue, id, Some(&seen)).await).await };
    let (leased, told) = tokio::join!(leased, tokio::time::timeout(2 * PATIENCE, told));
    assert_eq!(leased.leases.len(), 1);
    assert_eq!(told.unwrap().state, Some(JobState::Leased));
    let (woken, _) = tokio::join!(
        eventually(async || backend.wait(std::slice::from_ref(&queue)).await),
        eventually(async || backend.enqueue_jobs(&[support::job()]).await),
    );
    assert_eq!(woken, queue);

    // When it comes back it is told that it is a replica, and nobody has gone on with it.
    support::signal(&servers.master, "-CONT");
    eventually(async || backend.ping().await).await;
    backend.enqueue_jobs(&[support::job()]).await.unwrap();
}

/// A new program's enqueue, made again until it comes through: another server is the master then.
async fn until_there_is_another_master(servers: &TestSentinels) -> RedisBackend {
    eventually(async || {
        let backend = RedisBackend::connect_with(config(&servers.url())).await?;
        backend.enqueue_jobs(&[support::job()]).await?;
        Ok::<_, Error>(backend)
    })
    .await
}

/// Enqueues for a while, and makes sure that nothing is lost of what is acknowledged.
async fn enqueue_and_find(backend: &RedisBackend, master: &RedisBackend) {
    for _ in 0..50 {
        let job = job();
        eventually(async || backend.enqueue_jobs(std::slice::from_ref(&job)).await).await;
        assert!(master.locate(job.record.id).await.unwrap().is_some(), "lost: {}", job.record.id);
    }
}

#[tokio::test]
async fn an_idle_client_does_not_go_on_with_a_thawed_old_master() {
    let servers = TestSentinels::start().unwrap();
    let idle = RedisBackend::connect_with(config(&servers.url())).await.unwrap();
    idle.enqueue_jobs(&[job()]).await.unwrap();

    support::signal(&servers.master, "-STOP");
    let other = until_there_is_another_master(&servers).await;
    support::signal(&servers.master, "-CONT");

    enqueue_and_find(&idle, &other).await;
}

/// Its one call is answered, late, by a server that nobody has told yet.
#[tokio::test]
async fn a_busy_client_does_not_believe_a_thawed_old_master() {
    let servers = TestSentinels::start().unwrap();
    let patient = config(&servers.url()).response_timeout(PATIENCE);
    let busy = RedisBackend::connect_with(patient).await.unwrap();
    busy.enqueue_jobs(&[job()]).await.unwrap();

    support::signal(&servers.master, "-STOP");
    let job = job();
    let jobs = [job.clone()];
    let thawed = async {
        let other = until_there_is_another_master(&servers).await;
        support::signal(&servers.master, "-CONT");
        other
    };
    let (answer, other) = tokio::join!(busy.enqueue_jobs(&jobs), thawed);

    if answer.is_ok() {
        let found = other.locate(job.record.id).await.unwrap();
        assert!(found.is_some(), "acknowledged and lost");
    }
    enqueue_and_find(&busy, &other).await;
}

#[tokio::test]
async fn many_callers_do_not_storm_sentinels_that_know_nothing() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis+sentinel://{}/mymaster", listener.local_addr().unwrap());
    let backend = RedisBackend::lazy(config(&url)).unwrap();
    let mut count = 0;
    let questions = async {
        loop {
            drop(listener.accept().await.unwrap());
            count += 1;
        }
    };
    let calls = futures_util::future::join_all((0..20).map(|_| async {
        for _ in 0..10 {
            backend.enqueue_jobs(&[job()]).await.unwrap_err();
        }
    }));
    let began = Instant::now();

    tokio::select! {
        () = questions => {}
        _ = calls => {}
    }

    // Ten a second, and the first ones.
    let most = 3 + began.elapsed().as_millis() / 100;
    assert!(count <= most, "{count} questions in {:?}", began.elapsed());
}
