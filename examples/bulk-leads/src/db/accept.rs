//! Accepting a bulk job: its limits are checked and it is stored, in one transaction.

use std::time::Duration;

use super::driver::{StoreError, Transaction, again, values};
use super::records::{BulkState, WebhookState};
use super::store::Store;
use crate::lead_ids::LeadIds;
use crate::limits::{LimitHit, Limits, Usage, day_of};
use crate::status::LeadStatus;

/// A bulk job that somebody asks for.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct NewBulkJob<'a> {
    /// Names it.
    pub id: &'a str,
    /// Whose it is.
    pub user_id: i64,
    /// The key it is sent with.
    pub key_id: &'a str,
    /// Whether it goes before those of ordinary callers.
    pub is_premium: bool,
    /// What its user may ask for.
    pub limits: Limits,
    /// The status that its leads are to have.
    pub target: LeadStatus,
    /// Its leads.
    pub lead_ids: &'a LeadIds,
    /// How many leads make a chunk of it.
    pub chunk_leads: u64,
    /// How long it may wait for its start, and how long it may take from there on.
    pub timeout: Duration,
    /// The job whose failed leads these are.
    pub retry_of: Option<&'a str>,
    /// Whether somebody is told of its end.
    pub has_webhook: bool,
}

/// What became of the wish.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each is handled where it is returned")]
pub enum Accepted {
    /// The job is stored, and will be done.
    Yes,
    /// A limit would be exceeded.
    Limited(LimitHit),
    /// This job is the retry already.
    AlreadyRetried(String),
}

impl Store {
    /// Stores a job unless a limit of its user would be exceeded. Requests of one user are taken one after
    /// the other, so that two of them cannot both be the last one allowed.
    ///
    /// # Errors
    ///
    /// When the database fails. The job may have been stored all the same.
    pub async fn accept(&self, job: &NewBulkJob<'_>) -> Result<Accepted, StoreError> {
        again(|| self.try_accept(job)).await
    }

    async fn try_accept(&self, job: &NewBulkJob<'_>) -> Result<Accepted, StoreError> {
        let mut transaction = self.driver.begin().await?;
        transaction.query(self.driver.dialect().lock_user, values![job.user_id]).await?;
        if let Some(retried) = job.retry_of {
            let sql = "SELECT retried_by FROM crm_bulk_jobs WHERE id = ?";
            let found = transaction.query(sql, values![retried]).await?;
            if let Some(id) = found.first().and_then(|row| row.text(0)).map(str::to_owned) {
                transaction.roll_back().await?;
                return Ok(Accepted::AlreadyRetried(id));
            }
        }
        let now = self.now();
        let usage = usage(&mut *transaction, job.user_id, day_of(now)).await?;
        if let Err(hit) = job.limits.check(&usage, job.lead_ids.count(), now) {
            transaction.roll_back().await?;
            return Ok(Accepted::Limited(hit));
        }
        let webhook = if job.has_webhook { WebhookState::Pending } else { WebhookState::None };
        transaction
            .execute(
                "INSERT INTO crm_bulk_jobs
                    (id, user_id, key_id, is_premium, target, state, total_leads, chunk_leads,
                     retry_of, day, created_at, moved_at, checked_at, timeout_ms, deadline_at,
                     webhook_state)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values![
                    job.id,
                    job.user_id,
                    job.key_id,
                    job.is_premium,
                    job.target.as_str(),
                    BulkState::Pending.as_str(),
                    job.lead_ids.count(),
                    job.chunk_leads,
                    job.retry_of,
                    day_of(now),
                    now.as_millis(),
                    now.as_millis(),
                    now.as_millis(),
                    u64::try_from(job.timeout.as_millis()).unwrap_or(u64::MAX),
                    (now + job.timeout).as_millis(),
                    webhook.as_str(),
                ],
            )
            .await?;
        // One text, and not ten thousand rows: the caller waits for this.
        let sql = "INSERT INTO crm_bulk_job_leads (job_id, lead_ids) VALUES (?, ?)";
        transaction.execute(sql, values![job.id, job.lead_ids.to_json()]).await?;
        if let Some(retried) = job.retry_of {
            let sql = "UPDATE crm_bulk_jobs SET retried_by = ? WHERE id = ?";
            transaction.execute(sql, values![job.id, retried]).await?;
        }
        transaction.commit().await?;
        Ok(Accepted::Yes)
    }
}

/// What a user has asked for so far. Jobs of today are all there, for they are not forgotten so soon; leads
/// that were changed at once have left nothing but a sum.
pub(super) async fn usage(
    transaction: &mut dyn Transaction,
    user_id: i64,
    today: u64,
) -> Result<Usage, StoreError> {
    let sql = "
        SELECT (SELECT COUNT(*) FROM crm_bulk_jobs
                WHERE user_id = ? AND state IN ('pending', 'processing')),
               today.jobs, today.leads,
               (SELECT leads FROM crm_bulk_days WHERE user_id = ? AND day = ?),
               (SELECT MAX(created_at) FROM crm_bulk_jobs WHERE user_id = ?)
        FROM (SELECT COUNT(*) AS jobs, CAST(SUM(total_leads) AS SIGNED) AS leads
              FROM crm_bulk_jobs WHERE user_id = ? AND day = ?) AS today";
    let values = values![user_id, user_id, today, user_id, user_id, today];
    let found = transaction.query(sql, values).await?;
    Ok(found.first().map_or_else(Usage::default, |row| Usage {
        pending_jobs: row.count(0),
        jobs_today: row.count(1),
        leads_today: row.count(2) + row.count(3),
        last_job_at: row.uint(4).map(jobq_core::Timestamp::from_millis),
    }))
}
