//! Messages that come in.

use std::time::Duration;

use jobq_core::{JobContext, JobId, Timestamp};
use sql_store::{Record, StoreError, again, values};

use super::driver::{MessageJob, whole};
use super::store::Store;
use crate::contacts::Change;
use crate::jobs::ProcessMessage;
use crate::message::{InboxMessage, InboxStatus, NewInbox};
use crate::same_data::same_data;

/// What became of a message that somebody has sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth way")]
pub enum Received {
    /// It is stored, with its job.
    New(i64),
    /// It was stored before, and stands so now.
    Repeated(i64, InboxStatus),
    /// Another message has the same id.
    Different,
}

/// What became of the processing of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processing {
    /// What it says is done, now.
    Done,
    /// It was over before, or its row is gone.
    Over,
}

impl Store {
    /// Stores a message and its job, both or neither. Its sender may send it again.
    ///
    /// # Errors
    ///
    /// When the database fails; the message is then to be sent again.
    pub async fn receive(&self, new: NewInbox) -> Result<Received, StoreError> {
        let store = self.clone();
        whole(async move { again(|| store.try_receive(&new)).await }).await
    }

    async fn try_receive(&self, new: &NewInbox) -> Result<Received, StoreError> {
        let NewInbox { source, message_id, event, payload } = new;
        let (job, now) = (JobId::generate(self.clock()), self.now_ms());
        let mut transaction = self.driver.begin().await?;
        let row = values![
            source.as_str(),
            message_id.as_str(),
            job.to_string(),
            event.as_str(),
            payload.as_str(),
            now,
            now
        ];
        if let Some(id) = transaction.insert(self.driver.dialect().add_inbox, row).await? {
            let process = MessageJob::Process(ProcessMessage { message: id });
            transaction.enqueue(process, job, Duration::ZERO).await?;
            transaction.commit().await?;
            return Ok(Received::New(id));
        }
        let sql =
            "SELECT id, status, event, payload FROM crm_inbox WHERE source = ? AND message_id = ?";
        let found = transaction.query(sql, values![source.as_str(), message_id.as_str()]).await?;
        transaction.roll_back().await?;
        let Some(row) = found.first() else {
            return Err(StoreError::new("a message was pruned while it was sent again"));
        };
        let said = row.text(3).unwrap_or_default();
        let is_same = row.text(2) == Some(event) && same_data(said, payload);
        let status = row.text(1).and_then(InboxStatus::read);
        match (row.int(0), status) {
            (Some(id), Some(status)) if is_same => Ok(Received::Repeated(id, status)),
            _ => Ok(Received::Different),
        }
    }

    /// The message of a number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn inbox_message(&self, id: i64) -> Result<Option<InboxMessage>, StoreError> {
        let sql = "SELECT id, source, message_id, event, payload, status, last_error, received_at,
                          processed_at
                   FROM crm_inbox WHERE id = ?";
        self.driver.query(sql, values![id]).await?.first().map(read).transpose()
    }

    /// Says that a worker has begun. Gives the message if it is still to be processed.
    pub(crate) async fn begin_processing(
        &self,
        id: i64,
    ) -> Result<Option<InboxMessage>, StoreError> {
        let store = self.clone();
        whole(async move {
            let begun = again(async || {
                let mut transaction = store.driver.begin().await?;
                let sql = "UPDATE crm_inbox SET status = 'processing', updated_at = ?
                           WHERE id = ? AND status IN ('pending', 'processing')";
                let begun = transaction.execute(sql, values![store.now_ms(), id]).await?;
                transaction.commit().await?;
                Ok(begun)
            });
            if begun.await? == 0 { Ok(None) } else { store.inbox_message(id).await }
        })
        .await
    }

    /// Does what a message says, once: the change, the status, and jobq's note of the job that has done it are
    /// one transaction.
    pub(crate) async fn process(
        &self,
        message: InboxMessage,
        change: Change,
        cx: JobContext,
    ) -> Result<Processing, StoreError> {
        let store = self.clone();
        whole(async move { again(|| store.try_process(&message, &change, &cx)).await }).await
    }

    async fn try_process(
        &self,
        message: &InboxMessage,
        change: &Change,
        cx: &JobContext,
    ) -> Result<Processing, StoreError> {
        let mut transaction = self.driver.begin().await?;
        if !transaction.enter(cx).await? {
            transaction.roll_back().await?;
            return Ok(Processing::Over);
        }
        let now = self.now_ms();
        let sql = "UPDATE crm_inbox
                   SET status = 'processed', last_error = NULL, processed_at = ?, updated_at = ?
                   WHERE id = ? AND status IN ('pending', 'processing')";
        if transaction.execute(sql, values![now, now, message.id]).await? == 0 {
            transaction.roll_back().await?;
            return Ok(Processing::Over);
        }
        let Change { external_id, name, email } = change;
        let row = values![
            message.source.as_str(),
            external_id.as_str(),
            name.as_str(),
            email.as_str(),
            message.id,
            now
        ];
        transaction.execute(self.driver.dialect().put_contact, row).await?;
        transaction.finish(cx).await?;
        transaction.commit().await?;
        Ok(Processing::Done)
    }

    /// Says that a message will never be processed, and why. `false` if it was over before.
    pub(crate) async fn fail_inbox(&self, id: i64, why: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE crm_inbox SET status = 'failed', last_error = ?, updated_at = ?
                   WHERE id = ? AND status IN ('pending', 'processing')";
        Ok(self.change(sql, values![why, self.now_ms(), id]).await? > 0)
    }

    /// How many messages have told of a contact, and its name; `None` if none has.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn contact(
        &self,
        source: &str,
        external_id: &str,
    ) -> Result<Option<(u64, String)>, StoreError> {
        let sql = "SELECT messages, name FROM crm_contacts WHERE source = ? AND external_id = ?";
        let found = self.driver.query(sql, values![source, external_id]).await?;
        Ok(found.first().map(|row| (row.count(0), row.string(1))))
    }
}

fn read(row: &Record) -> Result<InboxMessage, StoreError> {
    let message = || {
        Some(InboxMessage {
            id: row.int(0)?,
            source: row.string(1),
            message_id: row.string(2),
            event: row.string(3),
            payload: row.string(4),
            status: InboxStatus::read(row.text(5)?)?,
            last_error: row.text(6).map(str::to_owned),
            received_at: Timestamp::from_millis(row.uint(7)?),
            processed_at: row.uint(8).map(Timestamp::from_millis),
        })
    };
    message().ok_or_else(|| StoreError::new("a row of crm_inbox cannot be read"))
}
