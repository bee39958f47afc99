//! What the import does with its tables, the same on both databases.
//!
//! An import's status goes from running to completed or failed once, together with its only summary.
//! A chunk is added only while its import is running, in the transaction that updates its links. So
//! nothing is updated after the summary, and nothing is counted twice.

use std::sync::Arc;

use jobq_core::{Clock, SystemClock, Token};
use serde::Serialize;
use serde_json::json;
use sql_store::Kind;

use super::driver::{Dialect, Driver, Record, Step, StoreError, Value, values};
use super::mysql::MysqlDriver;
use super::records::{
    Begun, ChunkResult, Import, ImportStatus, ImportTotals, LinkKey, NewImport, Plan, Seen,
    Summary, Written,
};
use super::sqlite::SqliteDriver;
use crate::catalogue::Product;

/// How many products one statement adds.
const SEED_BATCH: u64 = 1_000;

/// The tables of the import. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) driver: Arc<dyn Driver>,
}

impl Store {
    /// Opens a database by its address, `sqlite://FILE` or `mysql://USER:PASSWORD@HOST/NAME`, and
    /// creates the tables that are missing.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, with the reason.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let driver: Arc<dyn Driver> = match Kind::of(url)? {
            Kind::Sqlite => Arc::new(SqliteDriver::open(url).await?),
            Kind::Mysql => Arc::new(MysqlDriver::open(url).await?),
        };
        Ok(Self { driver })
    }

    /// Adds the invented products 1 to `count`, and a link of the contractor to each. What is there
    /// already stays as it is.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn seed(&self, contractor_id: i64, count: u64) -> Result<(), StoreError> {
        let Dialect { add_products, add_links, .. } = *self.driver.dialect();
        for first in (1..=count).step_by(SEED_BATCH as usize) {
            let last = count.min(first + SEED_BATCH - 1);
            let products = json_list((first..=last).map(Product::nth));
            let steps = [
                Step::new(add_products, values![products.clone()]),
                Step::new(add_links, values![contractor_id, now(), products]),
            ];
            self.driver.transaction(&steps).await?;
        }
        Ok(())
    }

    /// Begins an import, or takes it over from an earlier attempt, which from now on changes nothing.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn begin_import(
        &self,
        import: NewImport<'_>,
        token: Token,
    ) -> Result<Begun, StoreError> {
        let add = Step::new(
            self.driver.dialect().add_import,
            values![import.id, import.contractor_id, import.source, now()],
        );
        self.driver.transaction(&[add]).await?;
        let fence = Step::guard(
            "UPDATE imports SET fence = ? WHERE id = ? AND status = 'running' AND fence < ?",
            values![token.as_u64(), import.id, token.as_u64()],
        );
        let is_ours = self.driver.transaction(&[fence]).await?;
        match self.import(import.id).await? {
            Some(found) if found.status != ImportStatus::Running => Ok(Begun::Over),
            Some(found) if is_ours => Ok(Begun::Running(found)),
            _ => Ok(Begun::Overtaken),
        }
    }

    /// Notes what the file was found to be. `false` if a newer attempt runs the import.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn plan_import(
        &self,
        import_id: &str,
        token: Token,
        plan: &Plan,
    ) -> Result<bool, StoreError> {
        let step = Step::guard(
            "UPDATE imports SET digest = ?, rows_total = ?, chunks_total = ?
             WHERE id = ? AND status = 'running' AND fence = ?",
            values![plan.digest.as_str(), plan.rows, plan.chunks, import_id, token.as_u64()],
        );
        self.driver.transaction(&[step]).await
    }

    /// An import; `None` if the database does not know it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn import(&self, import_id: &str) -> Result<Option<Import>, StoreError> {
        let sql = "SELECT no, contractor_id, status, digest, rows_total, chunks_total
                   FROM imports WHERE id = ?";
        let found = self.driver.query(sql, values![import_id]).await?;
        Ok(found.first().map(|row| Import {
            no: row.int(0).unwrap_or_default(),
            contractor_id: row.int(1).unwrap_or_default(),
            status: status(row.text(2)),
            plan: row.text(3).map(|digest| Plan {
                digest: digest.to_owned(),
                rows: row.count(4),
                chunks: row.count(5),
            }),
        }))
    }

    /// The numbers of an import's finished chunks.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn done_chunks(&self, import_id: &str) -> Result<Vec<u64>, StoreError> {
        let sql = "SELECT chunk_no FROM import_chunks WHERE import_id = ?";
        let found = self.driver.query(sql, values![import_id]).await?;
        Ok(found.iter().map(|row| row.count(0)).collect())
    }

    /// Whether a chunk is finished.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn is_chunk_done(&self, import_id: &str, chunk_no: u32) -> Result<bool, StoreError> {
        let sql = "SELECT chunk_no FROM import_chunks WHERE import_id = ? AND chunk_no = ?";
        let found = self.driver.query(sql, values![import_id, chunk_no]).await?;
        Ok(!found.is_empty())
    }

    /// The links of a contractor under any of these article numbers, in one statement.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn find_links(
        &self,
        contractor_id: i64,
        skus: &[&str],
        eans: &[&str],
    ) -> Result<Vec<LinkKey>, StoreError> {
        let values = values![json_list(skus), contractor_id, json_list(eans), contractor_id];
        let found = self.driver.query(self.driver.dialect().find_links, values).await?;
        let key = |row: &Record| LinkKey {
            link_id: row.int(0).unwrap_or_default(),
            sku: row.text(1).map(str::to_owned),
            ean: row.text(2).map(str::to_owned),
        };
        Ok(found.iter().map(key).collect())
    }

    /// Does a chunk: its links, its rejections and its counts, all of them or nothing. `false` if the
    /// chunk had been done before, or its import is over.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn apply_chunk(
        &self,
        import_id: &str,
        import_no: i64,
        chunk_no: u32,
        chunk: &ChunkResult,
    ) -> Result<bool, StoreError> {
        let dialect = self.driver.dialect();
        let rejected = chunk.rejections.len() as u64;
        let mut steps = vec![Step::guard(
            dialect.add_chunk,
            values![
                chunk_no,
                chunk.rows_read,
                chunk.updated,
                chunk.unmatched,
                rejected,
                now(),
                import_id
            ],
        )];
        if !chunk.updates.is_empty() {
            let updates = json_list(&chunk.updates);
            let values = values![updates, now(), import_no, import_no, import_no];
            steps.push(Step::new(dialect.update_links, values));
        }
        let kept = self.rejections_to_keep(import_id, &chunk.rejections).await?;
        if !kept.is_empty() {
            let values = values![import_id, json_list(kept)];
            steps.push(Step::new(dialect.add_rejections, values));
        }
        self.driver.transaction(&steps).await
    }

    /// Whether all chunks of a running import are done, so that its summary can be written.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn is_complete(&self, import_id: &str) -> Result<bool, StoreError> {
        let sql = "SELECT id FROM imports WHERE id = ? AND status = 'running' AND chunks_total =
                   (SELECT COUNT(*) FROM import_chunks WHERE import_id = ?)";
        let found = self.driver.query(sql, values![import_id, import_id]).await?;
        Ok(!found.is_empty())
    }

    /// Writes the summary of an import whose chunks are all done, once.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn write_summary(&self, import_id: &str) -> Result<Written, StoreError> {
        if self.is_complete(import_id).await? {
            // Before the summary, so that who reads it sees no more than are kept.
            self.prune_rejections(import_id).await?;
        }
        let end = Step::guard(
            "UPDATE imports SET status = 'completed'
             WHERE id = ? AND status = 'running' AND chunks_total =
                   (SELECT COUNT(*) FROM import_chunks WHERE import_id = ?)",
            values![import_id, import_id],
        );
        self.end_import(import_id, end, None).await
    }

    /// Gives an import up for its parent, with what was done so far in its summary. From now on its
    /// chunks change nothing. [`TooEarly`](Written::TooEarly) if a newer attempt runs the import.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn fail_import(
        &self,
        import_id: &str,
        token: Token,
        error: &str,
    ) -> Result<Written, StoreError> {
        let end = Step::guard(
            "UPDATE imports SET status = 'failed' WHERE id = ? AND status = 'running' AND fence = ?",
            values![import_id, token.as_u64()],
        );
        self.give_up(import_id, end, error).await
    }

    /// Gives an import up for a chunk that cannot be done. [`TooEarly`](Written::TooEarly) if another
    /// run of the chunk has done it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn fail_chunk(
        &self,
        import_id: &str,
        chunk_no: u32,
        error: &str,
    ) -> Result<Written, StoreError> {
        let end = Step::guard(
            "UPDATE imports SET status = 'failed' WHERE id = ? AND status = 'running' AND NOT EXISTS
                 (SELECT chunk_no FROM import_chunks WHERE import_id = ? AND chunk_no = ?)",
            values![import_id, import_id, chunk_no],
        );
        self.give_up(import_id, end, error).await
    }

    async fn give_up(
        &self,
        import_id: &str,
        end: Step,
        error: &str,
    ) -> Result<Written, StoreError> {
        let written = self.end_import(import_id, end, Some(error)).await?;
        if written != Written::TooEarly {
            self.prune_rejections(import_id).await?;
        }
        Ok(written)
    }

    async fn end_import(
        &self,
        import_id: &str,
        end: Step,
        error: Option<&str>,
    ) -> Result<Written, StoreError> {
        let error = error.map_or(Value::Null, Value::from);
        let summary = Step::new(
            "INSERT INTO import_summaries
                (import_id, source, status, error, rows_read, updated, unmatched, rejected,
                 started_at, finished_at)
             SELECT imports.id, MAX(imports.source), MAX(imports.status), ?,
                    COALESCE(SUM(rows_read), 0), COALESCE(SUM(updated), 0),
                    COALESCE(SUM(unmatched), 0), COALESCE(SUM(rejected), 0),
                    MAX(imports.started_at), ?
             FROM imports LEFT JOIN import_chunks ON import_chunks.import_id = imports.id
             WHERE imports.id = ? GROUP BY imports.id",
            vec![error, now().into(), import_id.into()],
        );
        if self.driver.transaction(&[end, summary]).await? {
            return Ok(Written::Now);
        }
        match self.import(import_id).await? {
            Some(import) if import.status != ImportStatus::Running => Ok(Written::Before),
            _ => Ok(Written::TooEarly),
        }
    }

    /// An import's summary; `None` while it is running.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn summary(&self, import_id: &str) -> Result<Option<Summary>, StoreError> {
        let sql = "SELECT source, error, rows_read, updated, unmatched, rejected,
                          finished_at - started_at
                   FROM import_summaries WHERE import_id = ?";
        let found = self.driver.query(sql, values![import_id]).await?;
        let Some(row) = found.first() else {
            return Ok(None);
        };
        Ok(Some(Summary {
            import_id: import_id.to_owned(),
            source: row.text(0).unwrap_or_default().to_owned(),
            error: row.text(1).map(str::to_owned),
            rows_read: row.count(2),
            updated: row.count(3),
            unmatched: row.count(4),
            rejected: row.count(5),
            took_ms: row.count(6),
            rejections: self.rejections(import_id).await?,
        }))
    }

    /// How far an import has come; `None` while no parent has begun it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn seen(&self, import_id: &str) -> Result<Option<Seen>, StoreError> {
        let sql = "SELECT rows_total, status,
                       (SELECT CAST(SUM(rows_read) AS SIGNED) FROM import_chunks WHERE import_id = ?)
                   FROM imports WHERE id = ?";
        let found = self.driver.query(sql, values![import_id, import_id]).await?;
        Ok(found.first().map(|row| Seen {
            rows_done: row.count(2),
            rows_total: row.int(0).map(|_| row.count(0)),
            is_over: status(row.text(1)) != ImportStatus::Running,
        }))
    }
}

