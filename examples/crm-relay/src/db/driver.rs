//! What the relay needs of a database: a query, a transaction that can also enqueue jobs, and the few
//! statements whose words differ.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jobq_core::{Backend, JobContext, JobId};
pub(crate) use sql_store::{Record, StoreError, Value};

use super::relay::Relay;
use super::sole::Sole;
use crate::jobs::{DeliverMessage, ProcessMessage};

/// Columns that tables of an earlier version do not have: how to see that, and how to add them.
pub(crate) const NEWER: [[&str; 2]; 2] = [
    [
        "SELECT begun FROM crm_outbox LIMIT 1",
        "ALTER TABLE crm_outbox ADD COLUMN begun BIGINT NOT NULL DEFAULT 0",
    ],
    [
        "SELECT not_before FROM crm_integrations LIMIT 1",
        "ALTER TABLE crm_integrations ADD COLUMN not_before BIGINT NULL",
    ],
];

/// Runs something to its end, whatever becomes of who waits for it. A handler, and a request over HTTP, is
/// dropped at any await, and sqlx's connections to MySQL do not take that well: see "A trap of sqlx" in
/// `docs/outbox.md`.
pub(crate) async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(crash) => Err(StoreError::new(format!("a statement was not run to its end: {crash}"))),
    }
}

/// A job that is enqueued with its message.
#[derive(Clone, Debug)]
pub(crate) enum MessageJob {
    Process(ProcessMessage),
    Deliver(DeliverMessage),
}

/// Jobs that no relay has handed to their queue yet.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backlog {
    pub(crate) jobs: u64,
    pub(crate) oldest: Duration,
    /// Jobs that no queue will ever take.
    pub(crate) set_aside: u64,
}

/// A database.
#[async_trait]
pub(crate) trait Driver: fmt::Debug + Send + Sync {
    /// Reads what is committed.
    async fn query(&self, sql: &'static str, values: Vec<Value>)
    -> Result<Vec<Record>, StoreError>;

    /// Begins a transaction that is going to write.
    async fn begin(&self) -> Result<Box<dyn Transaction>, StoreError>;

    fn dialect(&self) -> &'static Dialect;

    /// Moves jobs from this database to a queue.
    fn relay(&self, backend: Arc<dyn Backend>) -> Relay;

    /// What waits in jobq's outbox.
    async fn backlog(&self) -> Result<Backlog, StoreError>;

    /// Takes what one process at a time may have; `None` while another one has it.
    async fn sole(&self) -> Result<Option<Sole>, StoreError>;
}

/// Statements and jobs that are kept together or not at all: not, unless it is committed.
#[async_trait]
pub(crate) trait Transaction: Send {
    async fn query(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Vec<Record>, StoreError>;

    /// Changes rows, and says how many were found: one that is set to what it was counts.
    async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, StoreError>;

    /// Adds a row, and gives its number; `None` if it was there.
    async fn insert(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<i64>, StoreError>;

    /// Enqueues a job by jobq's outbox, to run after a while.
    async fn enqueue(
        &mut self,
        job: MessageJob,
        id: JobId,
        after: Duration,
    ) -> Result<(), StoreError>;

    /// Enters a job into jobq's inbox. `false` if an earlier run has finished it.
    async fn enter(&mut self, cx: &JobContext) -> Result<bool, StoreError>;

    /// Finishes a job in jobq's inbox.
    async fn finish(&mut self, cx: &JobContext) -> Result<(), StoreError>;

    /// Forgets what jobq's own tables have kept for longer than this, so many rows of each at most, and says
    /// how many.
    async fn prune_jobs(
        &mut self,
        inbox: Duration,
        rejected: Duration,
        limit: u32,
    ) -> Result<u64, StoreError>;

    async fn commit(self: Box<Self>) -> Result<(), StoreError>;

    /// Gives its locks back at once, which dropping it does a moment later.
    async fn roll_back(self: Box<Self>) -> Result<(), StoreError>;
}

/// The statements whose words depend on the database.
#[derive(Debug)]
pub(crate) struct Dialect {
    /// source, message_id, job_id, event, payload, now, now: adds nothing if it is there
    pub(crate) add_inbox: &'static str,
    /// message_id, job_id, destination, event, payload, caller_key, now, now, now: adds nothing if it is there
    pub(crate) add_outbox: &'static str,
    /// source, external_id, name, email, inbox id, now: an older message than the newest only counts
    pub(crate) put_contact: &'static str,
}

/// The same words for both databases, in a file for each.
macro_rules! database {
    ($transaction:ident, $database:ty, $last_id:expr) => {
        struct $transaction(sqlx::Transaction<'static, $database>);

        #[async_trait]
        impl Transaction for $transaction {
            async fn query(
                &mut self,
                sql: &'static str,
                values: Vec<Value>,
            ) -> Result<Vec<Record>, StoreError> {
                let rows = bound::<$database>(sql, values).fetch_all(&mut *self.0).await?;
                rows.iter().map(record).collect()
            }

            async fn execute(
                &mut self,
                sql: &'static str,
                values: Vec<Value>,
            ) -> Result<u64, StoreError> {
                Ok(bound::<$database>(sql, values).execute(&mut *self.0).await?.rows_affected())
            }

            async fn insert(
                &mut self,
                sql: &'static str,
                values: Vec<Value>,
            ) -> Result<Option<i64>, StoreError> {
                let done = bound::<$database>(sql, values).execute(&mut *self.0).await?;
                if done.rows_affected() == 0 {
                    return Ok(None);
                }
                Ok(Some(($last_id)(&done)))
            }

            async fn enqueue(
                &mut self,
                job: MessageJob,
                id: JobId,
                after: Duration,
            ) -> Result<(), StoreError> {
                match job {
                    MessageJob::Process(job) => {
                        outbox::enqueue(&mut *self.0, job).id(id).after(after).await?;
                    }
                    MessageJob::Deliver(job) => {
                        outbox::enqueue(&mut *self.0, job).id(id).after(after).await?;
                    }
                }
                Ok(())
            }

            async fn enter(&mut self, cx: &JobContext) -> Result<bool, StoreError> {
                Ok(inbox::enter::<_, ()>(&mut *self.0, cx).await?.is_none())
            }

            async fn finish(&mut self, cx: &JobContext) -> Result<(), StoreError> {
                Ok(inbox::finish(&mut *self.0, cx, &()).await?)
            }

            async fn prune_jobs(
                &mut self,
                inbox_age: Duration,
                rejected_age: Duration,
                limit: u32,
            ) -> Result<u64, StoreError> {
                let done = inbox::prune(&mut *self.0, inbox_age, limit).await?;
                Ok(done + outbox::prune_rejected(&mut *self.0, rejected_age, limit).await?)
            }

            async fn commit(self: Box<Self>) -> Result<(), StoreError> {
                Ok(self.0.commit().await?)
            }

            async fn roll_back(self: Box<Self>) -> Result<(), StoreError> {
                Ok(self.0.rollback().await?)
            }
        }

        async fn backlog(
            connection: &mut <$database as sqlx::Database>::Connection,
        ) -> Result<Backlog, StoreError> {
            let mut backlog = Backlog::default();
            for queue in outbox::backlog(&mut *connection).await? {
                backlog.jobs += queue.jobs;
                backlog.oldest = backlog.oldest.max(queue.oldest);
            }
            let counting = sqlx::query_scalar("SELECT COUNT(*) FROM jobq_outbox_rejected");
            let aside: i64 = counting.fetch_one(connection).await?;
            backlog.set_aside = u64::try_from(aside).unwrap_or_default();
            Ok(backlog)
        }
    };
}
pub(crate) use database;
