//! What a sync writes in the shop, what it leaves alone, and in how many statements.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use fixtures::Place;
use sqlx::{Connection, MySqlConnection};
use supplier_import::availability::{TextEntry, Texts};
use supplier_import::db::{Link, Store};
use supplier_import::linking::link_shop;
use supplier_import::shop::{Shop, ShopFault};
use supplier_import::sync::{Settings, SyncError, SyncRun, sync};

use support::PROGRAM;
use support::shop::ShopStage;

fn said(out_of_stock: i64, later: &str) -> (i64, String, String) {
    (out_of_stock, "In stock".to_owned(), later.to_owned())
}

#[tokio::test]
async fn a_product_can_be_ordered_if_a_supplier_has_twenty() {
    let stage = ShopStage::set(4).await;
    stage.supplier_says(1, 1, 20, 3).await;
    stage.supplier_says(1, 2, 19, 3).await;
    stage.supplier_says(1, 3, 0, 1).await;

    let report = stage.sync().await;

    let shop = stage.said().await;
    assert_eq!(shop[&1], said(1, "Delivery time: 3 d"));
    assert_eq!(shop[&2], said(0, ""));
    assert_eq!(shop[&3], said(0, ""));
    assert_eq!(shop[&4], (2, "of long ago".to_owned(), "of long ago".to_owned()));
    let totals = report.totals;
    assert_eq!((totals.products, totals.written, totals.without_availability), (3, 3, 1));
    assert_eq!(report.status, "completed");
}

#[tokio::test]
async fn of_two_suppliers_the_quicker_one_with_enough_counts() {
    let stage = ShopStage::set(1).await;
    let link = Link { product_id: 1, sku: Some("other-1".to_owned()), ean: None };
    stage.store.add_links(2, &[link]).await.unwrap();
    stage.supplier_says(1, 1, 500, 9).await;
    stage.supplier_says(2, 1, 25, 2).await;

    stage.sync().await;
    assert_eq!(stage.said().await[&1], said(1, "Delivery time: 2 d"));

    stage.supplier_says(2, 1, 0, 2).await;
    let report = stage.sync().await;
    assert_eq!(stage.said().await[&1], said(1, "Delivery time: 9 d"));
    assert_eq!(report.totals.written, 1);
    assert_eq!(stage.sync().await.totals.unchanged, 1);
}

#[tokio::test]
async fn only_what_changes_in_the_shop_is_written_again() {
    let stage = ShopStage::set(10).await;
    for product in 1..=10 {
        stage.supplier_says(1, product, 100, 3).await;
    }
    assert_eq!(stage.sync().await.totals.written, 10);

    // The shop says the same of 99 as of 100.
    stage.supplier_says(1, 1, 99, 3).await;
    stage.supplier_says(1, 2, 100, 4).await;
    stage.supplier_says(1, 3, 1, 3).await;
    let report = stage.sync().await;
    let again = stage.sync().await;
    let all = stage.sync_with(Settings { only_changed: false, ..Settings::default() }).await;

    assert_eq!((report.totals.written, report.totals.unchanged), (2, 8));
    assert_eq!((again.totals.written, again.totals.unchanged, again.batches), (0, 10, 0));
    assert_eq!((all.totals.written, all.totals.unchanged), (10, 0));
}

#[tokio::test]
async fn another_threshold_or_text_is_a_change() {
    let stage = ShopStage::set(3).await;
    for (product, stock) in [(1, 10), (2, 30), (3, 50)] {
        stage.supplier_says(1, product, stock, 3).await;
    }
    stage.sync().await;

    let settings = Settings { min_stock_threshold: 40, ..Settings::default() };
    assert_eq!(stage.sync_with(settings.clone()).await.totals.written, 1);

    let entry = |text: &str| text.parse::<TextEntry>().unwrap();
    let texts =
        Texts::with([entry("2=Na stanie")], [entry("2='Wysyłka' \\ \"{days}\" dni; -- 🚚")]);
    let report = stage.sync_with(Settings { texts, ..settings }).await;
    assert_eq!(report.totals.written, 3);
    let sql = "SELECT GROUP_CONCAT(available_now, '/', available_later ORDER BY id_lang)
               FROM ps_product_lang WHERE id_product = 100003";
    let mut connection = MySqlConnection::connect(&stage.shop_url).await.unwrap();
    let texts: String = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    assert_eq!(texts, "In stock/Delivery time: 3 d,Na stanie/'Wysyłka' \\ \"3\" dni; -- 🚚");
}

