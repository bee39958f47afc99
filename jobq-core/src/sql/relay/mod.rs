//! From the outbox to the queues.

mod chunk;
mod counts;
mod handover;
mod pauses;

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx::pool::PoolConnection;
use sqlx::{Database, Pool};
use tokio::sync::Notify;
use tokio::time::Instant;

use self::chunk::{Chunk, Terms, move_chunk};
use self::counts::Meter;
pub use self::counts::RelayCounts;
use self::pauses::Pauses;
use super::connection::{SqlConnection, Statements, values};
use super::failure::{failed, refused};
use crate::backend::Backend;
use crate::error::{Error, Result};

/// How long a relay that has nothing to do waits before it looks again.
const POLL: Duration = Duration::from_secs(1);
/// What one call to a backend carries at best: see `chunks`.
const ROWS: u32 = 250;
const CLAIM: Duration = Duration::from_secs(30);

/// Moves jobs from the outbox of a database to their queues. Clones are the same relay.
///
/// ```no_run
/// # use jobq_core::sql::outbox::Relay;
/// # use jobq_core::MemoryBackend;
/// # async fn run(db: sqlx::PgPool, stop: impl Future<Output = ()> + Send + 'static) {
/// let relay = Relay::new(db, MemoryBackend::new());
/// let running = tokio::spawn({
///     let relay = relay.clone();
///     async move { relay.run_until(stop).await }
/// });
/// // after each commit: relay.nudge();
/// # let _ = running.await;
/// # }
/// ```
///
/// Any number of relays may run for one database, in any number of processes. One of them has a queue at
/// a time, so that its jobs keep their order: in PostgreSQL and MySQL by a lock that ends with its
/// connection, in SQLite by a [claim](Self::claim) with a deadline. A relay holds one connection of its
/// pool at a time.
pub struct Relay<DB: Database> {
    pool: Pool<DB>,
    backend: Arc<dyn Backend>,
    poll: Duration,
    terms: Terms,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    nudged: Notify,
    meter: Meter,
}

