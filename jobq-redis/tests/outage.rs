//! What a backend does when its server or the way to it fails.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(missing_docs, reason = "tests are named by what they show")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jobq_core::{Backend, ErrorKind, Held, Inspect, Next, Settlement};
use jobq_redis::{FaultProxy, RedisBackend, RedisConfig, TestServer};
use support::{PATIENCE, eventually, impatient, job, lease, queue};

fn complete(lease: &Arc<jobq_core::Lease>) -> Settlement {
    Settlement::new(Arc::clone(lease), Next::Complete { result: None })
}

async fn redis(server: &TestServer, command: &[&str]) {
    let mut connection = redis::Client::open(server.url())
        .unwrap()
        .get_multiplexed_async_connection()
        .await
        .unwrap();
    let mut call = redis::cmd(command[0]);
    call.arg(&command[1..]);
    call.exec_async(&mut connection).await.unwrap();
}

/// Waits until the server has a client that waits for a token.
async fn somebody_waits(server: &TestServer) {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    eventually(async || {
        let ask = redis::cmd("CLIENT").arg("LIST").take();
        let clients: String = ask.query_async(&mut connection).await.unwrap();
        if clients.contains("cmd=blpop") { Ok(()) } else { Err("nobody waits") }
    })
    .await;
}

#[tokio::test]
async fn a_restarted_server_is_found_again_with_its_jobs() {
    let mut server =
        TestServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).unwrap();
    let backend = impatient(&server.url()).await;
    let enqueued = backend.enqueue_jobs(&[job(), job()]).await.unwrap();

    server.kill();
    let down = backend.ping().await.unwrap_err();
    server.restart().unwrap();

    assert_eq!(down.kind(), ErrorKind::Unavailable);
    eventually(async || backend.ping().await).await;
    let leases = lease(&backend, 10).await.leases;
    let ids: Vec<_> = leases.iter().map(|lease| lease.job.id).collect();
    assert_eq!(ids, [enqueued[0].id(), enqueued[1].id()]);
}

#[tokio::test]
async fn scripts_that_the_server_has_forgotten_are_sent_again() {
    let server = TestServer::start().unwrap();
    let backend = RedisBackend::connect(&server.url()).await.unwrap();
    backend.enqueue_jobs(&[job(), job()]).await.unwrap();
    let first = lease(&backend, 1).await.leases;

    redis(&server, &["SCRIPT", "FLUSH"]).await;

    backend.enqueue_jobs(&[job()]).await.unwrap();
    let settled = backend.exchange(&queue(), &[complete(&first[0])], None).await.unwrap();
    assert_eq!(settled.held, [Held::Yes]);
    assert_eq!(lease(&backend, 10).await.leases.len(), 2);
}

#[tokio::test]
async fn a_killed_connection_costs_at_most_one_call() {
    let server = TestServer::start().unwrap();
    let backend = RedisBackend::connect(&server.url()).await.unwrap();
    backend.ping().await.unwrap();

    redis(&server, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;

    let first = backend.ping().await;
    assert!(first.is_ok() || first.unwrap_err().kind() == ErrorKind::Unavailable);
    backend.ping().await.unwrap();
}

/// An enqueue is never sent twice by itself, for the first may have had its effect. So it makes sure of a
/// connection that has been quiet.
#[tokio::test]
async fn an_enqueue_is_no_victim_of_a_connection_that_died_in_the_quiet() {
    let server = TestServer::start().unwrap();
    let backend = RedisBackend::connect(&server.url()).await.unwrap();
    backend.ping().await.unwrap();

    redis(&server, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    // That time passes is the point: the connection must be quiet for longer than it is trusted, which is real time.
    tokio::time::sleep(Duration::from_millis(1_100)).await;

    assert!(backend.enqueue_jobs(&[job()]).await.unwrap()[0].is_created());
}

/// Callers that stop polling, as in a `select!` that went another way, keep nobody waiting.
#[tokio::test]
async fn futures_that_are_kept_and_not_polled_block_nobody() {
    use std::future::Future;
    use std::task::{Context, Waker};

    let server = TestServer::start().unwrap();
    let backend = RedisBackend::lazy(RedisConfig::new(&server.url()).unwrap()).unwrap();
    let mut idle = Context::from_waker(Waker::noop());
    let mut kept_ping = Box::pin(backend.ping());
    assert!(kept_ping.as_mut().poll(&mut idle).is_pending());
    backend.ping().await.unwrap();

    let jobs = [[job()], [job()], [job()]];
    let mut first = Box::pin(backend.enqueue_jobs(&jobs[0]));
    let mut second = Box::pin(backend.enqueue_jobs(&jobs[1]));
    assert!(first.as_mut().poll(&mut idle).is_pending());
    assert!(second.as_mut().poll(&mut idle).is_pending());

    let third = tokio::time::timeout(PATIENCE, backend.enqueue_jobs(&jobs[2])).await;
    assert!(third.unwrap().unwrap()[0].is_created());
}

#[test]
fn a_backend_outlives_the_runtimes_it_is_used_in() {
    let server = TestServer::start().unwrap();
    let backend = RedisBackend::lazy(RedisConfig::new(&server.url()).unwrap()).unwrap();
    for _ in 0..5 {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for _ in 0..20 {
            let backend = backend.clone();
            runtime.spawn(async move { backend.enqueue_jobs(&[job()]).await });
        }
        drop(runtime);
    }

    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let enqueued = tokio::time::timeout(
            PATIENCE,
            // The connection died with its runtime: the first call may be the one to find out.
            eventually(async || backend.enqueue_jobs(&[job()]).await),
        );
        assert_eq!(enqueued.await.unwrap().len(), 1);
    });
}

