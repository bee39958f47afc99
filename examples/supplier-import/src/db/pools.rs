//! What both databases do alike: values in, records out, steps in a transaction, statements counted.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::query::Query;
use sqlx::{
    ColumnIndex, Database, Decode, Encode, Executor, IntoArguments, Pool, Row, Transaction, Type,
    ValueRef,
};

use super::driver::{Record, Step, StoreError, Value};

/// How many statements a program has sent, the first and last of a transaction included.
#[derive(Debug, Default)]
pub(super) struct Statements(AtomicU64);

impl Statements {
    pub(super) fn sent(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// A database whose values and rows are understood here.
pub(super) trait Sql:
    Database<Arguments: IntoArguments<Self>, QueryResult: Affected> + Sized
{
}

impl<DB> Sql for DB where DB: Database<Arguments: IntoArguments<DB>, QueryResult: Affected> {}

/// How many rows a statement has found to change.
pub(super) trait Affected {
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

/// Reads what is committed.
pub(super) async fn query<DB>(
    pool: &Pool<DB>,
    statements: &Statements,
    sql: &'static str,
    values: &[Value],
) -> Result<Vec<Record>, StoreError>
where
    DB: Sql,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> Option<i64>: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB> + Decode<'q, DB>,
    for<'q> String: Encode<'q, DB> + Type<DB> + Decode<'q, DB>,
    usize: ColumnIndex<DB::Row>,
{
    statements.add(1);
    let rows = bound::<DB>(sql, values).fetch_all(pool).await?;
    rows.iter().map(record::<DB>).collect()
}

/// Runs one step, which is a transaction of its own.
pub(super) async fn run_one<DB>(
    pool: &Pool<DB>,
    statements: &Statements,
    step: &Step,
) -> Result<bool, sqlx::Error>
where
    DB: Sql,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> Option<i64>: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
{
    statements.add(1);
    let done = bound::<DB>(step.sql, &step.values).execute(pool).await?;
    Ok(!step.is_guard || done.rows() > 0)
}

/// Runs all steps, or none if a guard changes nothing.
pub(super) async fn run_all<DB>(
    mut transaction: Transaction<'static, DB>,
    statements: &Statements,
    steps: &[Step],
) -> Result<bool, sqlx::Error>
where
    DB: Sql,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> Option<i64>: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
{
    // Its beginning and its end.
    statements.add(2);
    for step in steps {
        statements.add(1);
        let done = bound::<DB>(step.sql, &step.values).execute(&mut *transaction).await?;
        if step.is_guard && done.rows() == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
    }
    transaction.commit().await?;
    Ok(true)
}

fn bound<DB>(sql: &'static str, values: &[Value]) -> Query<'static, DB, DB::Arguments>
where
    DB: Database,
    for<'q> Option<i64>: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
{
    values.iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Null => query.bind(None::<i64>),
        Value::Int(number) => query.bind(*number),
        Value::Text(text) => query.bind(text.clone()),
    })
}

fn record<DB>(row: &DB::Row) -> Result<Record, StoreError>
where
    DB: Database,
    for<'r> i64: Decode<'r, DB> + Type<DB>,
    for<'r> String: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
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
