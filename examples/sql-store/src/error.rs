//! Why a database did not do what it should, and whether to try again.

use std::error::Error;

use program::Failure;

/// How often a transaction is run that the server calls off because of another one's locks.
const TRIES: u32 = 5;
const LOCK_WAIT_TIMEOUT: u16 = 1205;
const DEADLOCK: u16 = 1213;

/// Why the database did not do what it should. Never holds a password.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct StoreError {
    what: String,
    is_lock_conflict: bool,
    #[source]
    cause: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error without a cause below it.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_lock_conflict: false, cause: None }
    }

    /// What could not be done, and why.
    #[must_use]
    pub fn because(what: impl Into<String>, cause: impl Error + Send + Sync + 'static) -> Self {
        let is_lock_conflict = is_lock_conflict(&cause);
        Self { what: what.into(), is_lock_conflict, cause: Some(Box::new(cause)) }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(cause: sqlx::Error) -> Self {
        Self::because("the database refused a statement", cause)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::failed(&error)
    }
}

impl From<jobq_core::Error> for StoreError {
    fn from(cause: jobq_core::Error) -> Self {
        Self::because("the database refused a statement of jobq's own", cause)
    }
}

/// Whether a transaction was called off for another one's sake; nothing of it was kept.
fn is_lock_conflict(error: &(dyn Error + 'static)) -> bool {
    let mut below = Some(error);
    while let Some(error) = below {
        if let Some(sqlx::Error::Database(refusal)) = error.downcast_ref() {
            return refusal
                .try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()
                .is_some_and(|error| matches!(error.number(), LOCK_WAIT_TIMEOUT | DEADLOCK));
        }
        below = error.source();
    }
    false
}

/// Runs a transaction, and runs it again when it was called off because of another one's locks.
///
/// # Errors
///
/// As the transaction's; the last one, if it was called off too often.
pub async fn again<T, F>(mut run: impl FnMut() -> F) -> Result<T, StoreError>
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
