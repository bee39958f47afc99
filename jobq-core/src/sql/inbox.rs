//! What a handler writes, once: in the transaction of the effect the job's id is written too, and the
//! token of its attempt.
//!
//! ```no_run
//! # use jobq_core::sql::inbox;
//! # use jobq_core::{Job, JobContext, JobResult};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Serialize, Deserialize, Job)]
//! # struct Charge { account: i64, cents: i64 }
//! async fn charge(job: Charge, db: &sqlx::MySqlPool, cx: JobContext) -> JobResult<u64> {
//!     let mut tx = db.begin().await?;
//!     if let Some(entry) = inbox::enter(&mut *tx, &cx).await? {
//!         return Ok(entry); // what the run returned that wrote it
//!     }
//!     let sql = "INSERT INTO entries (account, cents) VALUES (?, ?)";
//!     let done = sqlx::query(sql).bind(job.account).bind(job.cents).execute(&mut *tx).await?;
//!     let entry = done.last_insert_id();
//!     inbox::finish(&mut *tx, &cx, &entry).await?;
//!     tx.commit().await?;
//!     Ok(entry)
//! }
//! ```
//!
//! # Promises
//!
//! - Of all runs of a job one commits its effect, as long as the row is kept. Every later one is given what
//!   that one returned.
//! - Of two runs at once, the second waits in [`enter`] until the first has committed or rolled back.
//! - When a transaction of a newer attempt has committed, [`enter`] and [`finish`] refuse an older one.
//!
//! A handler of several transactions enters in each of them and finishes in the last: then each of them is
//! fenced, though only all of them together happen once.
//!
//! # What it does not do
//!
//! What is not in the transaction (a mail, a call to another system) is not undone with it.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::{SqlConnection, Value, values};
use super::failure::refused;
use super::outbox::millis;
use crate::context::JobContext;
use crate::error::{Error, ErrorKind, Result};

/// Enters the job of this attempt: the first thing to do in a handler's transaction. `None` lets the
/// handler go on; what an earlier run [finished](finish) with means that there is nothing left to do.
///
/// From here on no other transaction enters the job until this one has ended.
///
/// # Errors
///
/// [`Conflict`](ErrorKind::Conflict) when a newer attempt has written: this one has lost its lease, and must
/// write nothing. [`Corrupt`](ErrorKind::Corrupt) when what the earlier run finished with is no `T`.
/// [`Misconfigured`](ErrorKind::Misconfigured) when the tables are not there, and
/// [`Unavailable`](ErrorKind::Unavailable), with the database's own error as its source, when it refuses:
/// the transaction is to be rolled back. Dropping it does.
pub async fn enter<C, T>(connection: &mut C, cx: &JobContext) -> Result<Option<T>>
where
    C: SqlConnection,
    T: DeserializeOwned,
{
    let failure = |error| refused::<C>("enter a job into the inbox", error);
    let (id, queue, token) = attempt(cx);
    let values = values![id.as_str(), queue.as_str(), token, token];
    connection.execute(C::DIALECT.enter, values).await.map_err(failure)?;
    let found = connection.query(&C::DIALECT.entered, values![id, queue]).await;
    let Some(mut row) = found.map_err(failure)?.into_iter().next() else {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("job {} was taken out of the inbox while it was entered", cx.id()),
        ));
    };
    if row.int(1).is_some() {
        let result = row.take_bytes(2).unwrap_or_default();
        return crate::msgpack::value(&result).map(Some).map_err(|cause| {
            let what = std::any::type_name::<T>();
            let message = format!("what job {} finished with is no {what}", cx.id());
            Error::new(ErrorKind::Corrupt, message).because(cause)
        });
    }
    let newest = row.number(0);
    if newest > token {
        return Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "a newer attempt of job {} has written (token {newest} after {token}): this one has lost \
                 its lease and must write nothing",
                cx.id()
            ),
        ));
    }
    Ok(None)
}

/// Writes that the effect of the job is there, and what its run returns: the last thing to do before the
/// commit. `&()` if there is nothing to return.
///
/// # Errors
///
/// [`Conflict`](ErrorKind::Conflict) when this attempt has not [entered](enter) the job, a newer one has
/// since, or the job is finished: roll the transaction back. [`InvalidInput`](ErrorKind::InvalidInput) when
/// the result has no encoding. Else as [`enter`].
pub async fn finish<C, T>(connection: &mut C, cx: &JobContext, result: &T) -> Result<()>
where
    C: SqlConnection,
    T: Serialize + Sync,
{
    let result = rmp_serde::to_vec_named(result)
        .map_err(|cause| Error::invalid_input("the result has no encoding").because(cause))?;
    let (id, queue, token) = attempt(cx);
    let values = vec![Value::Bytes(result), id.into(), queue.into(), token.into()];
    let done = connection.execute(C::DIALECT.finish, values).await;
    match done.map_err(|error| refused::<C>("finish a job in the inbox", error))? {
        0 => Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "job {} cannot be finished by this attempt (token {token}): it has not entered it, a newer \
                 one has since, or it is finished",
                cx.id()
            ),
        )),
        _ => Ok(()),
    }
}

/// Deletes the rows of jobs that were last entered longer ago than `age`, at most `limit`, and says how
/// many. Call it again while it says `limit`.
///
/// A job that runs again after its row was pruned has its effect again: `age` should be longer than
/// anybody could requeue a dead job, which is 30 days unless configured otherwise.
///
/// # Errors
///
/// As [`enter`], of the database.
pub async fn prune<C: SqlConnection>(connection: &mut C, age: Duration, limit: u32) -> Result<u64> {
    let values = values![millis(age), i64::from(limit)];
    let deleted = connection.execute(C::DIALECT.prune_inbox, values).await;
    deleted.map_err(|error| refused::<C>("prune the inbox", error))
}

/// The job's id and queue, and the token of the attempt.
fn attempt(cx: &JobContext) -> (String, String, i64) {
    // A queue that leases a million jobs a second reaches the limit in 292,000 years.
    let token = i64::try_from(cx.token().as_u64()).unwrap_or(i64::MAX);
    (cx.id().to_string(), cx.queue_name().as_str().to_owned(), token)
}
