//! A database's errors as jobq's.

use super::connection::Statements;
use crate::error::{Error, ErrorKind};

/// The error of a statement. All but missing tables may pass: the transaction may be run again.
pub(super) fn refused<C: Statements>(what: &str, error: sqlx::Error) -> Error {
    let is_missing =
        error.as_database_error().is_some_and(|error| (C::DIALECT.is_missing_table)(error));
    if is_missing {
        return Error::new(
            ErrorKind::Misconfigured,
            format!(
                "cannot {what}: the database has no such table; create jobq's tables by \
                 `sql::create_tables` or by a migration"
            ),
        )
        .because(error);
    }
    failed(what, error)
}

/// The error of anything else that the database was asked for.
pub(super) fn failed(what: &str, error: sqlx::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("cannot {what}: the database refused"))
        .because(error)
}