impl<DB> Relay<DB>
where
    DB: Database<Connection: SqlConnection>,
{
    /// A relay from this database to this backend. It does nothing until it is run.
    pub fn new(pool: Pool<DB>, backend: impl Backend) -> Self {
        let terms = Terms { claimant: String::new(), claim: CLAIM, rows: ROWS };
        Self { pool, backend: Arc::new(backend), poll: POLL, terms, shared: Arc::default() }
    }

    /// How long it waits before it looks again when there was nothing to do: a second unless said
    /// otherwise. Each look is one statement.
    #[must_use]
    pub fn poll(mut self, interval: Duration) -> Self {
        self.poll = interval.max(Duration::from_millis(1));
        self
    }

    /// The most jobs of one call to the queue: 250 unless said otherwise, at least 1. A call takes no further
    /// job once it has a mebibyte of payload.
    #[must_use]
    pub fn jobs_per_call(mut self, jobs: u32) -> Self {
        self.terms.rows = jobs.max(1);
        self
    }

    /// How long a claim of a queue lasts: 30 seconds unless said otherwise. A queue that does not answer
    /// within half of it is left alone for a while. In SQLite this is also how long the queue of a relay
    /// that was killed is left alone by others.
    #[must_use]
    pub fn claim(mut self, duration: Duration) -> Self {
        self.terms.claim = duration.max(Duration::from_millis(2));
        self
    }

    /// Says that something was committed: if this relay is waiting, it looks at once. Costs nothing, and is
    /// not lost if it comes while the relay works.
    pub fn nudge(&self) {
        self.shared.nudged.notify_one();
    }

    /// What this relay has done since it was made, clones and all.
    #[must_use]
    pub fn counts(&self) -> RelayCounts {
        self.shared.meter.read()
    }

    /// Moves jobs until `stop` is done; then ends the call that is under way, and says what this run has
    /// moved.
    ///
    /// Whatever goes wrong is logged, counted, and tried again after a while.
    ///
    /// Dropping the future is safe: jobs that were handed over and whose rows were not yet removed are handed
    /// over again, and are duplicates as long as they are known.
    ///
    /// # Errors
    ///
    /// Only when the first look at the database fails:
    /// [`Misconfigured`](crate::ErrorKind::Misconfigured) when the tables are not there,
    /// [`Unavailable`](crate::ErrorKind::Unavailable) else.
    pub fn run_until<'r>(
        &'r self,
        stop: impl Future<Output = ()> + Send + 'r,
    ) -> impl Future<Output = Result<RelayCounts>> + Send + 'r {
        boxed(self.move_until(stop))
    }

    async fn move_until(&self, stop: impl Future<Output = ()> + Send) -> Result<RelayCounts> {
        let before = self.counts();
        let mut stop = pin!(stop.fuse());
        let mut run = Run::new(self);
        run.queues().await?;
        let mut failures = 0;
        loop {
            let until = match run.pass(stop.as_mut()).await {
                Ok(Pass { moved: true, .. }) => None,
                Ok(_) => Some(run.next_look()),
                Err(error) => {
                    failures += 1;
                    self.shared.meter.add(RelayCounts { failures: 1, ..RelayCounts::default() });
                    tracing::warn!(%error, cause = cause(&error), "the outbox cannot be read: trying again");
                    if wait(stop.as_mut(), pauses::delay(failures)).await {
                        break;
                    }
                    continue;
                }
            };
            failures = 0;
            if is_done(stop.as_mut()) {
                break;
            }
            let Some(until) = until else { continue };
            tokio::select! {
                biased;
                () = stop.as_mut() => break,
                () = self.shared.nudged.notified() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
        Ok(self.counts().since(before))
    }

    /// Moves what there is, and says how much: for a line of cron, and for tests. Queues that another
    /// relay is busy with are left to it.
    ///
    /// # Errors
    ///
    /// The first one of a queue that would not take a job for the moment, when all others have been
    /// emptied: [`Limited`](crate::ErrorKind::Limited), [`Full`](crate::ErrorKind::Full),
    /// [`Unavailable`](crate::ErrorKind::Unavailable). What had been moved by then stays so, and is counted.
    /// As [`run_until`](Self::run_until) when the database refuses.
    pub fn run_once(&self) -> impl Future<Output = Result<RelayCounts>> + Send + '_ {
        boxed(self.move_once())
    }

    async fn move_once(&self) -> Result<RelayCounts> {
        let before = self.counts();
        let mut run = Run::new(self);
        let mut first = None;
        let mut never = pin!(std::future::pending().fuse());
        loop {
            let pass = run.pass(never.as_mut()).await?;
            first = first.or(pass.error);
            if !pass.moved {
                break;
            }
        }
        first.map_or_else(|| Ok(self.counts().since(before)), Err)
    }
}

/// What one look at all queues has brought.
#[derive(Debug, Default)]
struct Pass {
    moved: bool,
    /// Why the first queue that has to wait does.
    error: Option<Error>,
}

/// A relay that runs.
struct Run<'r, DB: Database> {
    relay: &'r Relay<DB>,
    terms: Terms,
    pauses: Pauses,
    /// Queues that can be claimed.
    known: Vec<String>,
}

