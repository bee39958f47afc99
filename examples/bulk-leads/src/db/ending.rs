//! The steps of a job's life. Each is one guarded statement, so each can be repeated, and of two that
//! meet the first one counts.

use super::driver::{StoreError, values};
use super::records::{BulkJob, BulkState};
use super::store::Store;

impl Store {
    pub(super) async fn step(
        &self,
        sql: &'static str,
        values: Vec<super::driver::Value>,
    ) -> Result<bool, StoreError> {
        super::driver::again(|| async {
            let mut transaction = self.driver.begin().await?;
            let changed = transaction.execute(sql, values.clone()).await?;
            transaction.commit().await?;
            Ok(changed > 0)
        })
        .await
    }

    /// Begins a job that waits, and gives the job as it is then; `None` if it is not known. From now on it
    /// has all its time, however long it has waited.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn start_job(&self, id: &str) -> Result<Option<BulkJob>, StoreError> {
        let now = self.now_ms();
        let sql = "UPDATE crm_bulk_jobs
                   SET state = 'processing', started_at = ?, moved_at = ?,
                       deadline_at = timeout_ms + ?
                   WHERE id = ? AND state = 'pending'";
        self.step(sql, values![now, now, now, id]).await?;
        self.job(id).await
    }

    /// Ends a job whose leads were all seen to, and gives the job as it is then; `None` if it is not known.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn complete_job(&self, id: &str) -> Result<Option<BulkJob>, StoreError> {
        let sql = "UPDATE crm_bulk_jobs SET state = 'completed', error = NULL, ended_at = ?
                   WHERE id = ? AND state = 'processing' AND successes + failures = total_leads";
        self.step(sql, values![self.now_ms(), id]).await?;
        self.job(id).await
    }

    /// Notes why a job is going to fail.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn note_error(&self, id: &str, why: &str) -> Result<(), StoreError> {
        let sql = "UPDATE crm_bulk_jobs SET error = ? WHERE id = ? AND state = 'processing'";
        self.step(sql, values![why, id]).await.map(drop)
    }

    /// Gives a job up because of an error that is not its leads': `why`, unless one was noted. `false` if
    /// it has ended, or if nothing is left to do for it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn fail_job(&self, id: &str, why: &str) -> Result<bool, StoreError> {
        let sql =
            "UPDATE crm_bulk_jobs SET state = 'failed', error = COALESCE(error, ?), ended_at = ?
                   WHERE id = ? AND state IN ('pending', 'processing')
                     AND successes + failures < total_leads";
        self.step(sql, values![why, self.now_ms(), id]).await
    }

    /// Ends a job that its owner does not want any more. `false` if it has ended. What its counts say is
    /// done; nothing more will be.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn cancel_job(&self, id: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE crm_bulk_jobs SET state = 'cancelled', ended_at = ?
                   WHERE id = ? AND state IN ('pending', 'processing')";
        self.step(sql, values![self.now_ms(), id]).await
    }

    /// Ends a job that is past its time: as completed if all its leads were seen to, though nobody has said
    /// so yet, and as timed out otherwise. `false` if it is not past its time, or has ended.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_overdue_job(&self, id: &str) -> Result<bool, StoreError> {
        let now = self.now_ms();
        // The error first: MariaDB sets one after the other, and the error depends on the state before.
        let sql = "UPDATE crm_bulk_jobs
                   SET error = CASE WHEN successes + failures = total_leads THEN NULL
                                    WHEN state = 'pending' THEN 'it was not started in time'
                                    ELSE 'it took longer than it may' END,
                       state = CASE WHEN successes + failures = total_leads THEN 'completed'
                                    ELSE 'timed_out' END,
                       ended_at = ?
                   WHERE id = ? AND state IN ('pending', 'processing') AND deadline_at <= ?";
        self.step(sql, values![now, id, now]).await
    }

    /// The jobs that are past their time and have not ended.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn overdue_jobs(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT id FROM crm_bulk_jobs
                   WHERE state IN ('pending', 'processing') AND deadline_at <= ?";
        let found = self.driver.query(sql, values![self.now_ms()]).await?;
        Ok(found.iter().map(|row| row.string(0)).collect())
    }

    /// How many jobs of a user are in a state.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn count_jobs(&self, user_id: i64, state: BulkState) -> Result<u64, StoreError> {
        let sql = "SELECT COUNT(*) FROM crm_bulk_jobs WHERE user_id = ? AND state = ?";
        let found = self.driver.query(sql, values![user_id, state.as_str()]).await?;
        Ok(found.first().map_or(0, |row| row.count(0)))
    }
}
