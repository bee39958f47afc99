//! SQLite: one file, no server.

use async_trait::async_trait;
use sql_store::sqlite::Pools;
use sql_store::{bound, record};
use sqlx::Sqlite;

use super::driver::{Driver, Record, StoreError, Value};

#[derive(Debug)]
pub(crate) struct SqliteDriver(Pools);

impl SqliteDriver {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        Ok(Self(Pools::open(url, include_str!("schema_sqlite.sql")).await?))
    }
}

#[async_trait]
impl Driver for SqliteDriver {
    async fn query(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = bound::<Sqlite>(sql, values).fetch_all(&self.0.readers).await?;
        rows.iter().map(record).collect()
    }

    async fn insert(&self, sql: &'static str, values: Vec<Value>) -> Result<i64, StoreError> {
        Ok(bound::<Sqlite>(sql, values).execute(&self.0.writer).await?.last_insert_rowid())
    }

    async fn change(&self, sql: &'static str, values: Vec<Value>) -> Result<u64, StoreError> {
        Ok(bound::<Sqlite>(sql, values).execute(&self.0.writer).await?.rows_affected())
    }
}
