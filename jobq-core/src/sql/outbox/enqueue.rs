//! The enqueue within a transaction.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;

use super::Row;
use crate::clock::SystemClock;
use crate::error::Result;
use crate::id::JobId;
use crate::job::Job;
use crate::job_ref::JobRef;
use crate::options::{Options, after_setter, one_job_setters, option_setters};
use crate::queue::new_job;
use crate::record::NewJob;
use crate::sql::connection::{SqlConnection, values};
use crate::sql::failure::refused;

/// Enqueues one job by the transaction that this connection is in: `enqueue(&mut *tx, job)`. Await the
/// answer, after choosing options if need be. Without a transaction it is enqueued at once.
///
/// The answer says where the job will be found. Whether it is a duplicate is only known to its queue, and
/// shows when a relay hands it over: the one that holds the id or the unique key then stands for it.
///
/// Cancel safe like any statement: dropped, the row may or may not be part of the transaction. Roll it back.
///
/// # Errors
///
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) when no queue could take the job: nothing is written.
/// [`Misconfigured`](crate::ErrorKind::Misconfigured) when the tables are not there, and
/// [`Unavailable`](crate::ErrorKind::Unavailable), with the database's own error as its source, when it
/// refuses: the transaction is to be rolled back.
pub fn enqueue<C: SqlConnection, J: Job>(connection: &mut C, job: J) -> Enqueue<'_, C, J> {
    Enqueue { connection, job, options: Options::default() }
}

/// A job about to be enqueued by a transaction: choose options, then await it.
///
/// A delay is counted from the enqueue, by the database's clock.
#[must_use = "nothing is enqueued until this is awaited"]
pub struct Enqueue<'t, C, J> {
    connection: &'t mut C,
    job: J,
    options: Options,
}

impl<C: SqlConnection, J: Job> Enqueue<'_, C, J> {
    option_setters!();
    after_setter!();
    one_job_setters!();
}

impl<'t, C: SqlConnection, J: Job> IntoFuture for Enqueue<'t, C, J> {
    type Output = Result<JobRef>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 't>>;

    fn into_future(self) -> Self::IntoFuture {
        let id = self.options.id.unwrap_or_else(|| JobId::generate(&SystemClock));
        let job = new_job(id, &self.job, &self.options);
        Box::pin(add(self.connection, job))
    }
}

async fn add<C: SqlConnection>(connection: &mut C, job: Result<NewJob>) -> Result<JobRef> {
    let job = job?;
    let row = Row::of(&job);
    let values = values![row.id, row.queue, row.kind, row.payload.as_slice(), row.options];
    let what = "write a job into the outbox";
    connection
        .execute(C::DIALECT.add_row, values)
        .await
        .map_err(|error| refused::<C>(what, error))?;
    Ok(JobRef::new(job.record.queue, job.record.id))
}

impl<C, J> fmt::Debug for Enqueue<'_, C, J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enqueue").field("options", &self.options).finish_non_exhaustive()
    }
}
