//! What a scrape costs a real server, and what becomes of its connection.

use std::time::{Duration, Instant};

use jobq_core::Queue;
use jobq_redis::{RedisBackend, TestServer};
use jobq_worker::health::Listener;
use jobq_worker::{Health, Worker};
use tokio::task::spawn_blocking;

use crate::http::{Answer, get};
use crate::openmetrics::Page;
use crate::{Work, work};

async fn ask(listener: &Listener, path: &'static str) -> Answer {
    let address = listener.address();
    spawn_blocking(move || get(address, path)).await.unwrap()
}

async fn until_up(listener: &Listener) {
    let began = Instant::now();
    while !ask(listener, "/metrics").await.body.contains("jobq_store_up 1") {
        assert!(began.elapsed() < Duration::from_secs(40), "the store never comes up");
    }
}

/// How many commands the server has been given so far.
async fn commands(server: &TestServer) -> u64 {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let info: String = redis::cmd("INFO").arg("stats").query_async(&mut connection).await.unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("total_commands_processed:"));
    line.unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_ask_the_store_is_looked_at_once_a_second() {
    let server = TestServer::start().unwrap();
    let store = RedisBackend::connect(&server.url()).await.unwrap();
    let health = Health::new(&store);
    let listener = health.listen("0").unwrap();
    let worker = Worker::new(store).handle(work).health(&health);
    let running = tokio::spawn(worker.run_until(std::future::pending()));
    until_up(&listener).await;

    let (before, began) = (commands(&server).await, Instant::now());
    for _ in 0..300 {
        assert_eq!(ask(&listener, "/metrics").await.status, 200);
        assert_ne!(ask(&listener, "/readyz").await.status, 404);
    }
    let (given, took) = (commands(&server).await - before, began.elapsed());

    // Some ten a look, and what the worker asks by itself.
    let seconds = took.as_secs() + 2;
    assert!(given < 60 * seconds, "{given} commands in {took:?}");
    running.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_is_opened_again_reaches_the_store() {
    let server = TestServer::start().unwrap();
    let health = Health::new(&RedisBackend::connect(&server.url()).await.unwrap());
    for _ in 0..3 {
        let listener = health.listen("0").unwrap();
        until_up(&listener).await;
    }
    let (one, other) = (health.listen("0").unwrap(), health.listen("0").unwrap());
    until_up(&other).await;
    drop(other);
    until_up(&one).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_that_cannot_be_counted_are_counted_themselves() {
    let server = TestServer::start().unwrap();
    let store = RedisBackend::connect(&server.url()).await.unwrap();
    for queue in ["good", "bad", "worse"] {
        store.enqueue(Work { fails: false }).on(queue).await.unwrap();
    }
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let page = async |health: &Health| {
        let listener = health.listen("0").unwrap();
        until_up(&listener).await;
        Page::read(&ask(&listener, "/metrics").await.body)
    };
    let ready = |page: &Page, queue: &str| {
        page.values.get(&format!("jobq_queue_ready{{queue=\"{queue}\"}}")).copied()
    };

    let before = page(&Health::new(&store)).await;
    for queue in ["bad", "worse"] {
        let mut set = redis::cmd("SET");
        let set = set.arg(format!("{{jobq:{queue}}}:levels")).arg("x");
        let _: () = set.query_async(&mut connection).await.unwrap();
    }
    let after = page(&Health::new(&store)).await;
    // Those of its workers alone; one of them had never a job, and one cannot be counted.
    let own = Health::new(&store).own_queues_only();
    let worker = Worker::new(store.clone()).handle(work).queues(["good", "bad", "new"]);
    worker.health(&own).max_time(Duration::from_millis(1)).run().await.unwrap();
    let of_own = page(&own).await;

    assert_eq!(before.value("jobq_queues_uncounted"), 0.0);
    assert_eq!(after.value("jobq_queues_uncounted"), 2.0);
    assert_eq!(of_own.value("jobq_queues_uncounted"), 1.0);
    assert_eq!(["good", "bad"].map(|queue| ready(&before, queue)), [Some(1.0), Some(1.0)]);
    assert_eq!(["good", "bad"].map(|queue| ready(&after, queue)), [Some(1.0), None]);
    assert_eq!(ready(&of_own, "bad"), None);
    assert_eq!(ready(&of_own, "new"), Some(0.0));
}
