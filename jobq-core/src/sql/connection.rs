//! The little that is asked of a database: statements with values, and rows of columns.

use std::future::Future;

use super::dialect::{Dialect, Query};

/// A connection to a database that can hold an outbox and an inbox: sqlx's connections to SQLite, MySQL or
/// MariaDB, and PostgreSQL, each if its feature is on. A transaction gives one as `&mut *tx`.
///
/// Sealed: nobody else can implement it.
#[expect(private_bounds, reason = "this is what seals it")]
pub trait SqlConnection: sqlx::Connection + Statements {}

impl<C: sqlx::Connection + Statements> SqlConnection for C {}

/// A value on its way into the database, or out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
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

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_owned())
    }
}

/// Values for the places of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::sql::connection::Value::from($value)),*] };
}
pub(super) use values;

/// A row that a query found: one value for each of its columns.
#[derive(Clone, Debug)]
pub(super) struct Record(pub(super) Vec<Value>);

impl Record {
    /// The number in a column; `None` for NULL.
    pub(super) fn int(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Int(number)) => Some(*number),
            _ => None,
        }
    }

    /// The number in a column that is never NULL.
    pub(super) fn number(&self, column: usize) -> i64 {
        self.int(column).unwrap_or_default()
    }

    /// The text in a column, taken over; empty for NULL.
    pub(super) fn take_text(&mut self, column: usize) -> String {
        match self.0.get_mut(column) {
            Some(Value::Text(text)) => std::mem::take(text),
            _ => String::new(),
        }
    }

    /// The bytes in a column, taken over; `None` for NULL.
    pub(super) fn take_bytes(&mut self, column: usize) -> Option<Vec<u8>> {
        match self.0.get_mut(column) {
            Some(Value::Bytes(bytes)) => Some(std::mem::take(bytes)),
            _ => None,
        }
    }
}

/// What each kind of connection does in its own words.
pub(super) trait Statements: Send {
    const DIALECT: &'static Dialect;

    /// Changes rows, and says how many were found.
    fn execute(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    fn query(
        &mut self,
        query: &'static Query,
        values: Vec<Value>,
    ) -> impl Future<Output = Result<Vec<Record>, sqlx::Error>> + Send;

    fn create_tables(&mut self) -> impl Future<Output = Result<(), sqlx::Error>> + Send;
}

/// The same words for each of sqlx's databases: its traits cannot say "a database that takes numbers, texts
/// and bytes" in fewer than these say it three times.
macro_rules! statements {
    ($connection:ty, $database:ty, $row:ty, $arguments:ty, $create:expr) => {
        impl Statements for $connection {
            const DIALECT: &'static Dialect = &DIALECT;

            async fn execute(
                &mut self,
                sql: &'static str,
                values: Vec<Value>,
            ) -> Result<u64, sqlx::Error> {
                Ok(bound(sql, values).execute(self).await?.rows_affected())
            }

            async fn query(
                &mut self,
                query: &'static Query,
                values: Vec<Value>,
            ) -> Result<Vec<Record>, sqlx::Error> {
                let rows = bound(query.sql, values).fetch_all(self).await?;
                rows.iter().map(|row| record(row, query.columns)).collect()
            }

            async fn create_tables(&mut self) -> Result<(), sqlx::Error> {
                for sql in $create {
                    sqlx::raw_sql(sql).execute(&mut *self).await?;
                }
                Ok(())
            }
        }

        fn bound(
            sql: &'static str,
            values: Vec<Value>,
        ) -> sqlx::query::Query<'static, $database, $arguments> {
            values.into_iter().fold(sqlx::query(sql), |query, value| match value {
                // The one column that may be empty is never written so.
                Value::Null => query.bind(None::<i64>),
                Value::Int(number) => query.bind(number),
                Value::Text(text) => query.bind(text),
                Value::Bytes(bytes) => query.bind(bytes),
            })
        }

        fn record(row: &$row, columns: &[Column]) -> Result<Record, sqlx::Error> {
            let value = |(index, column): (usize, &Column)| {
                let value = match column {
                    Column::Int => row.try_get::<Option<i64>, _>(index)?.map(Value::Int),
                    Column::Text => row.try_get::<Option<String>, _>(index)?.map(Value::Text),
                    Column::Bytes => row.try_get::<Option<Vec<u8>>, _>(index)?.map(Value::Bytes),
                };
                Ok(value.unwrap_or(Value::Null))
            };
            columns.iter().enumerate().map(value).collect::<Result<_, _>>().map(Record)
        }
    };
}
pub(super) use statements;
