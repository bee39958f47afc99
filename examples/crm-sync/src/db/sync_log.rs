//! The log of what was synced, a row for each attempt that has ended; and the fence that keeps an attempt
//! that has lost its lease from writing anything.
//!
//! Each record remembers which job has last ended an attempt on it, and the token of that attempt's lease.
//! An attempt ends in one transaction: it puts itself there, saves what the CRM has told, and adds its
//! row to the log. If a newer attempt of its job has been there before, nothing of that happens.
//!
//! Nothing is written before the request is sent: it must reach the CRM in the window of its lease, and
//! should not have to queue up for the disk.

use jobq_core::{JobId, Timestamp, Token};
use serde::Serialize;

use super::driver::{Step, StoreError, Value, values};
use super::records::{LocalRecord, key_values};
use super::store::Store;
use crate::fields::Fields;
use crate::ids::RecordKey;
use crate::job::SyncRecord;

/// The longest message that is kept.
const MAX_MESSAGE: usize = 1_000;
/// How many rows one statement deletes: others must not wait for long.
const PRUNED_AT_ONCE: u32 = 1_000;

/// One attempt of a job.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the handler")]
pub struct Attempt {
    /// What is done.
    pub job: SyncRecord,
    /// The job's id.
    pub job_id: JobId,
    /// The fencing token of the attempt's lease.
    pub token: Token,
    /// The number of the attempt, from 1.
    pub number: u32,
    /// How many workers have died, or lost touch, over the job before.
    pub crashes: u32,
    /// When it began.
    pub started_at: Timestamp,
}

/// What became of the wish to begin an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each is handled where it is returned")]
pub enum Begun {
    /// It is ours to do.
    Ours,
    /// An earlier attempt has done and saved everything, and only could not say so.
    Done,
    /// A newer attempt has ended: ours has lost its lease.
    Overtaken,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the values of a column")]
pub enum End {
    /// The record is in step.
    Synced,
    /// It failed and will be tried again.
    Retrying,
    /// It failed for good.
    Failed,
    /// The CRM asked for a rest.
    Throttled,
    /// It came too late in its window to be sent.
    Postponed,
    /// Its worker died, or lost the lease; found out by the next attempt.
    Lost,
}

impl End {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Synced => "synced",
            Self::Retrying => "retrying",
            Self::Failed => "failed",
            Self::Throttled => "throttled",
            Self::Postponed => "postponed",
            Self::Lost => "lost",
        }
    }
}

/// What became of the wish to end an attempt, and to save what the CRM has told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each is handled where it is returned")]
pub enum Saved {
    /// It is saved.
    Yes,
    /// Somebody has changed the record since it was loaded.
    Changed,
    /// A newer attempt has ended: ours has lost its lease.
    Overtaken,
}

/// A row of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LogEntry {
    /// The number of the attempt, from 1.
    pub attempt: u64,
    /// How it ended.
    pub status: String,
    /// What is to be said about it.
    pub message: String,
    /// When it began, in UTC milliseconds.
    pub started_at: u64,
    /// When it ended.
    pub finished_at: u64,
}

