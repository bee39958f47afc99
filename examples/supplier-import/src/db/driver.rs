//! What the import needs of a database: a query, a guarded transaction, and the few statements whose
//! words differ.

use std::fmt;

use async_trait::async_trait;

/// Why the database did not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    what: String,
    #[source]
    cause: Option<sqlx::Error>,
}

impl StoreError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), cause: None }
    }

    pub(crate) fn because(what: impl Into<String>, cause: sqlx::Error) -> Self {
        Self { what: what.into(), cause: Some(cause) }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(cause: sqlx::Error) -> Self {
        Self::because("the database refused a statement", cause)
    }
}

/// A value on its way into the database, or out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Int(i64),
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(i64::from(number))
    }
}

impl From<u64> for Value {
    /// Counts, lines and times: none of them comes near the limit.
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// Values for the question marks of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::driver::Value::from($value)),*] };
}
pub(crate) use values;

/// A row that a query found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record(pub(crate) Vec<Value>);

impl Record {
    /// The text in a column; `None` for NULL.
    pub(crate) fn text(&self, column: usize) -> Option<&str> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The number in a column; `None` for NULL.
    pub(crate) fn int(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// The count in a column; 0 for NULL, as of a sum over nothing.
    pub(crate) fn count(&self, column: usize) -> u64 {
        self.int(column).and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
    }
}

/// One statement of a transaction.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) sql: &'static str,
    pub(crate) values: Vec<Value>,
    /// Whether the transaction is called off when this statement changes nothing.
    pub(crate) is_guard: bool,
}

impl Step {
    pub(crate) const fn new(sql: &'static str, values: Vec<Value>) -> Self {
        Self { sql, values, is_guard: false }
    }

    /// A statement on which the others depend: it must change a row.
    pub(crate) const fn guard(sql: &'static str, values: Vec<Value>) -> Self {
        Self { sql, values, is_guard: true }
    }
}

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
