//! Looking at bulk jobs.

use super::driver::{StoreError, values};
use super::records::{BulkJob, job_columns};
use super::store::Store;

impl Store {
    /// A bulk job; `None` if the database does not know it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn job(&self, id: &str) -> Result<Option<BulkJob>, StoreError> {
        let sql = concat!("SELECT ", job_columns!(), " FROM crm_bulk_jobs WHERE id = ?");
        let found = self.driver.query(sql, values![id]).await?;
        Ok(found.first().map(BulkJob::read))
    }

    /// A bulk job of a user; `None` also if it is another one's.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn job_of(&self, user_id: i64, id: &str) -> Result<Option<BulkJob>, StoreError> {
        Ok(self.job(id).await?.filter(|job| job.user_id == user_id))
    }
}
