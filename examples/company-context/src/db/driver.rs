//! What this system needs of a database. Every change is one statement, so that each happens as a whole
//! or not at all.

use std::fmt;

use async_trait::async_trait;
pub(crate) use sql_store::{Record, StoreError, Value, values};

/// A database.
#[async_trait]
pub(crate) trait Driver: fmt::Debug + Send + Sync {
    /// Reads what is committed.
    async fn query(&self, sql: &'static str, values: Vec<Value>)
    -> Result<Vec<Record>, StoreError>;

    /// Adds a row, and gives the number the database has given it.
    async fn insert(&self, sql: &'static str, values: Vec<Value>) -> Result<i64, StoreError>;

    /// Changes rows, and gives how many it found; one that is set to what it was counts.
    async fn change(&self, sql: &'static str, values: Vec<Value>) -> Result<u64, StoreError>;
}
