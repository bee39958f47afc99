//! A sync that is cut off in the middle: no product is half-written, no note says more than the shop has, and the
//! next sync writes the rest.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![cfg(unix)]

mod support;

use fixtures::{Place, eventually};
use jobq_core::{Inspect, JobState, QueueName};
use jobq_redis::RedisBackend;
use sqlx::{Connection, MySqlConnection};
use supplier_import::db::Store;
use supplier_import::linking::link_shop;
use supplier_import::sync::{Settings, sync};

use support::PROGRAM;
use support::servers::Redis;
use support::shop::ShopStage;

const PRODUCTS: u64 = 600;
/// Small batches, so that there are many moments to be cut off at.
const BATCH: &str = "20";

/// A row that somebody else has locked: a sync comes so far and no further.
struct Barrier(MySqlConnection);

impl Barrier {
    async fn in_shop(stage: &ShopStage, product: u64) -> Self {
        let shop_product = product + 100_000;
        Self::of(
            &stage.shop_url,
            &format!("SELECT * FROM ps_stock_available WHERE id_product = {shop_product}"),
        )
        .await
    }

    async fn in_ours(stage: &ShopStage, product: u64) -> Self {
        Self::of(
            &stage.ours,
            &format!("SELECT * FROM integration_product_links WHERE product_id = {product}"),
        )
        .await
    }

    async fn of(url: &str, select: &str) -> Self {
        let mut connection = MySqlConnection::connect(url).await.unwrap();
        let sql = format!("START TRANSACTION; {select} FOR UPDATE");
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        Self(connection)
    }

    async fn reached(&self, stage: &ShopStage) {
        eventually("the sync to come so far", async || {
            (stage.server.waiting().await > 0).then_some(())
        })
        .await;
    }

    async fn lift(self) {
        self.0.close().await.unwrap();
    }
}

/// How far it has come: products that say what they should, and those of which that is noted.
async fn assert_nothing_is_half_done(stage: &ShopStage, round: u64) -> (usize, usize) {
    let (said, noted) = (stage.said().await, stage.noted().await);
    let expected = ShopStage::expected_all(round, PRODUCTS);
    for (product, (out_of_stock, later)) in &noted {
        let (shop, _, shop_later) = &said[product];
        assert_eq!(
            (out_of_stock, later),
            (shop, shop_later),
            "product {product} is noted, not written"
        );
    }
    let written = said.iter().filter(|(product, said)| expected[product] == **said).count();
    for (product, said) in &said {
        let old = said.0 == 2 && said.2 == "of long ago";
        assert!(old || expected[product] == *said, "product {product} is half-written: {said:?}");
    }
    (written, noted.len())
}

async fn assert_the_next_one_finishes(stage: &ShopStage, round: u64, noted: usize) {
    let report = stage.sync().await;
    assert_eq!(report.totals.unchanged, noted as u64, "what is noted is not written again");
    assert_eq!(report.totals.written, PRODUCTS - noted as u64);
    assert_eq!(stage.said().await, ShopStage::expected_all(round, PRODUCTS));
    assert_eq!(stage.sync().await.totals.unchanged, PRODUCTS);
}

fn args(stage: &ShopStage) -> [&str; 8] {
    ["sync", "--shop", &stage.shop_url, "--db", &stage.ours, "--batch", BATCH, "--json"]
}

/// Killed while it waits in the middle of a transaction in the shop, three times at places further on.
#[tokio::test]
async fn a_sync_killed_in_a_transaction_of_the_shop_leaves_nothing_of_it() {
    let stage = ShopStage::set(PRODUCTS).await;
    stage.suppliers_say_all(1).await;
    let mut last = 0;

    // One that is denied, one that comes in 3 days, one in 9: products are written in this order.
    for product in [250, 100, 7] {
        let barrier = Barrier::in_shop(&stage, product).await;
        let killed = PROGRAM.start(&args(&stage));
        barrier.reached(&stage).await;
        killed.kill();
        barrier.lift().await;
        eventually("the server to notice", async || {
            (stage.server.waiting().await == 0).then_some(())
        })
        .await;

        let (written, noted) = assert_nothing_is_half_done(&stage, 1).await;
        assert_eq!(written, noted);
        assert!(written < PRODUCTS as usize, "it had ended before it was killed");
        last = noted;
    }

    assert_the_next_one_finishes(&stage, 1, last).await;
}

