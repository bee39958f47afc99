//! What became of the messages at the end of jobs.

use super::driver::{StoreError, again, values};
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
        let values = values![state.as_str(), attempt, error, job_id];
        again(|| async {
            let mut transaction = self.driver.begin().await?;
            transaction.execute(sql, values.clone()).await?;
            transaction.commit().await
        })
        .await
    }
}
