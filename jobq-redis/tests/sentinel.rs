//! Sentinels and what they say. That workers follow them through a failover is shown by `failover.rs` of `jobq-worker`.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod support;

use std::time::{Duration, Instant};

use jobq_core::{Backend, Error, ErrorKind, Inspect, JobState};
use jobq_redis::{Durability, RedisBackend, RedisConfig, TestSentinels, TestServer};
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

/// Its socket takes what is sent while it is frozen, so a connection is made of what it says when it is thawed. What
/// the sentinels said beforehand is out of date then.
#[tokio::test]
async fn a_connection_under_way_does_not_lead_to_a_thawed_old_master() {
    let servers = TestSentinels::start().unwrap();
    let patient = config(&servers.url()).response_timeout(PATIENCE).connect_timeout(PATIENCE);
    // What connects first is asked about the server's kind; both ways must not be believed.
    let late = RedisBackend::lazy(patient).unwrap();

    support::signal(&servers.master, "-STOP");
    let jobs = [job()];
    let thawed = async {
        let other = until_there_is_another_master(&servers).await;
        support::signal(&servers.master, "-CONT");
        other
    };
    let (answer, other) = tokio::join!(late.enqueue_jobs(&jobs), thawed);

    if answer.is_ok() {
        let found = other.locate(jobs[0].record.id).await.unwrap();
        assert!(found.is_some(), "acknowledged and lost");
    }
    enqueue_and_find(&late, &other).await;
}

/// An enqueue that waits has a connection of its own, and asks for less than it might: that no replica has the
/// job, only that the server be the master.
#[tokio::test]
async fn an_enqueue_that_waits_does_not_believe_a_thawed_old_master() {
    for is_connected in [true, false] {
        let servers = TestSentinels::start().unwrap();
        let level = Durability::Replicas { count: 0, within: Duration::from_secs(1) };
        let patient = config(&servers.url()).response_timeout(PATIENCE).connect_timeout(PATIENCE);
        let waits = RedisBackend::lazy(patient.durability(level)).unwrap();
        if is_connected {
            waits.enqueue_jobs(&[job()]).await.unwrap();
        }

        support::signal(&servers.master, "-STOP");
        let jobs = [job()];
        let thawed = async {
            let other = until_there_is_another_master(&servers).await;
            support::signal(&servers.master, "-CONT");
            other
        };
        let (answer, other) = tokio::join!(waits.enqueue_jobs(&jobs), thawed);

        match answer {
            Ok(_) => {
                let found = other.locate(jobs[0].record.id).await.unwrap();
                assert!(found.is_some(), "acknowledged and lost, connected: {is_connected}");
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
        enqueue_and_find(&waits, &other).await;
    }
}

/// Makes one of the sentinels name another server, as one does that comes back with an old configuration.
async fn mislead(url: &str, nth: usize, port: u16) {
    let sentinels = url.split_once('@').unwrap().1.split_once('/').unwrap().0;
    let sentinel = sentinels.split(',').nth(nth).unwrap();
    let client = redis::Client::open(format!("redis://:two@{sentinel}")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let port = port.to_string();
    for words in [
        &["REMOVE", "mymaster"][..],
        &["MONITOR", "mymaster", "127.0.0.1", &port, "2"],
        &["SET", "mymaster", "auth-pass", "one"],
    ] {
        redis::cmd("SENTINEL").arg(words).exec_async(&mut connection).await.unwrap();
    }
}

#[tokio::test]
async fn one_sentinel_that_is_wrong_misleads_nobody() {
    let servers = TestSentinels::start().unwrap();
    let url = servers.url();
    let before = RedisBackend::connect_with(config(&url)).await.unwrap();
    let true_url = format!("redis://:one@127.0.0.1:{}", servers.master.port());
    let true_one = RedisBackend::connect(&true_url).await.unwrap();
    let stray = TestServer::start_with(&["--requirepass", "one"]).unwrap();

    for nth in 0..2 {
        if nth == 1 {
            // Back to the truth, for the next one to be wrong alone.
            mislead(&url, 0, servers.master.port()).await;
        }
        mislead(&url, nth, stray.port()).await;
        let after = RedisBackend::connect_with(config(&url)).await.unwrap();
        let began = Instant::now();
        // As long as it takes until those in use have asked.
        while began.elapsed() < Duration::from_millis(2_500) {
            for backend in [&before, &after] {
                let job = job();
                backend.enqueue_jobs(std::slice::from_ref(&job)).await.unwrap();
                let found = true_one.locate(job.record.id).await.unwrap();
                assert!(found.is_some(), "misled by number {nth} after {:?}", began.elapsed());
            }
        }
    }
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
