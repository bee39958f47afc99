//! SQLite: one file, no server.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jobq_core::sql::{inbox, outbox};
use jobq_core::{Backend, JobContext, JobId};
use sql_store::sqlite::Pools;
use sql_store::{bound, record};
use sqlx::Sqlite;
use sqlx::sqlite::{SqlitePool, SqliteQueryResult};

use super::driver::{
    Backlog, Dialect, Driver, MessageJob, NEWER, Record, StoreError, Transaction, Value, database,
    whole,
};
use super::relay::Relay;
use super::sole::Sole;

/// For how long jobs are left to a relay that was killed while it moved them.
const CLAIM: Duration = Duration::from_secs(4);

/// The relay has a connection of its own: it may have to wait for a queue while messages come in.
#[derive(Debug)]
pub(crate) struct SqliteDriver {
    pools: Pools,
    relay: SqlitePool,
}

impl SqliteDriver {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let pools = Pools::open(url, include_str!("schema_sqlite.sql")).await?;
        for [look, add] in NEWER {
            if sqlx::raw_sql(look).execute(&pools.writer).await.is_err() {
                sqlx::raw_sql(add).execute(&pools.writer).await?;
            }
        }
        jobq_core::sql::create_tables(&mut *pools.writer.acquire().await?).await?;
        let relay = pools.another_writer().await?;
        Ok(Self { pools, relay })
    }
}

#[async_trait]
impl Driver for SqliteDriver {
    async fn query(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = bound::<Sqlite>(sql, values).fetch_all(&self.pools.readers).await?;
        rows.iter().map(record).collect()
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        Ok(Box::new(SqliteTransaction(self.pools.begin().await?)))
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    fn relay(&self, backend: Arc<dyn Backend>) -> Relay {
        Relay::Sqlite(outbox::Relay::new(self.relay.clone(), backend).claim(CLAIM))
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let readers = self.pools.readers.clone();
        whole(async move { backlog(&mut *readers.acquire().await?).await }).await
    }

    async fn sole(&self) -> Result<Option<Sole>, StoreError> {
        self.pools.file().map_or(Ok(Some(Sole::Nobody)), Sole::of_file)
    }
}

database!(SqliteTransaction, Sqlite, SqliteQueryResult::last_insert_rowid);

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
    use sql_store::values;
    use sqlx::Executor;

    use super::*;

    #[tokio::test]
    async fn tables_of_an_earlier_version_get_what_they_lack() {
        let place = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", place.path().join("crm.db").display());
        let older = SqliteDriver::open(&url).await.unwrap();
        older.pools.writer.execute("ALTER TABLE crm_outbox DROP COLUMN begun").await.unwrap();

        let newer = SqliteDriver::open(&url).await.unwrap();

        let found = newer.query("SELECT begun FROM crm_outbox", values![]).await.unwrap();
        assert_eq!(found, []);
    }
}
