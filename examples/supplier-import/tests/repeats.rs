//! Every step of an import may be run again, in any order, on either database.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::collections::BTreeMap;
use std::path::Path;

use fixtures::{Place, eventually};
use jobq_core::{Next, Outcome};
use sqlx::{Connection, Row};
use supplier_import::db::Summary;
use supplier_import::generate::Recipe;
use supplier_import::jobs::{ImportChunk, WriteSummary};
use supplier_import::rows::Format;

use support::servers::MariaDb;
use support::steps::{Steps, import_of};

const DONE: Outcome = Outcome::Done { result: None };
const PRODUCTS: u64 = 300;

/// Row 100 and 200 are of unknown products, and so would be row 300.
fn generate(path: &Path, rows: u64, bad: u64, seed: u64) {
    let recipe = Recipe { rows, bad, seed, format: Format::Csv };
    recipe.write(&mut std::fs::File::create(path).unwrap()).unwrap();
}

/// What matters of all links: id, availability, and the row it is from.
async fn links(url: &str) -> Vec<(i64, Option<String>, i64)> {
    let sql =
        "SELECT id, supplier_availability, import_line FROM integration_product_links ORDER BY id";
    if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    } else {
        let mut connection = sqlx::MySqlConnection::connect(url).await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }
}

fn counts(summary: &Summary) -> [u64; 4] {
    [summary.rows_read, summary.updated, summary.unmatched, summary.rejected]
}

/// Runs an import with every job done twice, chunks backwards, and an overtaken parent in between; then
/// all of it once more.
async fn everything_twice(url: &str) {
    let place = Place::new();
    let file = place.path("list.csv");
    generate(&file, 255, 5, 1);
    let steps = Steps::over(url, PRODUCTS).await;
    let import = import_of("twice", &file);

    let stalled = steps.lease_parent(&import).await;
    steps.settle(&stalled, Next::Release).await;
    assert_eq!(steps.parent(&import).await, DONE);
    let chunks: Vec<ImportChunk> = steps.take().await;
    assert_eq!(chunks.len(), 26);
    let overtaken = steps.parent_under(&stalled, &import).await;
    assert!(matches!(overtaken, Outcome::Discard(_)), "{overtaken:?}");
    assert!(steps.take::<ImportChunk>().await.is_empty());
    for chunk in chunks.iter().rev().take(20) {
        assert_eq!(steps.chunk(chunk).await, DONE);
        assert_eq!(steps.chunk(chunk).await, DONE);
    }
    assert_eq!(steps.parent(&import).await, DONE);
    let again: Vec<ImportChunk> = steps.take().await;
    assert_eq!(again.len(), 6, "only those that are not done are enqueued again");
    assert!(steps.take::<WriteSummary>().await.is_empty());
    for chunk in &chunks {
        assert_eq!(steps.chunk(chunk).await, DONE);
    }
    let summaries: Vec<WriteSummary> = steps.take().await;
    assert_eq!(summaries.len(), 1);
    let before = links(url).await;
    assert_eq!(steps.summarise(&summaries[0]).await, DONE);
    let summary = steps.summary(&import).await.unwrap();
    assert_eq!(counts(&summary), [255, 248, 2, 5]);
    assert_eq!(summary.error, None);
    let lines: Vec<u64> = summary.rejections.iter().map(|rejection| rejection.line).collect();
    assert_eq!(lines, [52, 103, 154, 205, 256]);

    assert_eq!(steps.summarise(&summaries[0]).await, DONE);
    assert_eq!(steps.parent(&import).await, DONE);
    for chunk in &chunks {
        assert_eq!(steps.chunk(chunk).await, DONE);
    }
    assert!(steps.take::<WriteSummary>().await.is_empty());
    assert_eq!(steps.summary(&import).await.unwrap(), summary);
    assert_eq!(links(url).await, before);
    assert_eq!(before.iter().filter(|(_, stored, _)| stored.is_some()).count(), 248);
}

/// The last row of a file wins over earlier ones of the same product, and the last import over earlier
/// ones, whatever the order in which their chunks run.
async fn later_rows_win(url: &str) {
    let place = Place::new();
    let steps = Steps::over(url, PRODUCTS).await;
    let product = supplier_import::catalogue::Product::nth(1);
    let list = |stock: u32| {
        let mut text = "sku,ean,stock_quantity,delivery_days,purchase_price\n".to_owned();
        for row in 0..25 {
            let stock = stock + row;
            text.push_str(&format!("{},,{stock},1,1.00\n", product.sku));
        }
        text
    };
    let old = import_of("old", &place.file("old.csv", list(100)));
    let new = import_of("new", &place.file("new.csv", list(200)));

    assert_eq!(steps.parent(&old).await, DONE);
    let old_chunks: Vec<ImportChunk> = steps.take().await;
    assert_eq!(steps.parent(&new).await, DONE);
    let new_chunks: Vec<ImportChunk> = steps.take().await;
    for chunk in new_chunks.iter().rev().chain(old_chunks.iter().rev()) {
        assert_eq!(steps.chunk(chunk).await, DONE);
    }

    let (_, stored, line) = links(url).await.remove(0);
    assert_eq!(
        stored.unwrap(),
        r#"{"contractor_id":7,"stock_quantity":224,"delivery_days":1,"purchase_price":1.00}"#
    );
    assert_eq!(line, 26);
}