/// One that waits in a runtime that ends is no reason for others to wait in vain.
#[test]
fn a_wait_outlives_the_runtime_of_another() {
    use tokio::sync::oneshot;

    let server = TestServer::start().unwrap();
    let backend = RedisBackend::lazy(RedisConfig::new(&server.url()).unwrap()).unwrap();
    let (first, second) =
        (tokio::runtime::Runtime::new().unwrap(), tokio::runtime::Runtime::new().unwrap());
    // Tells when it has begun: when it was polled, and waits.
    let wait = |backend: RedisBackend, begun: oneshot::Sender<()>| async move {
        let queues = [queue()];
        let mut begun = Some(begun);
        loop {
            let mut waiting = std::pin::pin!(backend.wait(&queues));
            let ended = std::future::poll_fn(|cx| {
                let polled = waiting.as_mut().poll(cx);
                if polled.is_pending() {
                    let _ = begun.take().map(|begun| begun.send(()));
                }
                polled
            });
            if let Ok(queue) = ended.await {
                return queue;
            }
            tokio::task::yield_now().await;
        }
    };
    let (begins, has_begun) = oneshot::channel();
    drop(first.spawn(wait(backend.clone(), begins)));
    // The server has the first one's connection, on which it waits for all.
    first.block_on(async {
        has_begun.await.unwrap();
        somebody_waits(&server).await;
    });
    let (begins, has_begun) = oneshot::channel();
    let waiting = second.spawn(wait(backend.clone(), begins));
    second.block_on(has_begun).unwrap();

    drop(first);
    second.block_on(async {
        eventually(async || backend.enqueue_jobs(&[job()]).await).await;
        assert_eq!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap(), queue());
    });
}

#[tokio::test]
async fn a_paused_server_is_reported_and_found_again() {
    let server = TestServer::start().unwrap();
    let backend = impatient(&server.url()).await;

    redis(&server, &["CLIENT", "PAUSE", "1500", "ALL"]).await;

    let error = backend.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    eventually(async || backend.ping().await).await;
}

#[tokio::test]
async fn a_link_that_swallows_everything_is_given_up_and_made_anew() {
    let server = TestServer::start().unwrap();
    let proxy = FaultProxy::before(server.port()).await.unwrap();
    let backend = impatient(&proxy.url()).await;
    backend.enqueue_jobs(&[job()]).await.unwrap();

    proxy.freeze();
    let asked = Instant::now();
    let error = backend.ping().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
    proxy.thaw();

    eventually(async || backend.ping().await).await;
    assert_eq!(lease(&backend, 10).await.leases.len(), 1);
}

#[tokio::test]
async fn a_cut_link_is_made_anew() {
    let server = TestServer::start().unwrap();
    let proxy = FaultProxy::before(server.port()).await.unwrap();
    let backend = impatient(&proxy.url()).await;

    for _ in 0..20 {
        proxy.cut();
        eventually(async || backend.ping().await).await;
        assert!(backend.enqueue_jobs(&[job()]).await.is_ok());
    }

    assert_eq!(backend.queue(&queue()).await.unwrap().ready, 20);
}

