//! What both databases do alike: statements outside of transactions, counted.

use sql_store::{Affected, Sql, Statements, bound, record};
use sqlx::{ColumnIndex, Decode, Encode, Executor, Pool, Type};

use super::driver::{Record, Step, StoreError, Value};

/// Reads what is committed.
pub(super) async fn query<DB>(
    pool: &Pool<DB>,
    statements: &Statements,
    sql: &'static str,
    values: Vec<Value>,
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
    rows.iter().map(record).collect()
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
    let done = bound::<DB>(step.sql, step.values.clone()).execute(pool).await?;
    Ok(!step.is_guard || done.rows() > 0)
}
