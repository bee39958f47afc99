//! Worker processes killed with SIGKILL in the middle of an import, on real servers: the tables end as
//! if nothing had happened.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use fixtures::{Background, Place, eventually};
use sqlx::{Connection, MySqlConnection, Row};
use supplier_import::db::{Store, Summary};

use support::PROGRAM;
use support::servers::{MariaDb, Redis};

const ROWS: &str = "6000";
/// Small chunks, so that there are many moments to be killed at.
const CHUNK_ROWS: &str = "20";
const CHUNKS: i64 = 300;

/// Two databases with the same products, and a list of them.
struct Stage {
    server: MariaDb,
    redis: Redis,
    place: Place,
    calm: String,
    killed: String,
}

impl Stage {
    async fn set() -> Self {
        let (server, redis) = (MariaDb::start().await, Redis::start());
        let place = Place::new();
        let list = place.path("list.csv");
        let list = list.to_str().unwrap();
        assert_eq!(PROGRAM.run(&["generate", "--rows", ROWS, "--bad", "60", list]).code, Some(0));
        let (calm, killed) = (server.another("calm").await, server.another("killed").await);
        for db in [&calm, &killed] {
            assert_eq!(PROGRAM.run(&["seed", "--products", ROWS, "--db", db]).code, Some(0));
        }
        Self { server, redis, place, calm, killed }
    }

    /// Imports into the calm database without trouble.
    fn import_calmly(&self) -> String {
        let list = self.place.path("list.csv");
        let args = [
            "import",
            list.to_str().unwrap(),
            "--db",
            &self.calm,
            "--chunk-rows",
            CHUNK_ROWS,
            "--json",
        ];
        let ended = PROGRAM.run(&args);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.json()["import_id"].as_str().unwrap().to_owned()
    }

    /// Enqueues the import into the other database.
    fn enqueue(&self) -> String {
        let list = self.place.path("list.csv");
        let ended = PROGRAM.run(&[
            "import",
            list.to_str().unwrap(),
            "--queue",
            &self.redis.url(),
            "--chunk-rows",
            CHUNK_ROWS,
            "--enqueue-only",
            "--json",
        ]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended.json()["import_id"].as_str().unwrap().to_owned()
    }

    fn worker(&self) -> Background {
        let queue = self.redis.url();
        PROGRAM.start(&["work", "--db", &self.killed, "--backend", &queue, "--concurrency", "2"])
    }

    async fn assert_both_end_the_same(&self, calm_id: &str, killed_id: &str) {
        let calm = Store::open(&self.calm).await.unwrap();
        let killed = Store::open(&self.killed).await.unwrap();
        let summary =
            eventually("the summary", async || killed.summary(killed_id).await.unwrap()).await;
        let undisturbed = calm.summary(calm_id).await.unwrap().unwrap();

        assert_eq!(counts(&summary), counts(&undisturbed));
        assert_eq!(summary.rows_read.to_string(), ROWS);
        assert_eq!(summary.error, None);
        assert_eq!(summary.rejections, undisturbed.rejections);
        assert_eq!(links(&self.killed).await, links(&self.calm).await);
        let mut connection = MySqlConnection::connect(&self.killed).await.unwrap();
        assert_eq!(count(&mut connection, "SELECT COUNT(*) FROM import_summaries").await, 1);
        assert_eq!(count(&mut connection, "SELECT COUNT(*) FROM import_chunks").await, CHUNKS);
    }
}

fn counts(summary: &Summary) -> [u64; 4] {
    [summary.rows_read, summary.updated, summary.unmatched, summary.rejected]
}

async fn links(url: &str) -> Vec<(i64, Option<String>, i64)> {
    let mut connection = MySqlConnection::connect(url).await.unwrap();
    let sql =
        "SELECT id, supplier_availability, import_line FROM integration_product_links ORDER BY id";
    let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

async fn count(connection: &mut MySqlConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn killed_workers_lose_no_chunk_and_repeat_none() {
    let stage = Stage::set().await;
    let calm_id = stage.import_calmly();
    let mut connection = MySqlConnection::connect(&stage.killed).await.unwrap();
    let killed_id = stage.enqueue();
    let (first, second) = (stage.worker(), stage.worker());

    for (worker, some) in [(first, 20), (second, 60)] {
        eventually("some chunks", async || {
            let done = count(&mut connection, "SELECT COUNT(*) FROM import_chunks").await;
            (done >= some).then_some(())
        })
        .await;
        worker.kill();
        let done = count(&mut connection, "SELECT COUNT(*) FROM import_chunks").await;
        assert!(done < CHUNKS, "all chunks were done before the kill");
    }
    let _third = stage.worker();

    stage.assert_both_end_the_same(&calm_id, &killed_id).await;
    drop(stage.server);
}

#[tokio::test]
async fn a_parent_killed_as_it_begins_is_run_again() {
    let stage = Stage::set().await;
    let calm_id = stage.import_calmly();
    let mut connection = MySqlConnection::connect(&stage.killed).await.unwrap();
    let killed_id = stage.enqueue();
    let first = stage.worker();

    eventually("the parent", async || {
        (count(&mut connection, "SELECT COUNT(*) FROM imports").await > 0).then_some(())
    })
    .await;
    first.kill();
    let done = count(&mut connection, "SELECT COUNT(*) FROM import_chunks").await;
    assert!(done < CHUNKS, "all chunks were done before the kill");
    let (_second, _third) = (stage.worker(), stage.worker());

    stage.assert_both_end_the_same(&calm_id, &killed_id).await;
    drop(stage.server);
}
