//! MariaDB from 10.6 on, and MySQL from 8.0 on.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jobq_core::sql::{inbox, outbox};
use jobq_core::{Backend, JobContext, JobId};
use sql_store::mysql::{Connecting, Isolation, open};
use sql_store::{bound, record};
use sqlx::MySql;
use sqlx::mysql::{MySqlPool, MySqlQueryResult};

use super::driver::{
    Backlog, Dialect, Driver, MessageJob, NEWER, Record, StoreError, Transaction, Value, database,
    whole,
};
use super::relay::Relay;
use super::sole::Sole;

const CONNECTING: Connecting = Connecting {
    connections: 16,
    patience: Duration::from_secs(10),
    isolation: Isolation::ReadCommitted,
};

#[derive(Debug)]
pub(crate) struct MysqlDriver {
    pool: MySqlPool,
}

impl MysqlDriver {
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let pool = open(url, include_str!("schema_mysql.sql"), CONNECTING).await?;
        for [look, add] in NEWER {
            if sqlx::raw_sql(look).execute(&pool).await.is_err() {
                sqlx::raw_sql(add).execute(&pool).await?;
            }
        }
        jobq_core::sql::create_tables(&mut *pool.acquire().await?).await?;
        Ok(Self { pool })
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
            let rows = bound::<MySql>(sql, values).fetch_all(&pool).await?;
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
        Sole::of_server(&self.pool.connect_options()).await
    }
}

database!(MysqlTransaction, MySql, |done: &MySqlQueryResult| {
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
