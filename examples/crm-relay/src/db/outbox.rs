//! Messages to be delivered.
//!
//! A row is `pending` or `sending` until it ends as `sent` or `failed`. Each delivery that begins raises `begun`,
//! and says what became of it under that number: one that was overtaken changes nothing, but for "the receiver
//! has it", which is true whoever says it. `attempts` counts those that have said so: a process that is killed
//! uses none up.

use std::time::Duration;

use jobq_core::{JobId, Timestamp};
use sql_store::{Record, StoreError, Value, again, values};

use super::driver::{MessageJob, whole};
use super::store::Store;
use crate::jobs::DeliverMessage;
use crate::message::{NewOutbox, OutboxMessage, OutboxStatus};
use crate::same_data::same_data;

/// What became of a message that somebody wants delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth way")]
pub enum Enqueued {
    /// It is stored, with its job.
    New {
        /// Its number.
        id: i64,
        /// The `Idempotency-Key` of its deliveries.
        message_id: String,
    },
    /// It was stored before under this key.
    Repeated(Box<OutboxMessage>),
    /// Another message has the same key.
    Different,
}

/// What a worker may do with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Deliver it; the row says `sending`.
    Now(Box<OutboxMessage>),
    /// Come back then.
    NotBefore(Timestamp),
    /// Nothing: it has ended, or its row is gone.
    Over,
}

impl Store {
    /// Stores a message and its job, both or neither.
    ///
    /// # Errors
    ///
    /// When the database fails: nothing was stored, unless the answer to the commit was lost. With a key it
    /// may be enqueued again.
    pub async fn enqueue(&self, new: NewOutbox) -> Result<Enqueued, StoreError> {
        let store = self.clone();
        whole(async move { again(|| store.try_enqueue(&new)).await }).await
    }

    async fn try_enqueue(&self, new: &NewOutbox) -> Result<Enqueued, StoreError> {
        let NewOutbox { destination, event, payload, caller_key } = new;
        let (job, now) = (JobId::generate(self.clock()), self.now_ms());
        let mut transaction = self.driver.begin().await?;
        let row = values![
            job.to_string(),
            job.to_string(),
            destination.as_str(),
            event.as_str(),
            payload.as_str(),
            caller_key.as_deref(),
            now,
            now,
            now
        ];
        if let Some(id) = transaction.insert(self.driver.dialect().add_outbox, row).await? {
            let deliver = DeliverMessage { message: id, destination: destination.clone() };
            transaction.enqueue(MessageJob::Deliver(deliver), job, Duration::ZERO).await?;
            transaction.commit().await?;
            return Ok(Enqueued::New { id, message_id: job.to_string() });
        }
        transaction.roll_back().await?;
        let sql = "SELECT id, message_id, destination, event, payload, status, attempts,
                          next_attempt_at, last_error, created_at, updated_at, sent_at, begun
                   FROM crm_outbox WHERE destination = ? AND caller_key = ?";
        let found = self.driver.query(sql, values![destination.as_str(), caller_key.as_deref()]);
        let Some(known) = found.await?.first().map(read).transpose()? else {
            return Err(StoreError::new("a message was pruned while it was enqueued again"));
        };
        if known.event == *event && same_data(&known.payload, payload) {
            Ok(Enqueued::Repeated(Box::new(known)))
        } else {
            Ok(Enqueued::Different)
        }
    }

