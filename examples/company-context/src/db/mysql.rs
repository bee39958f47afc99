//! MariaDB from 10.6 on, and MySQL from 8.0 on.

use std::time::Duration;

use async_trait::async_trait;
use sql_store::mysql::{Connecting, Isolation, open};
use sql_store::{again, bound, record};
use sqlx::MySql;
use sqlx::mysql::{MySqlPool, MySqlQueryResult};

use super::driver::{Driver, Record, StoreError, Value};

const CONNECTING: Connecting =
    Connecting { connections: 8, patience: Duration::from_secs(5), isolation: Isolation::OfServer };

#[derive(Debug)]
pub(crate) struct MysqlDriver {
    pool: MySqlPool,
}

impl MysqlDriver {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        Ok(Self { pool: open(url, include_str!("schema_mysql.sql"), CONNECTING).await? })
    }

    /// Runs a statement again as often as the server calls it off for another one's sake.
    async fn execute(
        &self,
        sql: &'static str,
        values: &[Value],
    ) -> Result<MySqlQueryResult, StoreError> {
        again(async || Ok(bound::<MySql>(sql, values.to_vec()).execute(&self.pool).await?)).await
    }
}

#[async_trait]
impl Driver for MysqlDriver {
    async fn query(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = bound::<MySql>(sql, values).fetch_all(&self.pool).await?;
        rows.iter().map(record).collect()
    }

    async fn insert(&self, sql: &'static str, values: Vec<Value>) -> Result<i64, StoreError> {
        let done = self.execute(sql, &values).await?;
        i64::try_from(done.last_insert_id())
            .map_err(|_| StoreError::new("the database has used up its numbers"))
    }

    async fn change(&self, sql: &'static str, values: Vec<Value>) -> Result<u64, StoreError> {
        Ok(self.execute(sql, &values).await?.rows_affected())
    }
}
