//! SQLite: one file, no server.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{Connection, Row, Sqlite, ValueRef};

use super::driver::{Dialect, Driver, Record, Step, StoreError, Value};

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
            // A job is gone once its outcome is committed, so that must survive power loss.
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

#[async_trait]
impl Driver for SqliteDriver {
    async fn query(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = bound(sql, &values).fetch_all(&self.readers).await?;
        rows.iter().map(record).collect()
    }

    async fn transaction(&self, steps: &[Step]) -> Result<Option<u64>, StoreError> {
        // IMMEDIATE takes the lock at once: a transaction that only later wants to write would fail
        // if another process had written meanwhile.
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let mut changed = 0;
        for step in steps {
            let done = bound(step.sql, &step.values).execute(&mut *transaction).await?;
            changed += done.rows_affected();
            if step.is_guard && done.rows_affected() == 0 {
                transaction.rollback().await?;
                return Ok(None);
            }
        }
        transaction.commit().await?;
        Ok(Some(changed))
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}

fn bound(
    sql: &'static str,
    values: &[Value],
) -> sqlx::query::Query<'static, Sqlite, SqliteArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.clone()),
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
    put_store: "
        INSERT INTO crm_stores (store, name, provider, base_url, api_key) VALUES (?, ?, ?, ?, ?)
        ON CONFLICT (store) DO UPDATE SET name = excluded.name, provider = excluded.provider,
            base_url = excluded.base_url, api_key = excluded.api_key",
    add_records: "
        INSERT OR IGNORE INTO crm_records (store, entity, updated_at, record, fields)
        SELECT ?, ?, ?, value ->> 'record', value ->> 'fields' FROM json_each(?)",
};
