//! MariaDB from 10.6 on, and MySQL from 8.0 on.

use std::time::Duration;

use async_trait::async_trait;
use sql_store::mysql::{Connecting, Isolation, open};
use sql_store::{bound, record};
use sqlx::MySql;
use sqlx::mysql::MySqlPool;

use super::driver::{Dialect, Driver, Record, StoreError, Transaction, Value};

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

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        Ok(Box::new(MysqlTransaction(self.pool.begin().await?)))
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}

struct MysqlTransaction(sqlx::Transaction<'static, MySql>);

#[async_trait]
impl Transaction for MysqlTransaction {
    async fn query(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = bound::<MySql>(sql, values).fetch_all(&mut *self.0).await?;
        rows.iter().map(record).collect()
    }

    async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, StoreError> {
        Ok(bound::<MySql>(sql, values).execute(&mut *self.0).await?.rows_affected())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }

    async fn roll_back(self: Box<Self>) -> Result<(), StoreError> {
        Ok(self.0.rollback().await?)
    }
}

// STRAIGHT_JOIN: the server cannot know how short the lists are, and would otherwise scan the leads.
// A list's rows are locked in its order, which is that of the ids, so that two chunks do not deadlock.
static DIALECT: Dialect = Dialect {
    put_leads: "
        INSERT INTO crm_leads (id, name, status, deleted_at, updated_at)
        SELECT id, name, status, deleted_at, updated_at FROM JSON_TABLE(?, '$[*]' COLUMNS (
            id BIGINT PATH '$.id', name VARCHAR(255) PATH '$.name',
            status VARCHAR(16) PATH '$.status', deleted_at BIGINT PATH '$.deleted_at')) AS new
        CROSS JOIN (SELECT ? AS updated_at) AS now WHERE true
        ON DUPLICATE KEY UPDATE status = VALUES(status), deleted_at = VALUES(deleted_at),
                                updated_at = VALUES(updated_at)",
    add_user: "INSERT IGNORE INTO crm_users (id, created_at) VALUES (?, ?)",
    lock_user: "SELECT id FROM crm_users WHERE id = ? FOR UPDATE",
    lock_leads: "
        SELECT leads.id, leads.status, leads.deleted_at IS NOT NULL
        FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) AS wanted
        STRAIGHT_JOIN crm_leads AS leads ON leads.id = wanted.id
        FOR UPDATE",
    add_chunk: "
        INSERT IGNORE INTO crm_bulk_chunks (job_id, chunk_no, successes, failures, done_at)
        VALUES (?, ?, ?, ?, ?)",
    add_history: "
        INSERT INTO crm_lead_history
            (change_id, user_id, to_status, changed_at, lead_id, from_status)
        SELECT ?, ?, ?, ?, leads.id, leads.status
        FROM JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) AS wanted
        STRAIGHT_JOIN crm_leads AS leads ON leads.id = wanted.id",
    update_leads: "
        UPDATE JSON_TABLE(?, '$[*]' COLUMNS (id BIGINT PATH '$')) AS wanted
        STRAIGHT_JOIN crm_leads AS leads ON leads.id = wanted.id
        SET leads.status = ?, leads.updated_at = ?",
    lock_jobs_to_prune: "
        SELECT id, user_id, day, total_leads, state, ended_at - created_at FROM crm_bulk_jobs
        WHERE created_at <= ? AND ((state IN ('completed', 'cancelled') AND ended_at <= ?)
                                   OR (state IN ('failed', 'timed_out') AND ended_at <= ?))
        LIMIT ? FOR UPDATE",
    add_to_day: "
        INSERT INTO crm_bulk_days
            (day, user_id, jobs, leads, completed, failed, cancelled, timed_out, duration_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON DUPLICATE KEY UPDATE
            jobs = jobs + VALUES(jobs), leads = leads + VALUES(leads),
            completed = completed + VALUES(completed), failed = failed + VALUES(failed),
            cancelled = cancelled + VALUES(cancelled), timed_out = timed_out + VALUES(timed_out),
            duration_ms = duration_ms + VALUES(duration_ms)",
};