/// An import that is given up changes nothing from then on, and counts what it has done.
async fn a_changed_file_ends_the_import(url: &str) {
    let place = Place::new();
    let file = place.path("list.csv");
    generate(&file, 40, 0, 1);
    let steps = Steps::over(url, PRODUCTS).await;
    let import = import_of("changed", &file);
    assert_eq!(steps.parent(&import).await, DONE);
    let chunks: Vec<ImportChunk> = steps.take().await;
    assert_eq!(steps.chunk(&chunks[0]).await, DONE);
    let before = links(url).await;

    generate(&file, 40, 0, 2);
    let Outcome::Discard(why) = steps.parent(&import).await else {
        panic!("not given up");
    };
    for chunk in &chunks {
        assert_eq!(steps.chunk(chunk).await, DONE);
    }

    assert!(why.contains("has changed"), "{why}");
    assert_eq!(links(url).await, before);
    assert!(steps.take::<WriteSummary>().await.is_empty());
    let summary = steps.summary(&import).await.unwrap();
    assert_eq!(summary.error.as_deref(), Some(why.as_str()));
    assert_eq!(counts(&summary), [10, 10, 0, 0]);
}

/// More rejections than are kept: those of the first lines are, and all are counted.
async fn rejections_are_bounded(url: &str) {
    let place = Place::new();
    let file = place.path("bad.csv");
    generate(&file, 2_500, 2_500, 1);
    let steps = Steps::over(url, PRODUCTS).await;
    let mut import = import_of("bad", &file);
    import.chunk_rows = 300;

    assert_eq!(steps.parent(&import).await, DONE);
    let chunks: Vec<ImportChunk> = steps.take().await;
    for chunk in chunks.iter().rev() {
        assert_eq!(steps.chunk(chunk).await, DONE);
    }
    for job in steps.take::<WriteSummary>().await {
        assert_eq!(steps.summarise(&job).await, DONE);
    }

    let summary = steps.summary(&import).await.unwrap();
    assert_eq!(counts(&summary), [2_500, 0, 0, 2_500]);
    let lines: Vec<u64> = summary.rejections.iter().map(|rejection| rejection.line).collect();
    assert_eq!(lines, (2..=1_001).collect::<Vec<_>>());
}

/// A chunk that can never be done ends the import in place of leaving it without a summary; until its
/// last attempt it changes nothing at all.
async fn a_chunk_that_never_works_ends_the_import(url: &str) {
    let place = Place::new();
    let file = place.path("list.csv");
    generate(&file, 20, 2, 1);
    let steps = Steps::over(url, PRODUCTS).await;
    let import = import_of("never", &file);
    assert_eq!(steps.parent(&import).await, DONE);
    let chunks: Vec<ImportChunk> = steps.take().await;
    assert_eq!(steps.chunk(&chunks[0]).await, DONE);
    let before = links(url).await;
    run(url, "ALTER TABLE integration_product_links RENAME COLUMN updated_at TO elsewhere").await;

    let early = steps.chunk(&chunks[1]).await;
    let running = steps.summary(&import).await;
    let last = steps.chunk_after(9, &chunks[1]).await;

    assert!(matches!(early, Outcome::Retry { .. }), "{early:?}");
    assert_eq!(running, None);
    assert!(matches!(last, Outcome::Dead(_)), "{last:?}");
    let summary = steps.summary(&import).await.unwrap();
    assert_eq!(summary.error.as_deref(), Some("chunk 1 has failed 10 times"));
    assert_eq!(counts(&summary), [10, 9, 0, 1]);
    assert_eq!(summary.rejections.len(), 1);
    assert_eq!(links(url).await, before);
}

/// A row without a sku finds its link by its ean, unless that is the ean of two.
async fn an_ean_of_two_links_is_ambiguous(url: &str) {
    let place = Place::new();
    let steps = Steps::over(url, PRODUCTS).await;
    let (first, second) = (
        supplier_import::catalogue::Product::nth(10),
        supplier_import::catalogue::Product::nth(11),
    );
    let sql = format!(
        "UPDATE integration_product_links SET external_ean = '{}' WHERE product_id = 11",
        first.ean
    );
    run(url, &sql).await;
    let header = "sku,ean,stock_quantity,delivery_days,purchase_price\n";
    let rows = format!(
        "{header},{},1,1,1.00\n{},{},2,1,1.00\n,{},3,1,1.00\n",
        first.ean, first.sku, first.ean, second.ean
    );
    let import = import_of("eans", &place.file("eans.csv", rows));

    assert_eq!(steps.parent(&import).await, DONE);
    for chunk in steps.take::<ImportChunk>().await {
        assert_eq!(steps.chunk(&chunk).await, DONE);
    }
    for job in steps.take::<WriteSummary>().await {
        assert_eq!(steps.summarise(&job).await, DONE);
    }

    let summary = steps.summary(&import).await.unwrap();
    assert_eq!(counts(&summary), [3, 1, 1, 1]);
    assert_eq!(
        summary.rejections[0].reason,
        format!("ean \"{}\" belongs to 2 links and no sku tells which", first.ean)
    );
}

