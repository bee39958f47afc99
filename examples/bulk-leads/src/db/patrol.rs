//! What needs looking after.

use std::time::Duration;

use serde::Serialize;

use super::driver::{StoreError, values};
use super::store::Store;

/// How bulk jobs are, over all users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// Jobs for which nothing was done yet.
    pub pending: u64,
    /// Jobs whose chunks are being done.
    pub processing: u64,
    /// Those of both for which nothing was done for too long; the oldest first.
    pub stuck: Vec<String>,
    /// Jobs of the last day that were given up because of an error.
    pub failed: u64,
    /// Jobs of the last day that took longer than they may.
    pub timed_out: u64,
    /// Messages of the last day that were given up.
    pub webhooks_failed: u64,
}

/// The most stuck jobs that are listed.
const LISTED: u32 = 100;

impl Store {
    /// How bulk jobs are. Stuck is a job for which nothing was done for so long.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn health(&self, stuck_after: Duration) -> Result<Health, StoreError> {
        let yesterday = (self.now() - Duration::from_secs(24 * 3_600)).as_millis();
        let sql = "
            SELECT (SELECT COUNT(*) FROM crm_bulk_jobs WHERE state = 'pending'),
                   (SELECT COUNT(*) FROM crm_bulk_jobs WHERE state = 'processing'),
                   (SELECT COUNT(*) FROM crm_bulk_jobs WHERE state = 'failed' AND ended_at > ?),
                   (SELECT COUNT(*) FROM crm_bulk_jobs WHERE state = 'timed_out' AND ended_at > ?),
                   (SELECT COUNT(*) FROM crm_bulk_jobs
                    WHERE webhook_state = 'failed' AND ended_at > ?)";
        let found = self.driver.query(sql, values![yesterday, yesterday, yesterday]).await?;
        let count = |column| found.first().map_or(0, |row| row.count(column));
        Ok(Health {
            pending: count(0),
            processing: count(1),
            stuck: self.stuck_jobs(stuck_after).await?,
            failed: count(2),
            timed_out: count(3),
            webhooks_failed: count(4),
        })
    }

    /// The jobs for which nothing was done for so long, the oldest first; no more than a hundred.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn stuck_jobs(&self, stuck_after: Duration) -> Result<Vec<String>, StoreError> {
        let before = (self.now() - stuck_after).as_millis();
        let sql = "SELECT id FROM crm_bulk_jobs
                   WHERE state IN ('pending', 'processing') AND moved_at < ?
                   ORDER BY moved_at LIMIT ?";
        let found = self.driver.query(sql, values![before, LISTED]).await?;
        Ok(found.iter().map(|row| row.string(0)).collect())
    }

    /// How many jobs of a user are stuck.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn count_stuck(
        &self,
        user_id: i64,
        stuck_after: Duration,
    ) -> Result<u64, StoreError> {
        let before = (self.now() - stuck_after).as_millis();
        let sql = "SELECT COUNT(*) FROM crm_bulk_jobs
                   WHERE user_id = ? AND state IN ('pending', 'processing') AND moved_at < ?";
        let found = self.driver.query(sql, values![user_id, before]).await?;
        Ok(found.first().map_or(0, |row| row.count(0)))
    }

    /// The jobs for which something is left to do, that have not moved since `before`, and whose queue jobs
    /// were last enqueued before it, the oldest first: those that have not ended, and those whose message is
    /// not delivered. And those that were left to the next round.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn unattended(
        &self,
        before: u64,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT id FROM crm_bulk_jobs
                   WHERE (state IN ('pending', 'processing') OR webhook_state = 'pending')
                     AND checked_at < ? AND (moved_at < ? OR checked_at = 0)
                   ORDER BY checked_at LIMIT ?";
        let found = self.driver.query(sql, values![before, before, limit]).await?;
        Ok(found.iter().map(|row| row.string(0)).collect())
    }

    /// Has a job looked after soon whose queue jobs could not be enqueued.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn leave_to_next_round(&self, id: &str) -> Result<(), StoreError> {
        let mut transaction = self.driver.begin().await?;
        let sql = "UPDATE crm_bulk_jobs SET checked_at = 0 WHERE id = ?";
        transaction.execute(sql, values![id]).await?;
        transaction.commit().await
    }

    /// Notes that the queue jobs of a job were enqueued.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn note_checked(&self, ids: &[String]) -> Result<(), StoreError> {
        let mut transaction = self.driver.begin().await?;
        for id in ids {
            let sql = "UPDATE crm_bulk_jobs SET checked_at = ? WHERE id = ?";
            transaction.execute(sql, values![self.now_ms(), id.as_str()]).await?;
        }
        transaction.commit().await
    }
}
