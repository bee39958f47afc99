//! MariaDB from 10.6 on, and MySQL from 8.0 on.

use std::time::Duration;

use async_trait::async_trait;
use sql_store::mysql::{Connecting, Isolation, open};
use sql_store::{Statements, again, run_all};
use sqlx::mysql::MySqlPool;

use super::driver::{Dialect, Driver, Record, Step, StoreError, Value};
use super::pools::{query, run_one};

const CONNECTING: Connecting = Connecting {
    connections: 8,
    patience: Duration::from_secs(10),
    isolation: Isolation::OfServer,
};

#[derive(Debug)]
pub(crate) struct MysqlDriver {
    pool: MySqlPool,
    statements: Statements,
}

impl MysqlDriver {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let pool = open(url, include_str!("schema_mysql.sql"), CONNECTING).await?;
        Ok(Self { pool, statements: Statements::default() })
    }
}

#[async_trait]
impl Driver for MysqlDriver {
    async fn query(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        query(&self.pool, &self.statements, sql, values).await
    }

    async fn transaction(&self, steps: &[Step]) -> Result<bool, StoreError> {
        again(async || {
            Ok(match steps {
                [step] => run_one(&self.pool, &self.statements, step).await?,
                _ => {
                    let transaction = self.pool.begin().await?;
                    run_all(transaction, &self.statements, steps).await?.is_some()
                }
            })
        })
        .await
    }

    fn statements(&self) -> u64 {
        self.statements.sent()
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}

// LOCK IN SHARE MODE: under READ COMMITTED the import could otherwise end, and be added up, between this
// statement and the commit of the chunk.
// STRAIGHT_JOIN: the server cannot know how short the lists are, and would otherwise scan the links.
// A list's rows are locked in its order, which is that of the ids, so that two chunks do not deadlock.
static DIALECT: Dialect = Dialect {
    add_products: "
        INSERT IGNORE INTO products (id, sku, ean, name)
        SELECT id, sku, ean, name FROM JSON_TABLE(?, '$[*]' COLUMNS (
            id BIGINT PATH '$.id', sku VARCHAR(64) PATH '$.sku', ean VARCHAR(14) PATH '$.ean',
            name VARCHAR(255) PATH '$.name')) AS new",
    add_links: "
        INSERT IGNORE INTO integration_product_links
            (contractor_id, updated_at, product_id, external_sku, external_ean)
        SELECT ?, ?, id, sku, ean FROM JSON_TABLE(?, '$[*]' COLUMNS (
            id BIGINT PATH '$.id', sku VARCHAR(64) PATH '$.sku', ean VARCHAR(14) PATH '$.ean')) AS new",
    add_import: "
        INSERT IGNORE INTO imports (id, contractor_id, source, started_at, status)
        VALUES (?, ?, ?, ?, 'running')",
    start_import: "
        INSERT IGNORE INTO imports (id, contractor_id, source, started_at, status)
        SELECT ?, ?, ?, ?, 'running' FROM (SELECT 1) AS one
        WHERE NOT EXISTS (SELECT id FROM imports
                          WHERE contractor_id = ? AND status = 'running' AND started_at > ?)",
    find_links: "
        SELECT links.id, links.external_sku, links.external_ean
        FROM JSON_TABLE(?, '$[*]' COLUMNS (
            sku VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$')) AS wanted
        STRAIGHT_JOIN integration_product_links AS links
            ON links.contractor_id = ? AND links.external_sku = wanted.sku
        UNION
        SELECT links.id, links.external_sku, links.external_ean
        FROM JSON_TABLE(?, '$[*]' COLUMNS (
            ean VARCHAR(14) CHARACTER SET ascii COLLATE ascii_bin PATH '$')) AS wanted
        STRAIGHT_JOIN integration_product_links AS links
            ON links.contractor_id = ? AND links.external_ean = wanted.ean",
    add_chunk: "
        INSERT IGNORE INTO import_chunks
            (import_id, chunk_no, rows_read, updated, unmatched, rejected, finished_at)
        SELECT id, ?, ?, ?, ?, ?, ? FROM imports WHERE id = ? AND status = 'running'
        LOCK IN SHARE MODE",
    update_links: "
        UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
            id BIGINT PATH '$.id', line BIGINT PATH '$.line',
            availability TEXT CHARACTER SET utf8mb4 PATH '$.availability')) AS new
        STRAIGHT_JOIN integration_product_links AS links ON links.id = new.id
        SET links.supplier_availability = new.availability,
            links.import_line = new.line, links.updated_at = ?, links.import_no = ?
        WHERE links.import_no < ? OR (links.import_no = ? AND links.import_line < new.line)",
    add_rejections: "
        INSERT IGNORE INTO import_rejections (import_id, line, reason)
        SELECT ?, line, reason FROM JSON_TABLE(?, '$[*]' COLUMNS (
            line BIGINT PATH '$.line', reason TEXT CHARACTER SET utf8mb4 PATH '$.reason')) AS new",
    note_availability: "
        UPDATE JSON_TABLE(?, '$[*]' COLUMNS (
            id BIGINT PATH '$.id', told TEXT CHARACTER SET utf8mb4 PATH '$.told')) AS new
        STRAIGHT_JOIN integration_product_links AS links ON links.id = new.id
        SET links.metadata = JSON_SET(
            COALESCE(links.metadata, '{}'), '$.last_availability', JSON_EXTRACT(new.told, '$'))",
    link_shop_products: "
        REPLACE INTO shop_products (product_id, shop_product_id)
        SELECT product_id, shop_product_id FROM JSON_TABLE(?, '$[*]' COLUMNS (
            product_id BIGINT PATH '$.product', shop_product_id BIGINT PATH '$.counterpart')) AS new",
};