async fn run(url: &str, sql: &str) {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite") {
        let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    } else {
        let mut connection = sqlx::MySqlConnection::connect(url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
}

#[tokio::test]
async fn everything_may_run_twice_on_sqlite() {
    let place = Place::new();

    everything_twice(&place.sqlite()).await;
}

#[tokio::test]
async fn later_rows_win_on_sqlite() {
    let place = Place::new();

    later_rows_win(&place.sqlite()).await;
}

#[tokio::test]
async fn a_changed_file_ends_the_import_on_sqlite() {
    let place = Place::new();

    a_changed_file_ends_the_import(&place.sqlite()).await;
}

#[tokio::test]
async fn rejections_are_bounded_on_sqlite() {
    let place = Place::new();

    rejections_are_bounded(&place.sqlite()).await;
}

#[tokio::test]
async fn a_chunk_that_never_works_ends_the_import_on_sqlite() {
    let place = Place::new();

    a_chunk_that_never_works_ends_the_import(&place.sqlite()).await;
}

#[tokio::test]
async fn an_ean_of_two_links_is_ambiguous_on_sqlite() {
    let place = Place::new();

    an_ean_of_two_links_is_ambiguous(&place.sqlite()).await;
}

/// Where reads take no locks, a chunk is still either in the summary of an import that was given up or
/// not in the tables at all.
async fn a_failing_import_waits_for_its_chunks(server: &MariaDb, name: &'static str) {
    let place = Place::new();
    let file = place.path("list.csv");
    generate(&file, 10, 0, 1);
    let url = server.another(name).await;
    let steps = Steps::over(&url, PRODUCTS).await;
    let import = import_of("waits", &file);
    assert_eq!(steps.parent(&import).await, DONE);
    let chunks: Vec<ImportChunk> = steps.take().await;
    generate(&file, 10, 0, 2);
    // Holds the chunk up in the middle of its transaction.
    let mut holder = sqlx::MySqlConnection::connect(&url).await.unwrap();
    let hold = "BEGIN; SELECT * FROM integration_product_links FOR UPDATE";
    sqlx::raw_sql(hold).execute(&mut holder).await.unwrap();

    let chunk = async { steps.chunk(&chunks[0]).await };
    let failing = async {
        eventually("the chunk to wait", async || (server.waiting().await >= 1).then_some(())).await;
        steps.parent(&import).await
    };
    let release = async {
        eventually("the import to have failed, or to wait", async || {
            let is_over = steps.summary(&import).await.is_some();
            (is_over || server.waiting().await >= 2).then_some(())
        })
        .await;
        sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    };
    let (done, failed, ()) = tokio::join!(chunk, failing, release);

    assert_eq!(done, DONE);
    assert!(matches!(failed, Outcome::Discard(_)), "{failed:?}");
    let stored = links(&url).await.iter().filter(|(_, stored, _)| stored.is_some()).count();
    assert_eq!(steps.summary(&import).await.unwrap().updated, stored as u64);
}

#[tokio::test]
async fn a_failing_import_waits_for_its_chunks_on_mariadb() {
    let server = MariaDb::start().await;
    a_failing_import_waits_for_its_chunks(&server, "repeatable").await;

    server.read_committed().await;
    a_failing_import_waits_for_its_chunks(&server, "committed").await;
}

/// One test for all of it, because a server takes seconds to start.
#[tokio::test]
async fn mariadb_does_as_sqlite_does() {
    let server = MariaDb::start().await;

    everything_twice(&server.another("twice").await).await;
    later_rows_win(&server.another("later").await).await;
    a_changed_file_ends_the_import(&server.another("changed").await).await;
    rejections_are_bounded(&server.another("bounded").await).await;
    a_chunk_that_never_works_ends_the_import(&server.another("never").await).await;
    an_ean_of_two_links_is_ambiguous(&server.another("eans").await).await;
}

/// Both databases end with the same table, to the byte.
#[tokio::test]
async fn both_databases_hold_the_same() {
    let server = MariaDb::start().await;
    let place = Place::new();
    let file = place.path("list.csv");
    generate(&file, 280, 9, 42);
    let mut tables = BTreeMap::new();

    for url in [place.sqlite(), server.url()] {
        let steps = Steps::over(&url, PRODUCTS).await;
        let import = import_of("same", &file);
        assert_eq!(steps.parent(&import).await, DONE);
        for chunk in steps.take::<ImportChunk>().await {
            assert_eq!(steps.chunk(&chunk).await, DONE);
        }
        tables.insert(url.clone(), links(&url).await);
    }

    let tables: Vec<_> = tables.into_values().collect();
    assert_eq!(tables[0], tables[1]);
}