impl Store {
    /// Begins an attempt. Workers that have died over its job since the last attempt are put down in
    /// the log.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn begin(&self, attempt: &Attempt) -> Result<Begun, StoreError> {
        let sql = "SELECT token, status FROM crm_sync_log WHERE job_id = ?";
        let job_id = attempt.job_id.to_string();
        let earlier = self.driver.query(sql, values![job_id]).await?;
        let count =
            |end: End| earlier.iter().filter(|row| row.text(1) == Some(end.as_str())).count();
        if count(End::Synced) > 0 {
            return Ok(Begun::Done);
        }
        if earlier.iter().any(|row| row.count(0) > attempt.token.as_u64()) {
            return Ok(Begun::Overtaken);
        }
        let message = "its worker died, or lost the lease";
        let lost: Vec<Step> = (count(End::Lost)..attempt.crashes as usize)
            .map(|_| log_row(attempt, End::Lost, message, attempt.started_at))
            .collect();
        if !lost.is_empty() {
            self.driver.transaction(&lost).await?;
        }
        Ok(Begun::Ours)
    }

    /// Ends an attempt that has nothing to save.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn finish(
        &self,
        attempt: &Attempt,
        end: End,
        message: &str,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let fence = fence(
            attempt,
            "UPDATE crm_records SET sync_job = ?, sync_token = ?
             WHERE store = ? AND entity = ? AND record = ?
               AND (sync_job IS NULL OR sync_job <> ? OR sync_token <= ?)",
            Vec::new(),
        );
        let row = log_row(attempt, end, message, now);
        if self.driver.transaction(&[fence, row]).await?.is_some() {
            return Ok(Saved::Yes);
        }
        if self.revision(attempt.job.key()).await?.is_some() {
            return Ok(Saved::Overtaken);
        }
        // A record that is not there has nothing to fence.
        self.driver.transaction(&[log_row(attempt, end, message, now)]).await?;
        Ok(Saved::Yes)
    }

    /// Ends an attempt that has created a record in the CRM, and saves the record's id there, unless it
    /// has one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn save_external_id(
        &self,
        attempt: &Attempt,
        external_id: &str,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let fence = fence(
            attempt,
            "UPDATE crm_records SET external_id = COALESCE(external_id, ?), sync_job = ?, sync_token = ?
             WHERE store = ? AND entity = ? AND record = ?
               AND (sync_job IS NULL OR sync_job <> ? OR sync_token <= ?)",
            values![external_id],
        );
        let row = log_row(attempt, End::Synced, &format!("created as {external_id}"), now);
        if self.driver.transaction(&[fence, row]).await?.is_some() {
            return Ok(Saved::Yes);
        }
        // One that was deleted meanwhile needs no id.
        let is_there = self.revision(attempt.job.key()).await?.is_some();
        Ok(if is_there { Saved::Overtaken } else { Saved::Changed })
    }

    /// Ends an attempt that has fetched a record from the CRM, and saves what it says over what was
    /// `loaded`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn save_fields(
        &self,
        attempt: &Attempt,
        loaded: &LocalRecord,
        fields: &Fields,
        now: Timestamp,
    ) -> Result<Saved, StoreError> {
        let mut fence = fence(
            attempt,
            "UPDATE crm_records SET fields = ?, revision = revision + 1, updated_at = ?,
                 sync_job = ?, sync_token = ?
             WHERE store = ? AND entity = ? AND record = ?
               AND (sync_job IS NULL OR sync_job <> ? OR sync_token <= ?) AND revision = ?",
            values![fields.to_json(), now.as_millis()],
        );
        fence.values.push(loaded.revision.into());
        let row = log_row(attempt, End::Synced, "updated from the CRM", now);
        if self.driver.transaction(&[fence, row]).await?.is_some() {
            return Ok(Saved::Yes);
        }
        let is_changed = self.revision(loaded.key).await? != Some(loaded.revision);
        Ok(if is_changed { Saved::Changed } else { Saved::Overtaken })
    }

    /// The log of one record, oldest first, the newest `limit` rows of it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn log_of(&self, key: RecordKey, limit: u32) -> Result<Vec<LogEntry>, StoreError> {
        let sql = "SELECT attempt, status, message, started_at, finished_at FROM crm_sync_log
                   WHERE store = ? AND entity = ? AND record = ? ORDER BY id DESC LIMIT ?";
        let mut values = key_values(key);
        values.push(limit.into());
        let found = self.driver.query(sql, values).await?;
        let entry = |row: &super::driver::Record| LogEntry {
            attempt: row.count(0),
            status: row.text(1).unwrap_or_default().to_owned(),
            message: row.text(2).unwrap_or_default().to_owned(),
            started_at: row.count(3),
            finished_at: row.count(4),
        };
        Ok(found.iter().rev().map(entry).collect())
    }

    /// Deletes what ended before an instant, and says how much that was.
    ///
    /// # Errors
    ///
    /// When the database fails; what was deleted until then is gone.
    pub async fn prune_log(&self, before: Timestamp) -> Result<u64, StoreError> {
        // The inner query has a name because MySQL does not delete from what it selects from.
        let sql = "DELETE FROM crm_sync_log WHERE id IN (SELECT id FROM (
                       SELECT id FROM crm_sync_log WHERE finished_at < ? LIMIT ?) AS old)";
        let mut pruned = 0;
        loop {
            let step = Step::new(sql, values![before.as_millis(), PRUNED_AT_ONCE]);
            let now = self.driver.transaction(&[step]).await?.unwrap_or_default();
            pruned += now;
            if now < u64::from(PRUNED_AT_ONCE) {
                return Ok(pruned);
            }
        }
    }
}

/// A change of the attempt's record with the fence around it. `sql` takes `changes`, the job and token,
/// the record's key, and the job and token again.
fn fence(attempt: &Attempt, sql: &'static str, changes: Vec<Value>) -> Step {
    let us = || values![attempt.job_id.to_string(), attempt.token.as_u64()];
    Step::guard(sql, [changes, us(), key_values(attempt.job.key()), us()].concat())
}

fn log_row(attempt: &Attempt, end: End, message: &str, now: Timestamp) -> Step {
    let message: String = message.chars().take(MAX_MESSAGE).collect();
    let values = values![
        attempt.job_id.to_string(),
        attempt.token.as_u64(),
        attempt.number,
        attempt.job.direction.as_str(),
        end.as_str(),
        message,
        attempt.started_at.as_millis(),
        now.as_millis()
    ];
    Step::new(
        "INSERT INTO crm_sync_log (job_id, token, attempt, direction, status, message, started_at,
                                   finished_at, store, entity, record)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [values, key_values(attempt.job.key())].concat(),
    )
}