    /// The message of a number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn outbox_message(&self, id: i64) -> Result<Option<OutboxMessage>, StoreError> {
        let sql = "SELECT id, message_id, destination, event, payload, status, attempts,
                          next_attempt_at, last_error, created_at, updated_at, sent_at, begun
                   FROM crm_outbox WHERE id = ?";
        self.driver.query(sql, values![id]).await?.first().map(read).transpose()
    }

    /// Begins a delivery, if there is one to begin.
    pub(crate) async fn take(&self, id: i64) -> Result<Taken, StoreError> {
        let sql = "UPDATE crm_outbox
                   SET status = 'sending', begun = begun + 1, updated_at = ?
                   WHERE id = ? AND status IN ('pending', 'sending') AND next_attempt_at <= ?";
        let now = self.now();
        let begun = self.change(sql, values![now.as_millis(), id, now.as_millis()]).await?;
        Ok(match self.outbox_message(id).await? {
            Some(message) if begun > 0 => Taken::Now(Box::new(message)),
            Some(OutboxMessage {
                status: OutboxStatus::Pending | OutboxStatus::Sending,
                next_attempt_at,
                ..
            }) => Taken::NotBefore(next_attempt_at),
            _ => Taken::Over,
        })
    }

    /// Says that the receiver has a message. `false` if that was known.
    pub(crate) async fn note_sent(&self, id: i64) -> Result<bool, StoreError> {
        let now = self.now_ms();
        let sql = "UPDATE crm_outbox
                   SET status = 'sent', attempts = attempts + 1, last_error = NULL, sent_at = ?,
                       updated_at = ?
                   WHERE id = ? AND status <> 'sent'";
        Ok(self.change(sql, values![now, now, id]).await? > 0)
    }

    /// Puts a message off whose receiver wants to be left alone, without an attempt. `false` if it is not due, or
    /// has ended.
    pub(crate) async fn put_off(&self, id: i64, at: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE crm_outbox
                   SET status = 'pending', begun = begun + 1, next_attempt_at = ?, updated_at = ?
                   WHERE id = ? AND status IN ('pending', 'sending') AND next_attempt_at <= ?";
        let now = self.now_ms();
        Ok(self.change(sql, values![at.as_millis(), now, id, now]).await? > 0)
    }

    /// Says why a delivery failed, when the next one may begin, and how many attempts have ended. `false` if it
    /// was overtaken.
    pub(crate) async fn note_again(
        &self,
        message: &OutboxMessage,
        attempts: u64,
        why: &str,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE crm_outbox
                   SET status = 'pending', attempts = ?, last_error = ?, next_attempt_at = ?,
                       updated_at = ?
                   WHERE id = ? AND status = 'sending' AND begun = ?";
        let OutboxMessage { id, begun, .. } = *message;
        let values = values![attempts, why, at.as_millis(), self.now_ms(), id, begun];
        Ok(self.change(sql, values).await? > 0)
    }

    /// Says why a message will never be delivered. `false` if the delivery was overtaken.
    pub(crate) async fn note_failed(
        &self,
        message: &OutboxMessage,
        attempts: u64,
        why: &str,
    ) -> Result<bool, StoreError> {
        let sql = "UPDATE crm_outbox
                   SET status = 'failed', attempts = ?, last_error = ?, updated_at = ?
                   WHERE id = ? AND status = 'sending' AND begun = ?";
        let OutboxMessage { id, begun, .. } = *message;
        let values = values![attempts, why, self.now_ms(), id, begun];
        Ok(self.change(sql, values).await? > 0)
    }

    /// Says that a message whose job has died will never be delivered. `false` if it has ended before.
    pub(crate) async fn fail_outbox(&self, id: i64, why: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE crm_outbox SET status = 'failed', last_error = ?, updated_at = ?
                   WHERE id = ? AND status IN ('pending', 'sending')";
        Ok(self.change(sql, values![why, self.now_ms(), id]).await? > 0)
    }

    /// The numbers of messages that have failed, above `after`, in order.
    pub(crate) async fn failed_outbox(
        &self,
        after: i64,
        limit: u32,
    ) -> Result<Vec<i64>, StoreError> {
        let sql =
            "SELECT id FROM crm_outbox WHERE status = 'failed' AND id > ? ORDER BY id LIMIT ?";
        let found = self.driver.query(sql, values![after, limit]).await?;
        Ok(found.iter().filter_map(|row| row.int(0)).collect())
    }

    /// Puts a message that has failed back, with all its attempts and a job of its own. `false` if it has
    /// not failed. Its `Idempotency-Key` stays what it was.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn put_back(&self, id: i64) -> Result<bool, StoreError> {
        let store = self.clone();
        whole(async move { again(|| store.try_put_back(id)).await }).await
    }

    async fn try_put_back(&self, id: i64) -> Result<bool, StoreError> {
        let (job, now) = (JobId::generate(self.clock()), self.now_ms());
        let mut transaction = self.driver.begin().await?;
        let sql = "UPDATE crm_outbox
                   SET status = 'pending', attempts = 0, job_id = ?, next_attempt_at = ?, updated_at = ?
                   WHERE id = ? AND status = 'failed'";
        if transaction.execute(sql, values![job.to_string(), now, now, id]).await? == 0 {
            transaction.roll_back().await?;
            return Ok(false);
        }
        let sql = "SELECT destination FROM crm_outbox WHERE id = ?";
        let found = transaction.query(sql, values![id]).await?;
        let destination = found.first().map(|row| row.string(0)).unwrap_or_default();
        let deliver = MessageJob::Deliver(DeliverMessage { message: id, destination });
        transaction.enqueue(deliver, job, Duration::ZERO).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Runs one statement that changes rows, to its end.
    pub(super) async fn change(
        &self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        let store = self.clone();
        whole(async move {
            again(async || {
                let mut transaction = store.driver.begin().await?;
                let changed = transaction.execute(sql, values.clone()).await?;
                transaction.commit().await?;
                Ok(changed)
            })
            .await
        })
        .await
    }
}

fn read(row: &Record) -> Result<OutboxMessage, StoreError> {
    let message = || {
        Some(OutboxMessage {
            id: row.int(0)?,
            message_id: row.string(1),
            destination: row.string(2),
            event: row.string(3),
            payload: row.string(4),
            status: OutboxStatus::read(row.text(5)?)?,
            attempts: row.count(6),
            next_attempt_at: Timestamp::from_millis(row.uint(7)?),
            last_error: row.text(8).map(str::to_owned),
            created_at: Timestamp::from_millis(row.uint(9)?),
            updated_at: Timestamp::from_millis(row.uint(10)?),
            sent_at: row.uint(11).map(Timestamp::from_millis),
            begun: row.count(12),
        })
    };
    message().ok_or_else(|| StoreError::new("a row of crm_outbox cannot be read"))
}
