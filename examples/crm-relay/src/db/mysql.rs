//! MariaDB from 10.6 on, and MySQL from 8.0 on.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jobq_core::sql::{inbox, outbox};
use jobq_core::{Backend, JobContext, JobId};
use sqlx::mysql::{
    MySqlArguments, MySqlConnectOptions, MySqlPool, MySqlPoolOptions, MySqlQueryResult, MySqlRow,
};
use sqlx::{Executor, MySql, Row, ValueRef};

use super::driver::{
    Backlog, Dialect, Driver, MessageJob, NEWER, StoreError, Transaction, database, whole,
};
use super::relay::Relay;
use super::sole::Sole;
use super::value::{Record, Value};

const CONNECTIONS: u32 = 16;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct MysqlDriver {
    pool: MySqlPool,
    options: MySqlConnectOptions,
}

impl MysqlDriver {
    pub(crate) async fn open(url: &str, place: &str) -> Result<Self, StoreError> {
        let cannot = |error| StoreError::because(format!("cannot open the database{place}"), error);
        let options = MySqlConnectOptions::from_str(url).map_err(cannot)?;
        let pool = MySqlPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT_TIMEOUT)
            // The server's default would also lock the gaps between messages, and so make transactions
            // wait that have nothing to do with each other.
            .after_connect(|connection, _| {
                Box::pin(async move {
                    let sql = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";
                    connection.execute(sql).await.map(drop)
                })
            })
            .connect_with(options.clone())
            .await
            .map_err(cannot)?;
        sqlx::raw_sql(include_str!("schema_mysql.sql"))
            .execute(&pool)
            .await
            .map_err(|error| StoreError::because("cannot create the tables", error))?;
        for [look, add] in NEWER {
            if sqlx::raw_sql(look).execute(&pool).await.is_err() {
                sqlx::raw_sql(add).execute(&pool).await?;
            }
        }
        jobq_core::sql::create_tables(&mut *pool.acquire().await?).await?;
        Ok(Self { pool, options })
    }
}

#[async_trait]
impl Driver for MysqlDriver {
    async fn query(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        let pool = self.pool.clone();
        whole(async move {
            let rows = bound(sql, values).fetch_all(&pool).await?;
            rows.iter().map(record).collect()
        })
        .await
    }

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        Ok(Box::new(MysqlTransaction(self.pool.begin().await?)))
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }

    fn relay(&self, backend: Arc<dyn Backend>) -> Relay {
        Relay::Mysql(outbox::Relay::new(self.pool.clone(), backend))
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let pool = self.pool.clone();
        whole(async move { backlog(&mut *pool.acquire().await?).await }).await
    }

    async fn sole(&self) -> Result<Option<Sole>, StoreError> {
        Sole::of_server(&self.options).await
    }
}

database!(MysqlTransaction, MySql, MySqlRow, MySqlArguments, |done: &MySqlQueryResult| {
    i64::try_from(done.last_insert_id()).unwrap_or(i64::MAX)
});

static DIALECT: Dialect = Dialect {
    add_inbox: "
        INSERT IGNORE INTO crm_inbox
            (source, message_id, job_id, event, payload, status, received_at, updated_at)
        VALUES (?, ?, ?, ?, ?, 'pending', ?, ?)",
    add_outbox: "
        INSERT IGNORE INTO crm_outbox
            (message_id, job_id, destination, event, payload, caller_key, status, attempts,
             begun, next_attempt_at, created_at, updated_at)
        VALUES (?, ?, ?, ?, ?, ?, 'pending', 0, 0, ?, ?, ?)",
    // The server assigns from left to right: `newest` comes last.
    put_contact: "
        INSERT INTO crm_contacts (source, external_id, name, email, newest, updated_at, messages)
        VALUES (?, ?, ?, ?, ?, ?, 1)
        ON DUPLICATE KEY UPDATE
            messages = messages + 1, updated_at = VALUES(updated_at),
            name = IF(VALUES(newest) > newest, VALUES(name), name),
            email = IF(VALUES(newest) > newest, VALUES(email), email),
            newest = GREATEST(newest, VALUES(newest))",
};
