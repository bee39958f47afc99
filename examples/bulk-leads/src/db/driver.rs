//! What bulk updates need of a database: a query, a transaction, and the few statements whose words
//! differ.

use std::fmt;
use std::future::Future;

use async_trait::async_trait;

/// How often a transaction is run that the server calls off because of another one's locks.
const TRIES: u32 = 5;

/// Why the database did not do what it should.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    what: String,
    is_lock_conflict: bool,
    #[source]
    cause: Option<sqlx::Error>,
}

impl StoreError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_lock_conflict: false, cause: None }
    }

    pub(crate) fn because(what: impl Into<String>, cause: sqlx::Error) -> Self {
        Self { what: what.into(), is_lock_conflict: false, cause: Some(cause) }
    }

    /// A transaction was called off for another one's sake; nothing of it was kept.
    pub(crate) fn lock_conflict(cause: sqlx::Error) -> Self {
        let what =
            "the database called a transaction off because of another one's locks".to_owned();
        Self { what, is_lock_conflict: true, cause: Some(cause) }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(cause: sqlx::Error) -> Self {
        Self::because("the database refused a statement", cause)
    }
}

/// Runs a transaction, and runs it again when it was called off because of another one's locks.
pub(crate) async fn again<T, F>(mut run: impl FnMut() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut tries = 1;
    loop {
        match run().await {
            Err(error) if error.is_lock_conflict && tries < TRIES => tries += 1,
            done => return done,
        }
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
    /// Counts, days and times: none of them comes near the limit.
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Int(i64::from(truth))
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

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
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

    /// The text in a column, taken over; empty for NULL.
    pub(crate) fn string(&self, column: usize) -> String {
        self.text(column).unwrap_or_default().to_owned()
    }

    /// The number in a column; `None` for NULL.
    pub(crate) fn int(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// The count or time in a column; `None` for NULL.
    pub(crate) fn uint(&self, column: usize) -> Option<u64> {
        self.int(column).and_then(|number| u64::try_from(number).ok())
    }

    /// The count in a column; 0 for NULL, as of a sum over nothing.
    pub(crate) fn count(&self, column: usize) -> u64 {
        self.uint(column).unwrap_or(0)
    }

    /// The truth in a column; false for NULL.
    pub(crate) fn is_true(&self, column: usize) -> bool {
        self.int(column).is_some_and(|number| number != 0)
    }
}

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
