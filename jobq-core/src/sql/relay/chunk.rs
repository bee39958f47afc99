//! One chunk of one queue: claim the queue, read its first rows, hand them over, remove them.

use std::time::Duration;

use sqlx::Database;
use sqlx::pool::PoolConnection;
use tokio::time::Instant;

use super::counts::RelayCounts;
use super::handover::{Handover, Stop};
use crate::backend::Backend;
use crate::error::{Chain, Error, Result};
use crate::record::NewJob;
use crate::sql::connection::{Record, SqlConnection, Statements, values};
use crate::sql::dialect::Claim;
use crate::sql::failure::{failed, refused};
use crate::sql::outbox::{Row, millis};

/// How many bytes of payload a chunk has before it takes no further row.
const BYTES: i64 = 1024 * 1024;

/// How one relay takes its chunks.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// Its name in claims that have a deadline.
    pub(super) claimant: String,
    /// How long such a claim lasts.
    pub(super) claim: Duration,
    /// The most rows of a chunk.
    pub(super) rows: u32,
}

/// What has become of a chunk.
#[derive(Debug)]
pub(super) enum Chunk {
    /// Another relay has the queue.
    Taken,
    /// Rows have left the outbox, or there were none.
    Done(RelayCounts),
    /// Some may have, and the next one has to wait.
    Waits(RelayCounts, Error),
}

/// Rows that were read and handed over.
#[derive(Debug, Default)]
struct Moved {
    /// To be removed.
    gone: Vec<i64>,
    /// Of these: to be set aside.
    rejected: Vec<(i64, String)>,
    counts: RelayCounts,
    wait: Option<Error>,
}

impl Moved {
    fn into_chunk(self) -> Chunk {
        match self.wait {
            Some(error) => Chunk::Waits(RelayCounts { waits: 1, ..self.counts }, error),
            None => Chunk::Done(self.counts),
        }
    }
}

/// Moves the first rows of a queue.
///
/// Dropped at any point it has moved them or not, and it can be done again: a job whose row is still there
/// has not been handed over, or is known.
pub(super) async fn move_chunk<DB>(
    connection: &mut PoolConnection<DB>,
    backend: &dyn Backend,
    queue: &str,
    terms: &Terms,
) -> Result<Chunk>
where
    DB: Database<Connection: SqlConnection>,
{
    match &dialect::<DB>().claim {
        Claim::Lock { begin, take } => {
            let mut tx = begin_with(connection, begin).await?;
            let found = tx.query(take, values![queue]).await.map_err(cannot_claim::<DB>)?;
            if found.is_empty() {
                return Ok(Chunk::Taken);
            }
            let moved = move_rows(&mut *tx, backend, queue, terms).await?;
            settle(&mut *tx, &moved).await?;
            tx.commit().await.map_err(cannot_settle)?;
            Ok(moved.into_chunk())
        }
        Claim::Deadline { take, begin, release } => {
            let who = terms.claimant.as_str();
            let marks = values![who, millis(terms.claim), queue, who];
            let taken = connection.execute(take, marks).await.map_err(cannot_claim::<DB>)?;
            if taken == 0 {
                return Ok(Chunk::Taken);
            }
            let moved = move_rows(&mut **connection, backend, queue, terms).await?;
            let mut tx = begin_with(connection, begin).await?;
            settle(&mut *tx, &moved).await?;
            tx.execute(release, values![queue, who]).await.map_err(cannot_claim::<DB>)?;
            tx.commit().await.map_err(cannot_settle)?;
            Ok(moved.into_chunk())
        }
    }
}

fn dialect<DB: Database<Connection: SqlConnection>>() -> &'static crate::sql::dialect::Dialect {
    <DB::Connection as Statements>::DIALECT
}

async fn begin_with<'c, DB: Database>(
    connection: &'c mut PoolConnection<DB>,
    sql: &'static str,
) -> Result<sqlx::Transaction<'c, DB>> {
    let begun = sqlx::Connection::begin_with(&mut **connection, sql).await;
    begun.map_err(|error| failed("begin a transaction on the outbox", error))
}

fn cannot_claim<DB: Database<Connection: SqlConnection>>(error: sqlx::Error) -> Error {
    refused::<DB::Connection>("claim a queue of the outbox", error)
}

fn cannot_settle(error: sqlx::Error) -> Error {
    failed("remove what was handed over from the outbox", error)
}