#[tokio::test]
async fn nothing_else_in_the_shop_or_the_links_is_touched() {
    let stage = ShopStage::set(3).await;
    stage
        .in_shop(
            "INSERT INTO ps_stock_available
                 (id_product, id_product_attribute, id_shop, id_shop_group, quantity, out_of_stock)
                 VALUES (100001, 7, 1, 0, 3, 2), (100001, 0, 2, 0, 3, 2);
             INSERT INTO ps_product_lang
                 (id_product, id_shop, id_lang, name, link_rewrite, available_now) VALUES
                 (100001, 2, 1, 'of another shop', 'x', 'of another shop')",
        )
        .await;
    let set =
        "UPDATE integration_product_links SET metadata = '{\"colour\":\"żółty\",\"n\":[1,2]}'";
    sqlx::raw_sql(set).execute(&mut stage.our().await).await.unwrap();
    let others = "SELECT CAST(CONCAT(
            (SELECT SUM(CRC32(CONCAT_WS('|', id_product, id_shop, id_lang, name, link_rewrite, description,
                 IF(id_shop = 2, CONCAT_WS('|', available_now, available_later), ''))))
             FROM ps_product_lang), ' ',
            (SELECT SUM(CRC32(CONCAT_WS('|', id_stock_available, id_product, quantity,
                 IF(id_shop = 2, out_of_stock, '')))) FROM ps_stock_available), ' ',
            (SELECT SUM(CRC32(CONCAT_WS('|', id_product, reference, date_upd))) FROM ps_product)
        ) AS CHAR)";
    let fingerprint = async || -> String {
        let mut shop = MySqlConnection::connect(&stage.shop_url).await.unwrap();
        sqlx::query_scalar(others).fetch_one(&mut shop).await.unwrap()
    };
    let before = fingerprint().await;
    stage.supplier_says(1, 1, 30, 3).await;

    stage.sync().await;

    assert_eq!(fingerprint().await, before);
    let sql = "SELECT CAST(CONCAT(id_product_attribute, id_shop, out_of_stock) AS CHAR)
               FROM ps_stock_available WHERE id_product = 100001 ORDER BY 1";
    let mut shop = MySqlConnection::connect(&stage.shop_url).await.unwrap();
    let rows: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut shop).await.unwrap();
    assert_eq!(rows, ["011", "022", "711"], "its combinations go with it, another shop does not");
    let sql = "SELECT metadata FROM integration_product_links WHERE product_id = 1";
    let metadata: String = sqlx::query_scalar(sql).fetch_one(&mut stage.our().await).await.unwrap();
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["colour"], "żółty");
    assert_eq!(metadata["n"], serde_json::json!([1, 2]));
    assert_eq!(metadata["last_availability"]["out_of_stock"], 1);
}

