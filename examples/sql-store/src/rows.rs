//! Values in and rows out, for both databases alike.

use sqlx::query::Query;
use sqlx::{ColumnIndex, Database, Decode, Encode, IntoArguments, Row, Type, ValueRef};

use crate::error::StoreError;
use crate::record::Record;
use crate::value::Value;

/// A database whose values and rows are understood here.
pub trait Sql: Database<Arguments: IntoArguments<Self>, QueryResult: Affected> + Sized {}

impl<DB> Sql for DB where DB: Database<Arguments: IntoArguments<DB>, QueryResult: Affected> {}

/// How many rows a statement has found to change.
pub trait Affected {
    /// The rows: one that was set to what it was counts.
    fn rows(&self) -> u64;
}

impl Affected for sqlx::mysql::MySqlQueryResult {
    fn rows(&self) -> u64 {
        self.rows_affected()
    }
}

impl Affected for sqlx::sqlite::SqliteQueryResult {
    fn rows(&self) -> u64 {
        self.rows_affected()
    }
}

/// A statement with values for its question marks.
pub fn bound<DB>(sql: &'static str, values: Vec<Value>) -> Query<'static, DB, DB::Arguments>
where
    DB: Database,
    for<'q> Option<i64>: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
{
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(number) => query.bind(number),
        Value::Text(text) => query.bind(text),
    })
}

/// A row as it was found.
///
/// # Errors
///
/// When a column is neither a number nor a text.
pub fn record<R>(row: &R) -> Result<Record, StoreError>
where
    R: Row,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> String: Decode<'r, R::Database> + Type<R::Database>,
    usize: ColumnIndex<R>,
{
    let value = |column: usize| {
        Ok(if row.try_get_raw(column)?.is_null() {
            Value::Null
        } else if let Ok(number) = row.try_get::<i64, _>(column) {
            Value::Int(number)
        } else {
            Value::Text(row.try_get(column)?)
        })
    };
    (0..row.len()).map(value).collect::<Result<_, _>>().map(Record)
}