impl<'r, DB> Run<'r, DB>
where
    DB: Database<Connection: SqlConnection>,
{
    fn new(relay: &'r Relay<DB>) -> Self {
        // Each run for itself: two that shared a name would share their claims.
        let claimant = format!("{:016x}", fastrand::u64(..));
        let terms = Terms { claimant, ..relay.terms.clone() };
        Self { relay, terms, pauses: Pauses::default(), known: Vec::new() }
    }

    /// The queues that have something in the outbox.
    async fn queues(&mut self) -> Result<Vec<String>> {
        let mut held = self.connect().await?;
        let query = &<DB::Connection as Statements>::DIALECT.queues;
        let found = held.connection.query(query, Vec::new()).await;
        let rows = found.map_err(|error| refused::<DB::Connection>("read the outbox", error))?;
        held.is_sound = true;
        Ok(rows.into_iter().map(|mut row| row.take_text(0)).collect())
    }

    /// One chunk of each queue. Stops between two of them if it should.
    async fn pass<S>(&mut self, mut stop: Pin<&mut S>) -> Result<Pass>
    where
        S: Future<Output = ()> + futures_util::future::FusedFuture,
    {
        let queues = self.queues().await?;
        self.pauses.keep(&queues);
        let mut pass = Pass::default();
        for queue in queues {
            if self.pauses.holds(&queue) {
                continue;
            }
            match self.chunk(&queue).await {
                Ok(Chunk::Taken) => self.pauses.end(&queue),
                Ok(Chunk::Done(counts)) => {
                    self.relay.shared.meter.add(counts);
                    self.pauses.end(&queue);
                    pass.moved |= counts.moved() > 0;
                }
                Ok(Chunk::Waits(counts, error)) => {
                    self.relay.shared.meter.add(counts);
                    self.pauses.begin(&queue);
                    pass.moved |= counts.moved() > 0;
                    tracing::debug!(queue, %error, "the queue takes nothing for the moment");
                    pass.error.get_or_insert(error);
                }
                Err(error) => {
                    let counts = RelayCounts { failures: 1, ..RelayCounts::default() };
                    self.relay.shared.meter.add(counts);
                    self.pauses.begin(&queue);
                    let cause = cause(&error);
                    tracing::warn!(queue, %error, cause, "a chunk was not moved: trying again");
                    pass.error.get_or_insert(error);
                }
            }
            if is_done(stop.as_mut()) {
                break;
            }
        }
        Ok(pass)
    }

    async fn chunk(&mut self, queue: &str) -> Result<Chunk> {
        let mut held = self.connect().await?;
        if !self.known.iter().any(|known| known == queue) {
            make_known(&mut *held.connection, queue).await?;
            self.known.push(queue.to_owned());
        }
        let backend = &*self.relay.backend;
        let chunk = move_chunk(&mut held.connection, backend, queue, &self.terms).await?;
        held.is_sound = true;
        Ok(chunk)
    }

    /// When to look again if nobody says anything.
    fn next_look(&self) -> Instant {
        let poll = Instant::now() + self.relay.poll;
        self.pauses.first().map_or(poll, |first| first.min(poll))
    }

    async fn connect(&self) -> Result<Held<DB>> {
        let connection = self.relay.pool.acquire().await;
        let connection = connection.map_err(|error| failed("connect to the outbox", error))?;
        Ok(Held { connection, is_sound: false })
    }
}

/// A connection that goes back to its pool when all went well, and is closed if it is dropped before:
/// sqlx leaves a transaction open whose beginning was not waited for, and what the pool gave to the next
/// one would be neither committed nor rolled back. Closing it frees the queue for other relays, too.
struct Held<DB: Database> {
    connection: PoolConnection<DB>,
    is_sound: bool,
}

impl<DB: Database> Drop for Held<DB> {
    fn drop(&mut self) {
        if !self.is_sound {
            self.connection.close_on_drop();
        }
    }
}

/// Makes a queue one that can be claimed. Looks first: to add a row that is there would wait for who has
/// claimed it.
async fn make_known<C: SqlConnection>(connection: &mut C, queue: &str) -> Result<()> {
    let failure = |error| refused::<C>("claim a queue of the outbox", error);
    let found = connection.query(&C::DIALECT.known, values![queue]).await.map_err(failure)?;
    if found.is_empty() {
        connection.execute(C::DIALECT.know, values![queue]).await.map_err(failure)?;
    }
    Ok(())
}

/// A future that is known to be [`Send`] here, where the compiler can see it for all databases: for one of
/// them, where it is used, it cannot ("implementation of `Send` is not general enough").
fn boxed<'f, T>(
    future: impl Future<Output = T> + Send + 'f,
) -> Pin<Box<dyn Future<Output = T> + Send + 'f>> {
    Box::pin(future)
}

/// Whether a future has ended, now or before.
fn is_done<S>(mut stop: Pin<&mut S>) -> bool
where
    S: Future<Output = ()> + futures_util::future::FusedFuture,
{
    stop.is_terminated() || stop.as_mut().now_or_never().is_some()
}

/// Waits, and says whether it should stop meanwhile.
async fn wait<S>(mut stop: Pin<&mut S>, time: Duration) -> bool
where
    S: Future<Output = ()> + futures_util::future::FusedFuture,
{
    if is_done(stop.as_mut()) {
        return true;
    }
    tokio::time::timeout(time, stop).await.is_ok()
}

fn cause(error: &Error) -> String {
    std::error::Error::source(error).map(ToString::to_string).unwrap_or_default()
}

impl<DB: Database> Clone for Relay<DB> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            backend: Arc::clone(&self.backend),
            poll: self.poll,
            terms: self.terms.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<DB: Database> fmt::Debug for Relay<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("poll", &self.poll)
            .field("terms", &self.terms)
            .field("counts", &self.shared.meter.read())
            .finish_non_exhaustive()
    }
}
