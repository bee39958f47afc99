//! What bulk updates need of a database: a query, a transaction, and the few statements whose words
//! differ.

use std::fmt;

use async_trait::async_trait;
pub(crate) use sql_store::{Record, StoreError, Value, again, values};

/// A database.
#[async_trait]
pub(crate) trait Driver: fmt::Debug + Send + Sync {
    /// Reads what is committed.
    async fn query(&self, sql: &'static str, values: Vec<Value>)
    -> Result<Vec<Record>, StoreError>;

    /// Begins a transaction that is going to write.
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError>;

    fn dialect(&self) -> &'static Dialect;
}

/// Statements that are kept together or not at all: not, unless it is committed.
#[async_trait]
pub(crate) trait Transaction: Send {
    async fn query(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError>;

    /// Changes rows, and says how many were found: one that is set to what it was counts.
    async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, StoreError>;

    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Gives its locks back at once, which dropping it does a moment later.
    async fn roll_back(self: Box<Self>) -> Result<(), StoreError>;
}

/// The statements whose words depend on the database. All lists travel as one JSON text, so that the
/// statements are the same for any number of rows.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// `[{id, name, status, deleted_at}]`, now: puts back those that are there.
    pub(crate) put_leads: &'static str,
    /// user id, now
    pub(crate) add_user: &'static str,
    /// user id: from here on no other transaction accepts a job of this user
    pub(crate) lock_user: &'static str,
    /// `[lead id]`: id, status, whether deleted; nobody else changes them before the transaction ends
    pub(crate) lock_leads: &'static str,
    /// job id, chunk_no, successes, failures, now: changes nothing if the chunk is there
    pub(crate) add_chunk: &'static str,
    /// change id, user id, to status, now, `[lead id]`
    pub(crate) add_history: &'static str,
    /// `[lead id]`, to status, now
    pub(crate) update_leads: &'static str,
    /// accepted before, completed before, failed before, limit
    pub(crate) lock_jobs_to_prune: &'static str,
    /// day, user id, jobs, leads, completed, failed, cancelled, timed_out, duration_ms: adds to the row
    pub(crate) add_to_day: &'static str,
}
