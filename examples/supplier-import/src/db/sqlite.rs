//! SQLite: one file, no server.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::Connection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::driver::{Dialect, Driver, Record, Step, StoreError, Value};
use super::pools::{Statements, query, run_all, run_one};

/// How long to wait for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
const READERS: u32 = 4;

/// SQLite has one writer at a time, so this process has one connection that writes: its transactions
/// queue up in order, in place of trying again and again for the lock.
#[derive(Debug)]
pub(crate) struct SqliteDriver {
    readers: SqlitePool,
    writer: SqlitePool,
    statements: Statements,
}

impl SqliteDriver {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let cannot = |error| StoreError::because(format!("cannot open the database {url}"), error);
        let options = SqliteConnectOptions::from_str(url)
            .map_err(cannot)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // A chunk's job is gone once its transaction is committed, so that must survive power loss.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        let writer =
            pool().max_connections(1).connect_with(options.clone()).await.map_err(cannot)?;
        sqlx::raw_sql(include_str!("schema_sqlite.sql"))
            .execute(&writer)
            .await
            .map_err(|error| StoreError::because("cannot create the tables", error))?;
        let readers =
            pool().max_connections(READERS).connect_with(options).await.map_err(cannot)?;
        Ok(Self { readers, writer, statements: Statements::default() })
    }
}

/// A pool that closes a connection whose transaction could not be ended. When the disk is full, SQLite rolls
/// back by itself; sqlx's own ROLLBACK then fails, and no other transaction could begin on that connection.
fn pool() -> SqlitePoolOptions {
    SqlitePoolOptions::new().after_release(|connection, _| {
        Box::pin(async move {
            // Behind the rollback that is under way.
            connection.ping().await?;
            Ok(!connection.is_in_transaction())
        })
    })
}

#[async_trait]
impl Driver for SqliteDriver {
    async fn query(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        query(&self.readers, &self.statements, sql, &values).await
    }

    async fn transaction(&self, steps: &[Step]) -> Result<bool, StoreError> {
        if let [step] = steps {
            return Ok(run_one(&self.writer, &self.statements, step).await?);
        }
        // IMMEDIATE takes the lock at once: a transaction that only later wants to write would fail
        // if another process had written meanwhile.
        let transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        Ok(run_all(transaction, &self.statements, steps).await?)
    }

    fn statements(&self) -> u64 {
        self.statements.sent()
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}

static DIALECT: Dialect = Dialect {
    add_products:
        "
        INSERT OR IGNORE INTO products (id, sku, ean, name)
        SELECT value ->> 'id', value ->> 'sku', value ->> 'ean', value ->> 'name' FROM json_each(?)",
    add_links: "
        INSERT OR IGNORE INTO integration_product_links
            (contractor_id, updated_at, product_id, external_sku, external_ean)
        SELECT ?, ?, value ->> 'id', value ->> 'sku', value ->> 'ean' FROM json_each(?)",
    add_import: "
        INSERT INTO imports (id, contractor_id, source, started_at, status)
        VALUES (?, ?, ?, ?, 'running') ON CONFLICT (id) DO NOTHING",
    start_import: "
        INSERT INTO imports (id, contractor_id, source, started_at, status)
        SELECT ?, ?, ?, ?, 'running'
        WHERE NOT EXISTS (SELECT id FROM imports
                          WHERE contractor_id = ? AND status = 'running' AND started_at > ?)
        ON CONFLICT (id) DO NOTHING",
    find_links: "
        SELECT id, external_sku, external_ean FROM integration_product_links
        WHERE external_sku IN (SELECT value FROM json_each(?)) AND contractor_id = ?
        UNION
        SELECT id, external_sku, external_ean FROM integration_product_links
        WHERE external_ean IN (SELECT value FROM json_each(?)) AND contractor_id = ?",
    add_chunk: "
        INSERT INTO import_chunks
            (import_id, chunk_no, rows_read, updated, unmatched, rejected, finished_at)
        SELECT id, ?, ?, ?, ?, ?, ? FROM imports WHERE id = ? AND status = 'running'
        ON CONFLICT (import_id, chunk_no) DO NOTHING",
    update_links: "
        WITH new AS (
            SELECT value ->> 'id' AS id, value ->> 'line' AS line,
                   value ->> 'availability' AS availability
            FROM json_each(?))
        UPDATE integration_product_links AS links
        SET supplier_availability = new.availability,
            import_line = new.line, updated_at = ?, import_no = ?
        FROM new
        WHERE links.id = new.id
          AND (links.import_no < ? OR (links.import_no = ? AND links.import_line < new.line))",
    add_rejections: "
        INSERT OR IGNORE INTO import_rejections (import_id, line, reason)
        SELECT ?, value ->> 'line', value ->> 'reason' FROM json_each(?)",
    note_availability: "
        WITH new AS (SELECT value ->> 'id' AS id, value ->> 'told' AS told FROM json_each(?))
        UPDATE integration_product_links AS links
        SET metadata = json_set(
            COALESCE(links.metadata, '{}'), '$.last_availability', json(new.told))
        FROM new WHERE links.id = new.id",
    link_shop_products: "
        REPLACE INTO shop_products (product_id, shop_product_id)
        SELECT value ->> 'product', value ->> 'counterpart' FROM json_each(?)",
};