impl Store {
    /// What all imports have come to.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn import_totals(&self) -> Result<ImportTotals, StoreError> {
        let sql = "SELECT COUNT(*), CAST(SUM(rows_read) AS SIGNED), CAST(SUM(updated) AS SIGNED),
                          CAST(SUM(unmatched) AS SIGNED), CAST(SUM(rejected) AS SIGNED),
                          (SELECT COUNT(*) FROM imports WHERE status = 'running')
                   FROM import_summaries";
        let found = self.driver.query(sql, values![]).await?;
        Ok(found.first().map_or_else(ImportTotals::default, |row| ImportTotals {
            imports: row.count(0),
            rows_read: row.count(1),
            updated: row.count(2),
            unmatched: row.count(3),
            rejected: row.count(4),
            running: row.count(5),
        }))
    }
}

fn status(text: Option<&str>) -> ImportStatus {
    match text {
        Some("completed") => ImportStatus::Completed,
        Some("failed") => ImportStatus::Failed,
        _ => ImportStatus::Running,
    }
}

pub(super) fn json_list<T: Serialize>(items: impl IntoIterator<Item = T>) -> String {
    json!(items.into_iter().collect::<Vec<T>>()).to_string()
}

pub(super) fn now() -> u64 {
    SystemClock::default().now().as_millis()
}
