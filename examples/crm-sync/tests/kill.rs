//! Worker processes killed with SIGKILL, on real servers: the CRM has every record once, and no window
//! has a request too many.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::collections::BTreeMap;

use crm_sync::db::Store;
use crm_sync::entity::Entity;
use crm_sync::stub::{Brand, Chances, Crm, Server};
use crm_sync::window::Windows;
use fixtures::{Background, MariaDb, eventually};
use jobq_redis::TestServer;
use sqlx::Executor;

use support::{PROGRAM, key, stub};

/// Real servers, a CRM, and some stores.
struct Stage {
    database: MariaDb,
    redis: TestServer,
    crm: Crm,
    store: Store,
    _server: Server,
}

impl Stage {
    async fn set(stores: &str, customers: &str) -> Self {
        let (database, redis) = (MariaDb::start().await, TestServer::start().unwrap());
        let (crm, server) = stub(Chances::default());
        let (db, at) = (database.url(), server.url());
        let seed = ["seed", "--stores", stores, "--customers", customers, "--crm", &at];
        let no_more = ["--products", "0", "--sales", "0", "--activities", "0", "--database", &db];
        PROGRAM.done(&[&seed[..], &no_more].concat());
        let store = Store::open(&db).await.unwrap();
        Self { database, redis, crm, store, _server: server }
    }

    /// A worker whose jobs run elsewhere a second after it has died.
    fn worker(&self, rate: &str) -> Background {
        let (db, queue) = (self.database.url(), self.redis.url());
        let args = ["work", "--lease", "1", "--rate", rate, "--database", &db, "--queue", &queue];
        PROGRAM.start(&args)
    }

    fn run(&self, args: &[&str]) {
        let (db, queue) = (self.database.url(), self.redis.url());
        PROGRAM.done(&[args, &["--database", &db, "--queue", &queue]].concat());
    }
}

#[tokio::test]
async fn a_worker_killed_between_the_crms_answer_and_the_local_save_creates_nothing_twice() {
    // Windows so long that no job comes too late in one.
    const RARE: &str = "1000/day";
    let stage = Stage::set("1", "1").await;
    let record = key(1, Entity::Customer, 1);
    let external_id = async || stage.store.record(record).await.unwrap().unwrap().external_id;
    // Somebody holds the row: it can be read, and the save has to wait.
    let mut holder = stage.database.root().await;
    let hold = "START TRANSACTION; SELECT * FROM crm.crm_records FOR UPDATE";
    holder.execute(sqlx::raw_sql(hold)).await.unwrap();

    let first = stage.worker(RARE);
    stage.run(&["hook", "created", "customer", "1"]);
    eventually("the answer, and the save that waits", async || {
        let is_answered = stage.crm.requests().iter().any(|request| request.status == Some(201));
        (is_answered && stage.database.waiting().await > 0).then_some(())
    })
    .await;
    first.kill();
    holder.execute(sqlx::raw_sql("ROLLBACK")).await.unwrap();
    assert_eq!(external_id().await, None, "the CRM has it, and nobody here knows");
    let _second = stage.worker(RARE);
    let id = eventually("the save", external_id).await;

    let remote = stage.crm.records(Brand::Tide, 1, "customer/1");
    assert_eq!(remote.len(), 1);
    assert_eq!(remote[0].0, id);
    let summary = stage.crm.summary();
    assert_eq!((summary.duplicates, summary.repeated_creations, summary.requests), (0, 1, 2));
    let log = stage.store.log_of(record, 10).await.unwrap();
    let ends: Vec<_> = log.iter().map(|entry| entry.status.as_str()).collect();
    assert_eq!(ends, ["lost", "synced"]);
}

#[tokio::test]
async fn workers_killed_at_any_moment_exceed_no_budget_and_lose_nothing() {
    const CUSTOMERS: u64 = 50;
    const RATE: &str = "20/3s";
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    let stage = Stage::set("2", &CUSTOMERS.to_string()).await;
    let mut workers: Vec<Background> = (0..3).map(|_| stage.worker(RATE)).collect();
    stage.run(&["full-sync", "customer"]);

    for kill in 1..=5 {
        // Somewhere in the middle of things.
        let some = kill * 12 + chance.usize(0..12);
        eventually("some requests", async || (stage.crm.requests().len() >= some).then_some(()))
            .await;
        workers.swap_remove(chance.usize(..workers.len())).kill();
        workers.push(stage.worker(RATE));
    }
    eventually("all records", async || {
        let mut missing = 0;
        for store in 1..=2 {
            for record in 1..=CUSTOMERS {
                let record = stage.store.record(key(store, Entity::Customer, record)).await;
                missing += u64::from(record.unwrap().unwrap().external_id.is_none());
            }
        }
        (missing == 0).then_some(())
    })
    .await;

    let summary = stage.crm.summary();
    assert_eq!((summary.records, summary.duplicates), (2 * CUSTOMERS, 0));
    let windows = Windows::of(RATE.parse().unwrap()).unwrap();
    let mut counts = BTreeMap::<_, u32>::new();
    for request in stage.crm.requests() {
        *counts.entry((request.store, windows.number(request.at))).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count <= 20), "{counts:?}");
}

/// The whole demonstration on servers, with a connection for each worker.
#[tokio::test]
async fn the_demo_runs_on_servers_and_leaves_their_queue_empty() {
    let (database, redis) = (MariaDb::start().await, TestServer::start().unwrap());
    let (db, queue) = (database.url(), redis.url());
    let args = ["demo", "--stores", "2", "--rate", "20/2s", "--seconds", "9", "--json"];
    let args = [&args[..], &["--database", &db, "--queue", &queue]].concat();

    let shown = PROGRAM.done(&args).json();

    assert_eq!(shown["duplicates"], 0, "{shown}");
    for store in shown["stores"].as_array().unwrap() {
        assert_eq!(store["max_in_window"], 20, "{shown}");
        let full = store["full_windows"].as_array().unwrap();
        assert!(full.iter().filter(|count| **count == 20).count() >= 2, "{shown}");
    }
    let numbers = PROGRAM.done(&["status", "--json", "--database", &db, "--queue", &queue]).json();
    assert_eq!((&numbers["pending"], &numbers["dead"]), (&0.into(), &0.into()));
    assert!(numbers["processed_today"].as_u64().unwrap() >= 80, "{numbers}");
}
