//! SQLite: one file, no server.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jobq_core::sql::{inbox, outbox};
use jobq_core::{Backend, JobContext, JobId};
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteQueryResult, SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection, Row, Sqlite, ValueRef};

use super::driver::{
    Backlog, Dialect, Driver, MessageJob, NEWER, StoreError, Transaction, database, whole,
};
use super::relay::Relay;
use super::sole::Sole;
use super::value::{Record, Value};

/// How long to wait for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
const READERS: u32 = 4;
/// For how long jobs are left to a relay that was killed while it moved them.
const CLAIM: Duration = Duration::from_secs(4);

/// SQLite has one writer at a time, so this process has one connection that writes: its transactions
/// queue up in order, in place of trying again and again for the lock. The relay has a connection of its
/// own: it may have to wait for a queue while messages come in.
#[derive(Debug)]
pub(crate) struct SqliteDriver {
    readers: SqlitePool,
    writer: SqlitePool,
    relay: SqlitePool,
    file: PathBuf,
}

impl SqliteDriver {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let cannot = |error| StoreError::because(format!("cannot open the database {url}"), error);
        let options = SqliteConnectOptions::from_str(url)
            .map_err(cannot)?
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // Who is told that a message was taken need not send it again: that must survive power loss.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let file = options.get_filename().to_path_buf();
        create_private(&file);
        let one = |options| pool().max_connections(1).connect_with(options);
        let writer = one(options.clone()).await.map_err(cannot)?;
        let failed = |error| StoreError::because("cannot create the tables", error);
        sqlx::raw_sql(include_str!("schema_sqlite.sql")).execute(&writer).await.map_err(failed)?;
        for [look, add] in NEWER {
            if sqlx::raw_sql(look).execute(&writer).await.is_err() {
                sqlx::raw_sql(add).execute(&writer).await.map_err(failed)?;
            }
        }
        jobq_core::sql::create_tables(&mut *writer.acquire().await?).await?;
        let relay = one(options.clone()).await.map_err(cannot)?;
        let readers =
            pool().max_connections(READERS).connect_with(options).await.map_err(cannot)?;
        Ok(Self { readers, writer, relay, file })
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

/// A database in memory has a name of this form.
fn is_in_memory(file: &Path) -> bool {
    file.to_string_lossy().starts_with("file:")
}

/// Creates a file that is not there for its owner alone: the secrets of webhooks are in it. SQLite gives the
/// files beside it the same permissions. What goes wrong here, it tells better.
fn create_private(file: &Path) {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if !is_in_memory(file) {
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

    fn relay(&self, backend: Arc<dyn Backend>) -> Relay {
        Relay::Sqlite(outbox::Relay::new(self.relay.clone(), backend).claim(CLAIM))
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let readers = self.readers.clone();
        whole(async move { backlog(&mut *readers.acquire().await?).await }).await
    }

    async fn sole(&self) -> Result<Option<Sole>, StoreError> {
        if is_in_memory(&self.file) {
            return Ok(Some(Sole::Nobody));
        }
        Sole::of_file(&self.file)
    }
}

database!(
    SqliteTransaction,
    Sqlite,
    SqliteRow,
    SqliteArguments,
    SqliteQueryResult::last_insert_rowid
);

static DIALECT: Dialect = Dialect {
    add_inbox: "
        INSERT INTO crm_inbox
            (source, message_id, job_id, event, payload, status, received_at, updated_at)
        VALUES (?, ?, ?, ?, ?, 'pending', ?, ?) ON CONFLICT DO NOTHING",
    add_outbox: "
        INSERT INTO crm_outbox
            (message_id, job_id, destination, event, payload, caller_key, status, attempts,
             begun, next_attempt_at, created_at, updated_at)
        VALUES (?, ?, ?, ?, ?, ?, 'pending', 0, 0, ?, ?, ?) ON CONFLICT DO NOTHING",
    put_contact: "
        INSERT INTO crm_contacts (source, external_id, name, email, newest, updated_at, messages)
        VALUES (?, ?, ?, ?, ?, ?, 1)
        ON CONFLICT (source, external_id) DO UPDATE SET
            messages = messages + 1, updated_at = excluded.updated_at,
            name = CASE WHEN excluded.newest > newest THEN excluded.name ELSE name END,
            email = CASE WHEN excluded.newest > newest THEN excluded.email ELSE email END,
            newest = MAX(newest, excluded.newest)",
};

#[cfg(test)]
mod tests {
    use sqlx::Executor;

    use super::*;
    use crate::db::value::values;

    #[tokio::test]
    async fn a_disk_that_was_full_is_forgotten() {
        let place = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", place.path().join("crm.db").display());
        let driver = SqliteDriver::open(&url).await.unwrap();
        let add = async |text: String| {
            let mut transaction = driver.begin().await?;
            let row = values!["shop", "m", "j", "a", text, 1_u64, 1_u64];
            transaction.insert(DIALECT.add_inbox, row).await?;
            transaction.commit().await
        };
        driver.writer.execute("PRAGMA max_page_count = 1").await.unwrap();

        let full = add("x".repeat(1_000_000)).await.unwrap_err();
        let again = add("x".repeat(1_000_000)).await;

        let cause = std::error::Error::source(&full).unwrap().to_string();
        assert!(cause.contains("full"), "{cause}");
        // SQLite keeps the limit with the connection: another one has none.
        again.unwrap();
    }

    #[tokio::test]
    async fn tables_of_an_earlier_version_get_what_they_lack() {
        let place = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", place.path().join("crm.db").display());
        let older = SqliteDriver::open(&url).await.unwrap();
        older.writer.execute("ALTER TABLE crm_outbox DROP COLUMN begun").await.unwrap();

        let newer = SqliteDriver::open(&url).await.unwrap();

        let found = newer.query("SELECT begun FROM crm_outbox", values![]).await.unwrap();
        assert_eq!(found, []);
    }
}
