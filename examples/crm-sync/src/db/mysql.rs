//! MariaDB from 10.6 on, and MySQL from 8.0 on.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlRow};
use sqlx::{MySql, Row, ValueRef};

use super::driver::{Dialect, Driver, Record, Step, StoreError, Value};

const CONNECTIONS: u32 = 8;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a transaction is run again that the server called off because of another one's locks.
const TRIES: u32 = 5;
const LOCK_WAIT_TIMEOUT: u16 = 1205;
const DEADLOCK: u16 = 1213;

#[derive(Debug)]
pub(crate) struct MysqlDriver {
    pool: MySqlPool,
}

impl MysqlDriver {
    pub(crate) async fn open(url: &str, shown: &str) -> Result<Self, StoreError> {
        let cannot =
            |error| StoreError::because(format!("cannot open the database {shown}"), error);
        let options = MySqlConnectOptions::from_str(url).map_err(cannot)?;
        let pool = MySqlPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT_TIMEOUT)
            .connect_with(options)
            .await
            .map_err(cannot)?;
        sqlx::raw_sql(include_str!("schema_mysql.sql"))
            .execute(&pool)
            .await
            .map_err(|error| StoreError::because("cannot create the tables", error))?;
        Ok(Self { pool })
    }

    async fn try_transaction(&self, steps: &[Step]) -> Result<Option<u64>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
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
}

#[async_trait]
impl Driver for MysqlDriver {
    async fn query(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = bound(sql, &values).fetch_all(&self.pool).await?;
        rows.iter().map(record).collect()
    }

    async fn transaction(&self, steps: &[Step]) -> Result<Option<u64>, StoreError> {
        let mut tries = 1;
        loop {
            match self.try_transaction(steps).await {
                Err(error) if tries < TRIES && is_lock_conflict(&error) => tries += 1,
                done => return Ok(done?),
            }
        }
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}

/// Whether the server called the transaction off for another one's sake; nothing of it was kept.
fn is_lock_conflict(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>())
        .is_some_and(|error| matches!(error.number(), LOCK_WAIT_TIMEOUT | DEADLOCK))
}

fn bound(
    sql: &'static str,
    values: &[Value],
) -> sqlx::query::Query<'static, MySql, MySqlArguments> {
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.clone()),
    })
}

fn record(row: &MySqlRow) -> Result<Record, StoreError> {
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
        ON DUPLICATE KEY UPDATE name = VALUES(name), provider = VALUES(provider),
            base_url = VALUES(base_url), api_key = VALUES(api_key)",
    add_records: "
        INSERT IGNORE INTO crm_records (store, entity, updated_at, record, fields)
        SELECT ?, ?, ?, record, fields FROM JSON_TABLE(?, '$[*]' COLUMNS (
            record BIGINT PATH '$.record',
            fields TEXT CHARACTER SET utf8mb4 PATH '$.fields')) AS new",
};
