//! Starts imports, of which a contractor has one at a time.

use std::time::Duration;

use super::driver::{Step, StoreError, values};
use super::records::{NewImport, Started};
use super::store::{Store, now};

impl Store {
    /// Notes that an import is about to run, unless the contractor has another one that began less than
    /// `stuck_after` ago and is still running. Repeated for the same import, it changes nothing.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn start_import(
        &self,
        import: NewImport<'_>,
        stuck_after: Duration,
    ) -> Result<Started, StoreError> {
        let NewImport { id, contractor_id, source } = import;
        let since = now().saturating_sub(stuck_after.as_millis() as u64);
        let step = Step::guard(
            self.driver.dialect().start_import,
            values![id, contractor_id, source, now(), contractor_id, since],
        );
        if self.driver.transaction(&[step]).await? || self.import(id).await?.is_some() {
            return Ok(Started::Ours);
        }
        let sql = "SELECT id FROM imports
                   WHERE contractor_id = ? AND status = 'running' AND started_at > ?";
        let found = self.driver.query(sql, values![contractor_id, since]).await?;
        let other = found.first().and_then(|row| row.text(0)).unwrap_or("that has just ended");
        Ok(Started::Overlaps(other.to_owned()))
    }
}
