//! Messages whose jobs may be lost: the queue was in the memory of a process that has ended, or in a Redis
//! that was emptied.

use std::time::Duration;

use jobq_core::{JobId, Timestamp};
use sql_store::{StoreError, again, values};

use super::driver::{MessageJob, whole};
use super::store::Store;
use crate::jobs::{DeliverMessage, INBOX_QUEUE, OUTBOX_QUEUE, ProcessMessage};

/// Which of the two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Inbox,
    Outbox,
}

impl Table {
    pub(crate) const fn queue(self) -> &'static str {
        match self {
            Self::Inbox => INBOX_QUEUE,
            Self::Outbox => OUTBOX_QUEUE,
        }
    }
}

/// A message that has not ended, and the job that is to end it.
#[derive(Clone, Debug)]
pub(crate) struct Unfinished {
    pub(crate) id: i64,
    pub(crate) job_id: JobId,
    /// Empty for the inbox.
    destination: String,
    due_at: Timestamp,
}

impl Store {
    /// Messages that have not ended, are due, were last touched by `since`, and whose jobs are not in jobq's
    /// outbox any more: at most `limit` of those above `after`, in order.
    pub(crate) async fn unfinished(
        &self,
        table: Table,
        since: Timestamp,
        after: i64,
        limit: u32,
    ) -> Result<Vec<Unfinished>, StoreError> {
        let (since, now) = (since.as_millis(), self.now_ms());
        let found = match table {
            Table::Inbox => {
                let sql = "SELECT id, job_id, '', updated_at FROM crm_inbox
                           WHERE status IN ('pending', 'processing') AND updated_at <= ? AND id > ?
                             AND NOT EXISTS (SELECT 1 FROM jobq_outbox WHERE id = crm_inbox.job_id)
                           ORDER BY id LIMIT ?";
                self.driver.query(sql, values![since, after, limit]).await?
            }
            Table::Outbox => {
                let sql = "SELECT id, job_id, destination, next_attempt_at FROM crm_outbox
                           WHERE status IN ('pending', 'sending') AND updated_at <= ? AND id > ?
                             AND next_attempt_at <= ?
                             AND NOT EXISTS (SELECT 1 FROM jobq_outbox WHERE id = crm_outbox.job_id)
                           ORDER BY id LIMIT ?";
                self.driver.query(sql, values![since, after, now, limit]).await?
            }
        };
        let read = |row: &super::driver::Record| {
            let unfinished = || {
                Some(Unfinished {
                    id: row.int(0)?,
                    job_id: row.text(1)?.parse().ok()?,
                    destination: row.string(2),
                    due_at: Timestamp::from_millis(row.uint(3)?),
                })
            };
            unfinished().ok_or_else(|| StoreError::new("the job of a message cannot be read"))
        };
        found.iter().map(read).collect()
    }

    /// Enqueues the jobs of messages again, unless they have ended meanwhile. A job that is there after all
    /// is not added.
    pub(crate) async fn enqueue_again(
        &self,
        table: Table,
        lost: Vec<Unfinished>,
    ) -> Result<(), StoreError> {
        let store = self.clone();
        whole(async move { again(|| store.try_enqueue_again(table, &lost)).await }).await
    }

    async fn try_enqueue_again(&self, table: Table, lost: &[Unfinished]) -> Result<(), StoreError> {
        let now = self.now();
        let touch = match table {
            Table::Inbox => {
                "UPDATE crm_inbox SET updated_at = ?
                 WHERE id = ? AND status IN ('pending', 'processing')"
            }
            Table::Outbox => {
                "UPDATE crm_outbox SET updated_at = ?
                 WHERE id = ? AND status IN ('pending', 'sending')"
            }
        };
        let mut transaction = self.driver.begin().await?;
        for message in lost {
            if transaction.execute(touch, values![now.as_millis(), message.id]).await? == 0 {
                continue;
            }
            let (job, after) = match table {
                Table::Inbox => {
                    let job = ProcessMessage { message: message.id };
                    (MessageJob::Process(job), Duration::ZERO)
                }
                Table::Outbox => {
                    let destination = message.destination.clone();
                    let job = DeliverMessage { message: message.id, destination };
                    (MessageJob::Deliver(job), message.due_at.since(now))
                }
            };
            transaction.enqueue(job, message.job_id, after).await?;
        }
        transaction.commit().await
    }
}
