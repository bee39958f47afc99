//! SQLite: one file, no server.

use async_trait::async_trait;
use sql_store::sqlite::Pools;
use sql_store::{Statements, bound, record, run_all};
use sqlx::Sqlite;

use super::driver::{Dialect, Driver, Record, Step, StoreError, Value};

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

    async fn transaction(&self, steps: &[Step]) -> Result<Option<u64>, StoreError> {
        Ok(run_all(self.0.begin().await?, &Statements::default(), steps).await?)
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
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
