//! What the import needs of a database: a query, a guarded transaction, and the few statements whose
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

    /// Runs all steps or none. `false` when a guard changed nothing: then none was run.
    ///
    /// "Changed" means found: a row that is set to what it was counts.
    async fn transaction(&self, steps: &[Step]) -> Result<bool, StoreError>;

    /// How many statements were sent since it was opened.
    fn statements(&self) -> u64;

    fn dialect(&self) -> &'static Dialect;
}

/// The statements whose words depend on the database. All lists travel as one JSON text, so that the
/// statements are the same for any number of rows.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// `[{id, sku, ean, name}]`
    pub(crate) add_products: &'static str,
    /// contractor, now, `[{id, sku, ean}]`
    pub(crate) add_links: &'static str,
    /// id, contractor, source, now
    pub(crate) add_import: &'static str,
    /// id, contractor, source, now, contractor, since: changes nothing if the contractor has an import that has
    /// been running since then.
    pub(crate) start_import: &'static str,
    /// `[sku]`, contractor, `[ean]`, contractor
    pub(crate) find_links: &'static str,
    /// chunk_no, read, updated, unmatched, rejected, now, import id: changes nothing unless the import
    /// is running and the chunk is new.
    pub(crate) add_chunk: &'static str,
    /// `[{id, line, availability}]`, now, import no, import no, import no: leaves alone what is from a
    /// later row.
    pub(crate) update_links: &'static str,
    /// import id, `[{line, reason}]`
    pub(crate) add_rejections: &'static str,
    /// `[{id, told}]`: what the shop was told of these links, as JSON.
    pub(crate) note_availability: &'static str,
    /// `[{product, counterpart}]`: a row that has one of them in another pair is replaced.
    pub(crate) link_shop_products: &'static str,
}
