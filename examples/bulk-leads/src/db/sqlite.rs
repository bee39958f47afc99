//! SQLite: one file, no server.

use async_trait::async_trait;
use sql_store::sqlite::Pools;
use sql_store::{bound, record};
use sqlx::Sqlite;

use super::driver::{Dialect, Driver, Record, StoreError, Transaction, Value};

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

    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError> {
        Ok(Box::new(SqliteTransaction(self.0.begin().await?)))
    }

    fn dialect(&self) -> &'static Dialect {
        &DIALECT
    }
}

struct SqliteTransaction(sqlx::Transaction<'static, Sqlite>);

#[async_trait]
impl Transaction for SqliteTransaction {
    async fn query(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError> {
        let rows = bound::<Sqlite>(sql, values).fetch_all(&mut *self.0).await?;
        rows.iter().map(record).collect()
    }

    async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, StoreError> {
        Ok(bound::<Sqlite>(sql, values).execute(&mut *self.0).await?.rows_affected())
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        Ok(self.0.commit().await?)
    }

    async fn roll_back(self: Box<Self>) -> Result<(), StoreError> {
        Ok(self.0.rollback().await?)
    }
}

static DIALECT: Dialect = Dialect {
    put_leads: "
        INSERT INTO crm_leads (id, name, status, deleted_at, updated_at)
        SELECT value ->> 'id', value ->> 'name', value ->> 'status', value ->> 'deleted_at', ?2
        FROM json_each(?1) WHERE true
        ON CONFLICT (id) DO UPDATE SET status = excluded.status, deleted_at = excluded.deleted_at,
                                       updated_at = excluded.updated_at",
    add_user: "INSERT INTO crm_users (id, created_at) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
    lock_user: "SELECT id FROM crm_users WHERE id = ?",
    lock_leads: "
        SELECT id, status, deleted_at IS NOT NULL FROM crm_leads
        WHERE id IN (SELECT value FROM json_each(?))",
    add_chunk: "
        INSERT INTO crm_bulk_chunks (job_id, chunk_no, successes, failures, done_at)
        VALUES (?, ?, ?, ?, ?) ON CONFLICT (job_id, chunk_no) DO NOTHING",
    add_history: "
        INSERT INTO crm_lead_history
            (change_id, user_id, to_status, changed_at, lead_id, from_status)
        SELECT ?, ?, ?, ?, id, status FROM crm_leads
        WHERE id IN (SELECT value FROM json_each(?))",
    update_leads: "
        UPDATE crm_leads SET status = ?2, updated_at = ?3
        WHERE id IN (SELECT value FROM json_each(?1))",
    lock_jobs_to_prune: "
        SELECT id, user_id, day, total_leads, state, ended_at - created_at FROM crm_bulk_jobs
        WHERE created_at <= ? AND ((state IN ('completed', 'cancelled') AND ended_at <= ?)
                                   OR (state IN ('failed', 'timed_out') AND ended_at <= ?))
        LIMIT ?",
    add_to_day: "
        INSERT INTO crm_bulk_days
            (day, user_id, jobs, leads, completed, failed, cancelled, timed_out, duration_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (day, user_id) DO UPDATE SET
            jobs = jobs + excluded.jobs, leads = leads + excluded.leads,
            completed = completed + excluded.completed, failed = failed + excluded.failed,
            cancelled = cancelled + excluded.cancelled, timed_out = timed_out + excluded.timed_out,
            duration_ms = duration_ms + excluded.duration_ms",
};
