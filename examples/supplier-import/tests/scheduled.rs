//! The jobs that a schedule enqueues: two of them never run at once, and one that is overtaken does no harm.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use fixtures::{Place, eventually};
use jobq_core::{Enqueued, Inspect, JobState, MemoryBackend, Queue, QueueName};
use supplier_import::db::{NewImport, Started, Store};
use supplier_import::jobs::{ImportSupplier, LinkShop, PruneFailed, SyncAvailability};
use supplier_import::rows::Layout;
use supplier_import::sync::Settings;

use support::PROGRAM;
use support::servers::{MariaDb, Redis};
use support::shop::ShopStage;

const AN_HOUR: Duration = Duration::from_secs(3_600);

fn import(contractor_id: i64, file: &str) -> ImportSupplier {
    ImportSupplier {
        contractor_id,
        source: file.parse().unwrap(),
        layout: Layout::default(),
        chunk_rows: 100,
        max_bytes: 1 << 30,
        http_timeout_s: 5,
    }
}

#[tokio::test]
async fn a_second_one_adds_nothing_while_the_first_is_there() {
    let queue = MemoryBackend::new();
    let is_new = |enqueued: Enqueued| enqueued.is_created();

    assert!(is_new(queue.enqueue(import(1, "/a.csv")).await.unwrap()));
    assert!(!is_new(queue.enqueue(import(1, "/b.csv")).await.unwrap()));
    assert!(is_new(queue.enqueue(import(2, "/a.csv")).await.unwrap()));
    assert!(is_new(queue.enqueue(SyncAvailability::default()).await.unwrap()));
    let settings = Settings { only_changed: false, ..Settings::default() };
    assert!(!is_new(queue.enqueue(SyncAvailability { settings }).await.unwrap()));
    assert!(is_new(queue.enqueue(PruneFailed::default()).await.unwrap()));
    assert!(!is_new(queue.enqueue(PruneFailed { hours: 1 }).await.unwrap()));
    assert!(is_new(queue.enqueue(LinkShop {}).await.unwrap()));
    assert!(!is_new(queue.enqueue(LinkShop {}).await.unwrap()));
}

async fn imports_do_not_overlap(url: &str) {
    let store = Store::open(url).await.unwrap();
    let of = |id, contractor_id| NewImport { id, contractor_id, source: "a test" };
    let start = async |import| store.start_import(import, AN_HOUR).await.unwrap();

    assert_eq!(start(of("first", 1)).await, Started::Ours);
    assert_eq!(start(of("first", 1)).await, Started::Ours, "a second attempt of the same");
    assert_eq!(start(of("second", 1)).await, Started::Overlaps("first".to_owned()));
    assert_eq!(start(of("other", 2)).await, Started::Ours);
    let stuck = store.start_import(of("third", 1), Duration::ZERO).await.unwrap();
    assert_eq!(stuck, Started::Ours, "one that is stuck does not keep others away for ever");
}

#[tokio::test]
async fn an_import_waits_for_the_one_before_in_sqlite() {
    imports_do_not_overlap(&Place::new().sqlite()).await;
}

#[tokio::test]
async fn an_import_waits_for_the_one_before_in_mariadb() {
    let server = MariaDb::start().await;
    imports_do_not_overlap(&server.url()).await;
}

/// All of it as a schedule would have it: linked, imported and synced by one worker, and pruned.
#[tokio::test]
async fn a_worker_runs_what_a_schedule_enqueues() {
    let (stage, redis, place) = (ShopStage::set(200).await, Redis::start(), Place::new());
    let list = place.path("list.csv");
    let list = list.to_str().unwrap();
    assert_eq!(PROGRAM.run(&["generate", "--rows", "200", list]).code, Some(0));
    let queue = redis.url();
    let backend = jobq_redis::RedisBackend::connect(&queue).await.unwrap();
    let _worker = PROGRAM.start(&[
        "work",
        "--shop",
        &stage.shop_url,
        "--db",
        &stage.ours,
        "--backend",
        &queue,
    ]);

    assert_eq!(PROGRAM.run(&["link", "--queue", &queue]).code, Some(0));
    let started = backend.enqueue(import(1, list)).await.unwrap().id().to_string();
    let summary =
        eventually("the summary", async || stage.store.summary(&started).await.unwrap()).await;
    assert_eq!((summary.updated, summary.error), (198, None));
    backend.enqueue(SyncAvailability::default()).await.unwrap();
    eventually("the sync", async || (stage.noted().await.len() == 198).then_some(())).await;
    backend.enqueue(PruneFailed::default()).await.unwrap();

    let default = QueueName::new("default").unwrap();
    eventually("the pruning", async || {
        let left = backend.queue(&default).await.unwrap();
        (left.ready + left.leased == 0).then_some(())
    })
    .await;
    let dead = backend.jobs(&default, JobState::Dead, 0, 10).await.unwrap();
    assert!(dead.is_empty(), "{dead:?}");
    let allowed = stage.said().await.values().filter(|said| said.0 == 1).count();
    assert!(allowed > 100, "{allowed}");
}

/// A worker that was given no shop says so, in place of trying again and again.
#[tokio::test]
async fn a_sync_without_a_shop_is_dead_at_once_and_can_be_pruned() {
    let (redis, place) = (Redis::start(), Place::new());
    let queue = redis.url();
    assert_eq!(PROGRAM.run(&["sync", "--queue", &queue]).code, Some(0));

    let worked =
        PROGRAM.run(&["work", "--db", &place.sqlite(), "--backend", &queue, "--stop-when-empty"]);

    assert_eq!(worked.code, Some(0), "{}", worked.stderr);
    assert!(worked.stderr.contains("start it with --shop"), "{}", worked.stderr);
    let kept = PROGRAM.run(&["prune", "--backend", &queue, "--json"]);
    let deleted = PROGRAM.run(&["prune", "--backend", &queue, "--hours", "0", "--json"]);
    assert_eq!(
        (kept.json()["deleted"].as_u64(), deleted.json()["deleted"].as_u64()),
        (Some(0), Some(1))
    );
}
