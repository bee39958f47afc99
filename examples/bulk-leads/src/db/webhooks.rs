//! What became of the messages at the end of jobs.

use super::driver::{StoreError, values};
use super::records::WebhookState;
use super::store::Store;

impl Store {
    /// Notes an attempt to deliver a job's message, unless the message had been delivered.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn note_webhook(
        &self,
        job_id: &str,
        attempt: u32,
        state: WebhookState,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        let sql = "UPDATE crm_bulk_jobs
                   SET webhook_state = ?, webhook_attempts = ?, webhook_error = ?
                   WHERE id = ? AND webhook_state <> 'delivered'";
        self.step(sql, values![state.as_str(), attempt, error, job_id]).await.map(drop)
    }

    /// Has a message sent again that was given up. `false` if it was not.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn redeliver(&self, id: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE crm_bulk_jobs
                   SET webhook_state = 'pending', webhook_attempts = 0, checked_at = ?
                   WHERE id = ? AND webhook_state = 'failed'";
        self.step(sql, values![self.now_ms(), id]).await
    }
}