#[tokio::test]
async fn a_slow_link_is_slow_and_nothing_worse() {
    let server = TestServer::start().unwrap();
    let proxy = FaultProxy::before(server.port()).await.unwrap();
    let backend = RedisBackend::connect(&proxy.url()).await.unwrap();

    proxy.delay(Duration::from_millis(50));

    backend.enqueue_jobs(&[job(), job()]).await.unwrap();
    let leases = lease(&backend, 10).await.leases;
    let settlements: Vec<_> = leases.iter().map(complete).collect();
    let settled = backend.exchange(&queue(), &settlements, None).await.unwrap();
    assert_eq!(settled.held, [Held::Yes, Held::Yes]);
}

#[tokio::test]
async fn an_enqueue_whose_answer_is_lost_can_be_repeated() {
    let server = TestServer::start().unwrap();
    let proxy = FaultProxy::before(server.port()).await.unwrap();
    let backend = impatient(&proxy.url()).await;
    let job = job();

    // Requests pass, answers come too late to be waited for.
    proxy.delay(Duration::from_millis(400));
    let lost = backend.enqueue_jobs(std::slice::from_ref(&job)).await;
    proxy.delay(Duration::ZERO);

    assert_eq!(lost.unwrap_err().kind(), ErrorKind::Unavailable);
    eventually(async || backend.enqueue_jobs(std::slice::from_ref(&job)).await).await;
    assert_eq!(backend.queue(&queue()).await.unwrap().ready, 1);
}

#[tokio::test]
async fn a_wait_survives_its_connection() {
    let server = TestServer::start().unwrap();
    let proxy = FaultProxy::before(server.port()).await.unwrap();
    let backend = impatient(&proxy.url()).await;
    let waiting = tokio::spawn({
        let backend = backend.clone();
        async move {
            loop {
                if let Ok(queue) = backend.wait(&[queue()]).await {
                    return queue;
                }
                tokio::task::yield_now().await;
            }
        }
    });

    somebody_waits(&server).await;
    proxy.cut();
    let direct = RedisBackend::connect(&server.url()).await.unwrap();
    direct.enqueue_jobs(&[job()]).await.unwrap();

    assert_eq!(tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap(), queue());
}

#[tokio::test]
async fn a_full_server_refuses_to_enqueue_and_can_still_be_drained() {
    let server =
        TestServer::start_with(&["--maxmemory", "6mb", "--maxmemory-policy", "noeviction"])
            .unwrap();
    let backend = RedisBackend::connect(&server.url()).await.unwrap();
    let big = "x".repeat(20_000);
    let mut enqueued = 0;
    let refused = loop {
        match backend.enqueue_jobs(&[support::job_of(&big)]).await {
            Ok(_) => enqueued += 1,
            Err(error) => break error,
        }
        assert!(enqueued < 10_000, "the server never fills");
    };

    assert_eq!(refused.kind(), ErrorKind::Full, "{refused}");
    assert!(refused.to_string().contains("is full"), "{refused}");
    // Leasing, failing, extending and completing go on while the server is full.
    let mut done = 0;
    let mut failed_once = false;
    loop {
        let leases = lease(&backend, 5).await.leases;
        if leases.is_empty() {
            break;
        }
        let proofs: Vec<_> = leases.iter().map(|lease| lease.proof()).collect();
        let extended = backend.extend(&queue(), &proofs, support::LEASE).await.unwrap();
        assert!(extended.iter().all(|answer| *answer == jobq_core::Extended::Yes));
        let settlements: Vec<_> = leases
            .iter()
            .map(|lease| {
                if failed_once {
                    done += 1;
                    complete(lease)
                } else {
                    failed_once = true;
                    Settlement::new(Arc::clone(lease), Next::Release)
                }
            })
            .collect();
        let settled = backend.exchange(&queue(), &settlements, None).await.unwrap();
        assert!(settled.held.iter().all(|held| *held == Held::Yes));
    }
    assert_eq!(done, enqueued);
    backend.resume(&queue()).await.unwrap();
    backend.enqueue_jobs(&[support::job_of(&big)]).await.unwrap();
}

#[tokio::test]
async fn a_backend_made_before_its_server_works_once_there_is_one() {
    let mut server = TestServer::start().unwrap();
    let url = server.url();
    server.kill();
    let backend = RedisBackend::lazy(RedisConfig::new(&url).unwrap()).unwrap();

    let error = backend.ping().await.unwrap_err();
    assert!(error.to_string().contains("nothing listens at 127.0.0.1:"), "{error}");
    server.restart().unwrap();

    backend.ping().await.unwrap();
}
