//! What this system needs of a database. Every change is one statement, so that each happens as a whole
//! or not at all.

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
    /// Times: none of them comes near the limit.
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
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
}

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
