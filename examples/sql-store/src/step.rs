//! A transaction whose statements are known before it begins.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{Encode, Executor, Transaction, Type};

use crate::rows::{Affected, Sql, bound};
use crate::value::Value;

/// One statement of a transaction.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a statement has no more to it")]
pub struct Step {
    /// The statement, with question marks.
    pub sql: &'static str,
    /// A value for each of them.
    pub values: Vec<Value>,
    /// Whether the transaction is called off when this statement changes nothing.
    pub is_guard: bool,
}

impl Step {
    /// A statement that may change nothing.
    #[must_use]
    pub const fn new(sql: &'static str, values: Vec<Value>) -> Self {
        Self { sql, values, is_guard: false }
    }

    /// A statement on which the others depend: it must change a row.
    #[must_use]
    pub const fn guard(sql: &'static str, values: Vec<Value>) -> Self {
        Self { sql, values, is_guard: true }
    }
}

/// How many statements a program has sent, the first and last of a transaction included.
#[derive(Debug, Default)]
pub struct Statements(AtomicU64);

impl Statements {
    /// Up to now.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts some that are about to be sent.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }
}

/// Runs all steps or none, and gives how many rows they found to change. `None` when a guard changed nothing:
/// then none was run.
///
/// # Errors
///
/// When the database refuses a step; none was run then.
pub async fn run_all<DB>(
    mut transaction: Transaction<'static, DB>,
    statements: &Statements,
    steps: &[Step],
) -> Result<Option<u64>, sqlx::Error>
where
    DB: Sql,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
    for<'q> Option<i64>: Encode<'q, DB> + Type<DB>,
    for<'q> i64: Encode<'q, DB> + Type<DB>,
    for<'q> String: Encode<'q, DB> + Type<DB>,
{
    // Its beginning and its end.
    statements.add(2);
    let mut changed = 0;
    for step in steps {
        statements.add(1);
        let done =
            bound::<DB>(step.sql, step.values.clone()).execute(&mut *transaction).await?.rows();
        if step.is_guard && done == 0 {
            transaction.rollback().await?;
            return Ok(None);
        }
        changed += done;
    }
    transaction.commit().await?;
    Ok(Some(changed))
}