/// Killed after the shop has committed and before that is noted: the batch is written once more.
#[tokio::test]
async fn a_sync_killed_before_its_note_writes_that_batch_again() {
    let stage = ShopStage::set(PRODUCTS).await;
    stage.suppliers_say_all(1).await;
    let barrier = Barrier::in_ours(&stage, 300).await;
    let killed = PROGRAM.start(&args(&stage));
    barrier.reached(&stage).await;
    killed.kill();
    barrier.lift().await;
    eventually("the server to notice", async || (stage.server.waiting().await == 0).then_some(()))
        .await;

    let (written, noted) = assert_nothing_is_half_done(&stage, 1).await;

    // The note itself may have been made by the time its sender's end was noticed.
    assert!(written == noted + 20 || written == noted, "{written} written, {noted} noted");
    assert!(written < PRODUCTS as usize, "it had ended before it was killed");
    assert_the_next_one_finishes(&stage, 1, noted).await;
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_is_told_with_what_is_left() {
    let stage = ShopStage::set(PRODUCTS).await;
    stage.suppliers_say_all(1).await;
    let barrier = Barrier::in_shop(&stage, 250).await;
    let syncing =
        PROGRAM.command(&args(&stage)).stdout(std::process::Stdio::piped()).spawn().unwrap();
    barrier.reached(&stage).await;
    let sql = "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx
               WHERE trx_state = 'LOCK WAIT'";
    let mut root = stage.server.root().await;
    let thread: u64 = sqlx::query_scalar(sql).fetch_one(&mut root).await.unwrap();
    let kill = format!("KILL CONNECTION {thread}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(kill)).execute(&mut root).await.unwrap();

    let ended = tokio::task::spawn_blocking(|| syncing.wait_with_output().unwrap()).await.unwrap();
    barrier.lift().await;

    assert_eq!(ended.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    let (written, noted) = assert_nothing_is_half_done(&stage, 1).await;
    assert_eq!(report["status"], "failed");
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("the shop's database 127.0.0.1:"), "{error}");
    assert!(error.contains("ended the connection") || error.contains("broke"), "{error}");
    assert_eq!(report["written"], noted);
    assert_eq!(report["left"], PRODUCTS - noted as u64);
    assert_eq!(written, noted);
    assert_the_next_one_finishes(&stage, 1, noted).await;
}

/// Our tables are elsewhere, so that they live on.
#[tokio::test]
async fn a_shop_whose_server_dies_in_the_middle_is_synced_when_it_is_back() {
    let mut stage = ShopStage::set(PRODUCTS).await;
    let place = Place::new();
    let store = Store::open(&place.sqlite()).await.unwrap();
    store.seed(1, PRODUCTS).await.unwrap();
    link_shop(&store, &stage.shop).await.unwrap();
    let mut ours = sqlx::SqliteConnection::connect(&place.sqlite()).await.unwrap();
    let sql = r#"UPDATE integration_product_links SET supplier_availability = '{"stock_quantity":' ||
                 ((product_id * 7 + 11) % 40) || ',"delivery_days":' || (1 + (product_id + 1) % 9) || '}'"#;
    sqlx::raw_sql(sql).execute(&mut ours).await.unwrap();
    let barrier = Barrier::in_shop(&stage, 250).await;
    let settings = Settings { batch: 20, ..Settings::default() };
    let syncing = tokio::spawn({
        let (store, shop, settings) = (store.clone(), stage.shop.clone(), settings.clone());
        async move { sync(&store, &shop, settings).await.unwrap() }
    });
    barrier.reached(&stage).await;

    stage.server.server.kill();
    let cut = syncing.await.unwrap();
    let down = sync(&store, &stage.shop, settings.clone()).await;
    stage.server.server.run().await.unwrap();
    let rest = sync(&store, &stage.shop, settings).await.unwrap();

    let error = cut.error.unwrap();
    assert!(error.contains("broke") || error.contains("failed"), "{error}");
    assert!(cut.totals.written > 0 && cut.left > 0, "{} {}", cut.totals.written, cut.left);
    assert!(down.unwrap_err().to_string().contains("refuses connections"));
    assert_eq!(rest.error, None);
    assert_eq!(rest.totals.unchanged, cut.totals.written);
    assert_eq!(rest.totals.written, cut.left);
    assert_eq!(stage.said().await, ShopStage::expected_all(1, PRODUCTS));
}

#[tokio::test]
async fn a_worker_killed_in_the_middle_of_a_sync_is_replaced_by_another() {
    let (stage, redis) = (ShopStage::set(PRODUCTS).await, Redis::start());
    stage.suppliers_say_all(1).await;
    let queue = redis.url();
    let enqueue = ["sync", "--batch", BATCH, "--queue", &queue, "--json"];
    let (first, second) = (PROGRAM.run(&enqueue), PROGRAM.run(&enqueue));
    assert_eq!(first.json()["status"], "enqueued");
    assert_eq!(second.json()["status"], "waiting or running already");
    assert_eq!(first.json()["job"], second.json()["job"]);
    let work = ["work", "--shop", &stage.shop_url, "--db", &stage.ours, "--backend", &queue];

    let barrier = Barrier::in_shop(&stage, 250).await;
    let killed = PROGRAM.start(&work);
    barrier.reached(&stage).await;
    assert_eq!(PROGRAM.run(&enqueue).json()["status"], "waiting or running already");
    killed.kill();
    barrier.lift().await;
    let (written, _) = assert_nothing_is_half_done(&stage, 1).await;
    assert!(written < PRODUCTS as usize, "it had ended before it was killed");
    let _other = PROGRAM.start(&work);

    eventually("the sync to end", async || {
        (stage.noted().await.len() as u64 == PRODUCTS).then_some(())
    })
    .await;
    assert_eq!(stage.said().await, ShopStage::expected_all(1, PRODUCTS));
    let backend = RedisBackend::connect(&queue).await.unwrap();
    let integrations = QueueName::new("integrations").unwrap();
    let done = eventually("the job to end", async || {
        let done = backend.jobs(&integrations, JobState::Completed, 0, 10).await.unwrap();
        (!done.is_empty()).then_some(done)
    })
    .await;
    assert_eq!(done.len(), 1);
    assert_eq!(PROGRAM.run(&enqueue).json()["status"], "enqueued", "the next one may come");
}
