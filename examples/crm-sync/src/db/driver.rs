//! What this system needs of a database: a query, a guarded transaction, and the few statements whose
//! words differ.

use std::fmt;

use async_trait::async_trait;
pub(crate) use sql_store::{Record, Step, StoreError, Value, values};

/// A database.
#[async_trait]
pub(crate) trait Driver: fmt::Debug + Send + Sync {
    /// Reads what is committed.
    async fn query(&self, sql: &'static str, values: Vec<Value>)
    -> Result<Vec<Record>, StoreError>;

    /// Runs all steps or none, and gives how many rows they changed. `None` when a guard changed nothing:
    /// then none was run.
    ///
    /// "Changed" means found: a row that is set to what it was counts.
    async fn transaction(&self, steps: &[Step]) -> Result<Option<u64>, StoreError>;

    fn dialect(&self) -> &'static Dialect;
}

/// The statements whose words depend on the database. Lists travel as one JSON text, so that the
/// statements are the same for any number of rows.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// store, name, provider, base_url, api_key: a store that is there is changed.
    pub(crate) put_store: &'static str,
    /// store, entity, now, `[{record, fields}]`: a record that is there stays as it is.
    pub(crate) add_records: &'static str,
}
