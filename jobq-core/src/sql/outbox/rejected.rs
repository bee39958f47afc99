//! What people look at: how much waits, and what could not be enqueued.

use std::time::Duration;

use crate::clock::whole_millis;
use crate::error::Result;
use crate::sql::connection::{SqlConnection, Value, values};
use crate::sql::failure::{failed, refused};

/// How much of a queue waits in the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// The queue's name, as it was written.
    pub queue: String,
    /// How many jobs wait for a relay.
    pub jobs: u64,
    /// For how long the oldest of them has.
    pub oldest: Duration,
}

/// A row that no queue can ever take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rejected {
    /// Names the row.
    pub seq: i64,
    /// The job's id, as it was written.
    pub id: String,
    /// Its queue, as it was written.
    pub queue: String,
    /// Its kind, as it was written.
    pub kind: String,
    /// Why it was set aside.
    pub reason: String,
    /// How long ago.
    pub age: Duration,
}

/// How much waits, by queue; nothing for a queue that has nothing. Counts the rows, so it takes time in
/// proportion to them.
///
/// # Errors
///
/// As [`enqueue`](super::enqueue), of the database.
pub async fn backlog<C: SqlConnection>(connection: &mut C) -> Result<Vec<Backlog>> {
    let found = connection.query(&C::DIALECT.backlog, Vec::new()).await;
    let rows = found.map_err(|error| refused::<C>("count what is in the outbox", error))?;
    let backlog = rows.into_iter().map(|mut row| Backlog {
        queue: row.take_text(0),
        jobs: u64::try_from(row.number(1)).unwrap_or(0),
        oldest: age(row.number(2)),
    });
    Ok(backlog.collect())
}

/// The first rows that were set aside, oldest first, at most `limit`.
///
/// # Errors
///
/// As [`enqueue`](super::enqueue), of the database.
pub async fn rejected<C: SqlConnection>(connection: &mut C, limit: u32) -> Result<Vec<Rejected>> {
    let found = connection.query(&C::DIALECT.rejected, values![i64::from(limit)]).await;
    let rows = found.map_err(|error| refused::<C>("list what was set aside", error))?;
    let rejected = rows.into_iter().map(|mut row| Rejected {
        seq: row.number(0),
        id: row.take_text(1),
        queue: row.take_text(2),
        kind: row.take_text(3),
        reason: row.take_text(4),
        age: age(row.number(5)),
    });
    Ok(rejected.collect())
}

/// Puts a row that was set aside back into the outbox, after all others: its cause may have been put
/// right. False if there is none. In a transaction of its own, or as a part of the caller's.
///
/// # Errors
///
/// As [`enqueue`](super::enqueue), of the database.
pub async fn restore_rejected<C: SqlConnection>(connection: &mut C, seq: i64) -> Result<bool> {
    let what = "restore a row that was set aside";
    let mut tx = connection.begin().await.map_err(|error| failed(what, error))?;
    let failure = |error| refused::<C>(what, error);
    let on: &mut C = as_connection(&mut tx);
    let restored = on.execute(C::DIALECT.restore, values![seq]).await.map_err(failure)?;
    on.execute(C::DIALECT.forget_rejected, values![seq]).await.map_err(failure)?;
    tx.commit().await.map_err(|error| failed(what, error))?;
    Ok(restored > 0)
}

/// Deletes a row that was set aside: its job will never run. False if there is none.
///
/// # Errors
///
/// As [`enqueue`](super::enqueue), of the database.
pub async fn forget_rejected<C: SqlConnection>(connection: &mut C, seq: i64) -> Result<bool> {
    let sql = C::DIALECT.forget_rejected;
    let deleted = connection.execute(sql, vec![Value::Int(seq)]).await;
    Ok(deleted.map_err(|error| refused::<C>("delete a row that was set aside", error))? > 0)
}

/// Deletes rows that were set aside longer ago than `age`, at most `limit`, and says how many. Call it
/// again while it says `limit`.
///
/// # Errors
///
/// As [`enqueue`](super::enqueue), of the database.
pub async fn prune_rejected<C: SqlConnection>(
    connection: &mut C,
    age: Duration,
    limit: u32,
) -> Result<u64> {
    let values = values![millis(age), i64::from(limit)];
    let deleted = connection.execute(C::DIALECT.prune_rejected, values).await;
    deleted.map_err(|error| refused::<C>("prune what was set aside", error))
}

fn as_connection<'t, C: SqlConnection>(tx: &'t mut sqlx::Transaction<'_, C::Database>) -> &'t mut C
where
    C::Database: sqlx::Database<Connection = C>,
{
    tx
}

/// An age that the database has counted; clocks may step back.
fn age(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// An age for the database to count with.
pub(in crate::sql) fn millis(age: Duration) -> i64 {
    // Subtracted from a time: no age is longer than there has been.
    i64::try_from(whole_millis(age)).unwrap_or(i64::MAX).min(1 << 52)
}
