//! MariaDB from 10.6 on, and MySQL from 8.0 on.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::mysql::{
    MySqlArguments, MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlQueryResult, MySqlRow,
};
use sqlx::{MySql, Row, ValueRef};

use super::driver::{Driver, Record, StoreError, Value};

const CONNECTIONS: u32 = 8;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a statement is run that the server called off because of another one's locks.
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

    /// Runs a statement again as often as the server calls it off for another one's sake.
    async fn execute(&self, sql: &'static str, values: &[Value]) -> sqlx::Result<MySqlQueryResult> {
        let mut tries = 1;
        loop {
            match bound(sql, values).execute(&self.pool).await {
                Err(error) if tries < TRIES && is_lock_conflict(&error) => tries += 1,
                done => return done,
            }
        }
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

    async fn insert(&self, sql: &'static str, values: Vec<Value>) -> Result<i64, StoreError> {
        let done = self.execute(sql, &values).await?;
        i64::try_from(done.last_insert_id())
            .map_err(|_| StoreError::new("the database has used up its numbers"))
    }

    async fn change(&self, sql: &'static str, values: Vec<Value>) -> Result<u64, StoreError> {
        Ok(self.execute(sql, &values).await?.rows_affected())
    }
}

/// Whether the server called the statement off for another one's sake; nothing of it was kept.
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
