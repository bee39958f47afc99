//! SQLite: one file, no server.

use std::fs::OpenOptions;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection, Row, Sqlite, ValueRef};

use super::driver::{Dialect, Driver, Record, StoreError, Transaction, Value};

/// How long to wait for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
const READERS: u32 = 4;

/// SQLite has one writer at a time, so this process has one connection that writes: its transactions
/// queue up in order, in place of trying again and again for the lock.
#[derive(Debug)]
pub(crate) struct SqliteDriver {
    readers: SqlitePool,
    writer: SqlitePool,
}

impl SqliteDriver {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let cannot = |error| StoreError::because(format!("cannot open the database {url}"), error);
        let options = SqliteConnectOptions::from_str(url)
            .map_err(cannot)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Who is told that a job was accepted need not ask again: that must survive power loss.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT);
        create_private(options.get_filename());
        let writer =
            pool().max_connections(1).connect_with(options.clone()).await.map_err(cannot)?;
        sqlx::raw_sql(include_str!("schema_sqlite.sql"))
            .execute(&writer)
            .await
            .map_err(|error| StoreError::because("cannot create the tables", error))?;
        let readers =
            pool().max_connections(READERS).connect_with(options).await.map_err(cannot)?;
        Ok(Self { readers, writer })
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

/// Creates a file that is not there for its owner alone: the secrets of webhooks are in it. SQLite gives the
/// files beside it the same permissions. What goes wrong here, it tells better.
fn create_private(file: &Path) {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // A database in memory has a name of this form.
    if !file.to_string_lossy().starts_with("file:") {
        drop(options.open(file));
    }
}

#[async_trait]
impl Driver for SqliteDriver {
    async fn query(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = bound(sql, values).fetch_all(&self.readers).await?;
        rows.iter().map(record).collect()
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        // IMMEDIATE takes the lock at once: a transaction that only later wants to write would fail
        // if another process had written meanwhile.
        Ok(Box::new(SqliteTransaction(self.writer.begin_with("BEGIN IMMEDIATE").await?)))
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}

struct SqliteTransaction(sqlx::Transaction<'static, Sqlite>);

#[async_trait]
impl Transaction for SqliteTransaction {
    async fn query(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = bound(sql, values).fetch_all(&mut *self.0).await?;
        rows.iter().map(record).collect()
    }

    async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, StoreError> {
        Ok(bound(sql, values).execute(&mut *self.0).await?.rows_affected())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }

    async fn roll_back(self: Box<Self>) -> Result<(), StoreError> {
        Ok(self.0.rollback().await?)
    }
}

fn bound(
    sql: &'static str,
    values: Vec<Value>,
) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
    })
}

fn record(row: &SqliteRow) -> Result<Record, StoreError> {
    let value = |column| {
        Ok(if row.try_get_raw(column)?.is_null() {
            Value::Null
        } else if let Ok(number) = row.try_get::<i64, _>(column) {
            Value::Int(number)
        } else {
            Value::Text(row.try_get(column)?)
        })
    };
    (0..row.len()).map(value).collect::<Result<_, _>>().map(Record)
}

static DIALECT: Dialect = Dialect {
    put_leads: "
        INSERT INTO crm_leads (id, name, status, deleted_at, updated_at)
        SELECT value ->> 'id', value ->> 'name', value ->> 'status', value ->> 'deleted_at', ?2
        FROM json_each(?1) WHERE true
        ON CONFLICT (id) DO UPDATE SET status = excluded.status, deleted_at = excluded.deleted_at,
                                       updated_at = excluded.updated_at",
    add_user: "INSERT INTO crm_users (id, created_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
    lock_user: "SELECT id FROM crm_users WHERE id = ?",
    lock_leads: "
        SELECT id, status, deleted_at IS NOT NULL FROM crm_leads
        WHERE id IN (SELECT value FROM json_each(?))",
    add_chunk: "
        INSERT INTO crm_bulk_chunks (job_id, chunk_no, successes, failures, done_at)
        VALUES (?, ?, ?, ?, ?) ON CONFLICT (job_id, chunk_no) DO NOTHING",
    add_history: "
        INSERT INTO crm_lead_history
            (change_id, user_id, to_status, changed_at, lead_id, from_status)
        SELECT ?, ?, ?, ?, id, status FROM crm_leads
        WHERE id IN (SELECT value FROM json_each(?))",
    update_leads: "
        UPDATE crm_leads SET status = ?2, updated_at = ?3
        WHERE id IN (SELECT value FROM json_each(?1))",
    lock_jobs_to_prune: "
        SELECT id, user_id, day, total_leads, state, ended_at - created_at FROM crm_bulk_jobs
        WHERE created_at <= ? AND ((state IN ('completed', 'cancelled') AND ended_at <= ?)
                                   OR (state IN ('failed', 'timed_out') AND ended_at <= ?))
        LIMIT ?",
    add_to_day: "
        INSERT INTO crm_bulk_days
            (day, user_id, jobs, leads, completed, failed, cancelled, timed_out, duration_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (day, user_id) DO UPDATE SET
            jobs = jobs + excluded.jobs, leads = leads + excluded.leads,
            completed = completed + excluded.completed, failed = failed + excluded.failed,
            cancelled = cancelled + excluded.cancelled, timed_out = timed_out + excluded.timed_out,
            duration_ms = duration_ms + excluded.duration_ms",
};