#[tokio::test]
async fn a_product_the_shop_has_no_more_is_reported_and_waits() {
    let stage = ShopStage::set(3).await;
    for product in 1..=3 {
        stage.supplier_says(1, product, 30, 3).await;
    }
    stage
        .in_shop(
            "CREATE TABLE kept AS SELECT * FROM ps_product_lang WHERE id_product = 100002;
             DELETE FROM ps_product_lang WHERE id_product = 100002",
        )
        .await;

    let report = stage.sync().await;

    assert_eq!((report.totals.written, report.totals.missing_in_shop), (2, 1));
    assert_eq!(report.notes[0].product, 2);
    assert!(report.notes[0].reason.contains("100002"), "{}", report.notes[0].reason);
    assert!(!stage.noted().await.contains_key(&2));
    stage.in_shop("INSERT INTO ps_product_lang SELECT * FROM kept").await;
    assert_eq!(stage.said().await[&2].0, 2, "its stock is not written without its texts");
    assert_eq!(stage.sync().await.totals.written, 1);
    assert_eq!(stage.said().await[&2], said(1, "Delivery time: 3 d"));
}

#[tokio::test]
async fn what_a_supplier_is_said_to_have_but_nobody_can_read_is_reported() {
    let stage = ShopStage::set(5).await;
    for (product, text) in [
        (1, r#"{"stock_quantity":"many","delivery_days":3}"#),
        (2, r#"{"delivery_days":3}"#),
        (3, r#"{"stock_quantity":-4,"delivery_days":3}"#),
        (4, "[]"),
        (5, r#"{"stock_quantity":20,"delivery_days":0,"other":null}"#),
    ] {
        stage.supplier_says_text(1, product, text).await;
    }

    let report = stage.sync().await;

    assert_eq!((report.totals.faulty, report.totals.written), (4, 1));
    let products: Vec<i64> = report.notes.iter().map(|note| note.product).collect();
    assert_eq!(products, [1, 2, 3, 4]);
    assert_eq!(stage.said().await[&5], said(1, "Delivery time: 0 d"));
}

#[tokio::test]
async fn a_shop_without_transactions_is_not_written_at_all() {
    let stage = ShopStage::set(3).await;
    stage.suppliers_say_all(1).await;
    stage.in_shop("ALTER TABLE ps_product_lang ENGINE = MyISAM").await;

    let refused = sync(&stage.store, &stage.shop, Settings::default()).await.unwrap_err();

    assert!(refused.to_string().contains("no transactions"), "{refused}");
    assert!(stage.said().await.values().all(|said| said.0 == 2));
    assert!(stage.noted().await.is_empty());
}

#[tokio::test]
async fn another_shop_has_not_been_told() {
    let stage = ShopStage::set(3).await;
    stage.suppliers_say_all(1).await;
    stage.sync().await;
    let copy = stage.server.another("copy").await;
    supplier_import::pretend_shop::build(&copy, 3).await.unwrap();
    let copy = Shop::new(&copy, "ps_", 1).unwrap();

    let report = sync(&stage.store, &copy, Settings::default()).await.unwrap();

    assert_eq!(report.totals.written, 3);
}

#[tokio::test]
async fn two_syncs_of_a_shop_do_not_run_at_once() {
    let stage = ShopStage::set(3).await;
    stage.suppliers_say_all(1).await;
    let first = SyncRun::begin(&stage.store, &stage.shop, Settings::default()).await.unwrap();

    let second = SyncRun::begin(&stage.store, &stage.shop, Settings::default()).await;

    let Err(SyncError::Shop(error)) = second else { panic!("it began") };
    assert_eq!(error.fault(), ShopFault::Busy);
    assert!(error.is_transient());
    drop(first);
    assert_eq!(stage.sync().await.totals.written, 3, "the lock ends with its holder");
}

#[tokio::test]
async fn a_lock_of_the_shop_itself_is_waited_for() {
    let stage = ShopStage::set(30).await;
    stage.suppliers_say_all(1).await;
    let mut order = MySqlConnection::connect(&stage.shop_url).await.unwrap();
    let sql = "START TRANSACTION;
               UPDATE ps_stock_available SET quantity = quantity - 1 WHERE id_product = 100007";
    sqlx::raw_sql(sql).execute(&mut order).await.unwrap();

    let syncing = tokio::spawn({
        let (store, shop) = (stage.store.clone(), stage.shop.clone());
        async move { sync(&store, &shop, Settings::default()).await.unwrap() }
    });
    fixtures::eventually("the sync to wait", async || {
        (stage.server.waiting().await > 0).then_some(())
    })
    .await;
    sqlx::raw_sql("COMMIT").execute(&mut order).await.unwrap();

    assert_eq!(syncing.await.unwrap().error, None);
    assert_eq!(stage.said().await, ShopStage::expected_all(1, 30));
}

/// Thirteen transactions of a thousand products, a handful of statements each; and for nothing changed, one
/// statement for each five thousand products and what a connection takes.
#[tokio::test]
async fn statements_are_few_and_counted_as_the_server_counts_them() {
    let stage = ShopStage::set(12_465).await;
    stage.suppliers_say_all(1).await;
    let questions = async || -> i64 {
        let sql = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status
                   WHERE variable_name = 'QUESTIONS'";
        sqlx::query_scalar(sql).fetch_one(&mut stage.our().await).await.unwrap()
    };

    let before = questions().await;
    let first = stage.sync().await;
    let between = questions().await;
    let second = stage.sync().await;

    assert_eq!((first.totals.written, first.batches), (12_465, 13));
    assert_eq!(stage.said().await, ShopStage::expected_all(1, 12_465));
    assert_eq!((second.totals.unchanged, second.totals.written), (12_465, 0));
    assert!(first.statements <= 110, "{first:?}");
    assert_eq!(second.statements, 7, "{second:?}");
    // The server also counts what the sync's connection and the counter's say hello and goodbye with.
    let counted = (between - before) as u64;
    assert!((first.statements..first.statements + 5).contains(&counted), "{counted} {first:?}");
}

#[tokio::test]
async fn our_tables_may_be_in_sqlite() {
    let stage = ShopStage::set(50).await;
    let place = Place::new();
    let store = Store::open(&place.sqlite()).await.unwrap();
    store.seed(1, 50).await.unwrap();
    link_shop(&store, &stage.shop).await.unwrap();
    let mut ours = sqlx::SqliteConnection::connect(&place.sqlite()).await.unwrap();
    let sql = r#"UPDATE integration_product_links SET metadata = '{"kept":1}', supplier_availability =
                 '{"stock_quantity":' || (product_id % 40) || ',"delivery_days":3}'"#;
    sqlx::raw_sql(sql).execute(&mut ours).await.unwrap();

    let first = sync(&store, &stage.shop, Settings::default()).await.unwrap();
    let second = sync(&store, &stage.shop, Settings::default()).await.unwrap();

    assert_eq!((first.error, first.totals.written), (None, 50));
    assert_eq!(second.totals.unchanged, 50);
    let allowed = stage.said().await.values().filter(|said| said.0 == 1).count();
    assert_eq!(allowed, 20);
    let sql = "SELECT COUNT(*) FROM integration_product_links WHERE metadata ->> 'kept' = 1";
    let kept: i64 = sqlx::query_scalar(sql).fetch_one(&mut ours).await.unwrap();
    assert_eq!(kept, 50);
}

#[tokio::test]
async fn the_command_reports_in_one_line_of_json() {
    let stage = ShopStage::set(100).await;
    stage.suppliers_say_all(1).await;

    let args = ["sync", "--shop", &stage.shop_url, "--db", &stage.ours, "--json"];
    let (first, second) = (PROGRAM.run(&args), PROGRAM.run(&args));
    let text = PROGRAM.run(&args[..5]);

    assert_eq!(
        (first.code, second.code, text.code),
        (Some(0), Some(0), Some(0)),
        "{}",
        first.stderr
    );
    let report = first.json();
    assert_eq!(report["status"], "completed");
    assert_eq!(report["written"], 100);
    assert_eq!(second.json()["unchanged"], 100);
    assert!(report["statements"].as_u64().unwrap() > 0);
    assert!(!first.stdout.contains("secret"));
    assert!(text.stdout.contains("unchanged"), "{}", text.stdout);
}
