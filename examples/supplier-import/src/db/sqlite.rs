//! SQLite: one file, no server.

use async_trait::async_trait;
use sql_store::sqlite::Pools;
use sql_store::{Statements, run_all};

use super::driver::{Dialect, Driver, Record, Step, StoreError, Value};
use super::pools::{query, run_one};

#[derive(Debug)]
pub(crate) struct SqliteDriver {
    pools: Pools,
    statements: Statements,
}

impl SqliteDriver {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let pools = Pools::open(url, include_str!("schema_sqlite.sql")).await?;
        Ok(Self { pools, statements: Statements::default() })
    }
}

#[async_trait]
impl Driver for SqliteDriver {
    async fn query(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        query(&self.pools.readers, &self.statements, sql, values).await
    }

    async fn transaction(&self, steps: &[Step]) -> Result<bool, StoreError> {
        if let [step] = steps {
            return Ok(run_one(&self.pools.writer, &self.statements, step).await?);
        }
        let ran = run_all(self.pools.begin().await?, &self.statements, steps).await?;
        Ok(ran.is_some())
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
