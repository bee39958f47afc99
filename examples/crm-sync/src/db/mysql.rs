//! MariaDB from 10.6 on, and MySQL from 8.0 on.

use std::time::Duration;

use async_trait::async_trait;
use sql_store::mysql::{Connecting, Isolation, open};
use sql_store::{Statements, again, bound, record, run_all};
use sqlx::MySql;
use sqlx::mysql::MySqlPool;

use super::driver::{Dialect, Driver, Record, Step, StoreError, Value};

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

    async fn transaction(&self, steps: &[Step]) -> Result<Option<u64>, StoreError> {
        again(async || Ok(run_all(self.pool.begin().await?, &Statements::default(), steps).await?))
            .await
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}

static DIALECT: Dialect = Dialect {
    put_store: "
        INSERT INTO crm_stores (store, name, provider, base_url, api_key) VALUES (?, ?, ?, ?, ?)
        ON DUPLICATE KEY UPDATE name = VALUES(name), provider = VALUES(provider),
            base_url = VALUES(base_url), api_key = VALUES(api_key)",
    add_records: "
        INSERT IGNORE INTO crm_records (store, entity, updated_at, record, fields)
        SELECT ?, ?, ?, record, fields FROM JSON_TABLE(?, '$[*]' COLUMNS (
            record BIGINT PATH '$.record',
            fields TEXT CHARACTER SET utf8mb4 PATH '$.fields')) AS new",
};
