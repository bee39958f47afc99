//! SQLite: one file, no server.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::{
    SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{Row, Sqlite, ValueRef};

use super::driver::{Driver, Record, StoreError, Value};

/// How long to wait for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);
const READERS: u32 = 4;

/// SQLite has one writer at a time, so this process has one connection that writes: its statements
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
            // A caller was told that the text is stored, so that must survive power loss.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await
            .map_err(cannot)?;
        sqlx::raw_sql(include_str!("schema_sqlite.sql"))
            .execute(&writer)
            .await
            .map_err(|error| StoreError::because("cannot create the tables", error))?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options)
            .await
            .map_err(cannot)?;
        Ok(Self { readers, writer })
    }
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

    async fn insert(&self, sql: &'static str, values: Vec<Value>) -> Result<i64, StoreError> {
        Ok(bound(sql, &values).execute(&self.writer).await?.last_insert_rowid())
    }

    async fn change(&self, sql: &'static str, values: Vec<Value>) -> Result<u64, StoreError> {
        Ok(bound(sql, &values).execute(&self.writer).await?.rows_affected())
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