/// Reads the first rows of a queue and hands them over; removes nothing.
async fn move_rows<C: SqlConnection>(
    connection: &mut C,
    backend: &dyn Backend,
    queue: &str,
    terms: &Terms,
) -> Result<Moved> {
    // Whoever holds a claim for longer might share it. Half of it is left for what comes after.
    let until = Instant::now() + terms.claim / 2;
    let mut moved = Moved::default();
    let mut seqs = Vec::new();
    let mut jobs: Vec<NewJob> = Vec::new();
    for record in first_rows(connection, queue, terms.rows).await? {
        let (seq, job) = job_of(queue, record);
        match job {
            Ok(job) => {
                seqs.push(seq);
                jobs.push(job);
            }
            Err(error) => moved.reject(queue, seq, &error),
        }
    }
    let mut handover = Handover::default();
    let mut is_orphan = false;
    loop {
        handover.go_on(backend, &jobs, until, is_orphan).await;
        match handover.stop.take() {
            Some(Stop::UnknownParent(error)) => {
                if has_parent_here(connection, &jobs[handover.settled]).await? {
                    moved.wait = Some(error);
                    break;
                }
                // It may have left the outbox since it was not known: so it is asked for once more.
                is_orphan = true;
            }
            Some(Stop::Wait(error)) => {
                moved.wait = Some(error);
                break;
            }
            None => break,
        }
    }
    moved.counts.enqueued = handover.created;
    moved.counts.duplicates = handover.duplicates;
    moved.gone.extend(&seqs[..handover.settled]);
    for (index, error) in &handover.rejected {
        // It is among the settled ones, which are removed.
        moved.set_aside(queue, seqs[*index], error);
    }
    Ok(moved)
}

impl Moved {
    fn reject(&mut self, queue: &str, seq: i64, error: &Error) {
        self.gone.push(seq);
        self.set_aside(queue, seq, error);
    }

    fn set_aside(&mut self, queue: &str, seq: i64, error: &Error) {
        let reason = reason(error);
        tracing::warn!(queue, seq, reason, "a job in the outbox can never be enqueued: set aside");
        self.rejected.push((seq, reason));
        self.counts.rejected += 1;
    }
}

/// The first rows of a queue, as many as a chunk may have.
async fn first_rows<C: SqlConnection>(
    connection: &mut C,
    queue: &str,
    limit: u32,
) -> Result<Vec<Record>> {
    let failure = |error| refused::<C>("read the outbox", error);
    let sizes = connection
        .query(&C::DIALECT.sizes, values![queue, i64::from(limit)])
        .await
        .map_err(failure)?;
    let Some(first) = sizes.first() else {
        return Ok(Vec::new());
    };
    let (mut last, mut count, mut bytes) = (first, 0_i64, 0_i64);
    for size in &sizes {
        bytes = bytes.saturating_add(size.number(1));
        if count > 0 && bytes > BYTES {
            break;
        }
        last = size;
        count += 1;
    }
    // A row between the two that was committed just now takes the place of the last.
    let range = values![queue, first.number(0), last.number(0), count];
    connection.query(&C::DIALECT.rows, range).await.map_err(failure)
}

/// The number and the job of a row.
fn job_of(queue: &str, mut record: Record) -> (i64, Result<NewJob>) {
    let age = Duration::from_millis(u64::try_from(record.number(5)).unwrap_or(0));
    let mut text = |column| {
        String::from_utf8_lossy(&record.take_bytes(column).unwrap_or_default()).into_owned()
    };
    let (id, kind, options) = (text(1), text(2), text(4));
    let payload = record.take_bytes(3).unwrap_or_default();
    let row = Row { id, queue: queue.to_owned(), kind, payload, options };
    (record.number(0), row.into_job(age))
}

/// Whether a job that it waits for is in the outbox still.
async fn has_parent_here<C: SqlConnection>(connection: &mut C, job: &NewJob) -> Result<bool> {
    for parent in &job.parents {
        let id = parent.job.id.to_string();
        let found = connection.query(&C::DIALECT.count_id, values![id]).await;
        let rows = found.map_err(|error| refused::<C>("read the outbox", error))?;
        if rows.first().is_some_and(|row| row.number(0) > 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Removes what was handed over, and sets aside what cannot be.
async fn settle<C: SqlConnection>(connection: &mut C, moved: &Moved) -> Result<()> {
    let failure = |error| refused::<C>("remove what was handed over from the outbox", error);
    for (seq, reason) in &moved.rejected {
        let values = values![reason.as_str(), *seq];
        connection.execute(C::DIALECT.reject, values).await.map_err(failure)?;
    }
    if !moved.gone.is_empty() {
        let list = format!("{:?}", moved.gone);
        connection.execute(C::DIALECT.remove, values![list]).await.map_err(failure)?;
    }
    Ok(())
}

/// An error and what caused it, in one line that every database takes.
fn reason(error: &Error) -> String {
    Chain(error).to_string().replace('\0', " ").chars().take(2_000).collect()
}
