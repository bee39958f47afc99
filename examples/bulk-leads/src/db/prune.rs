//! Forgetting jobs that ended long ago. What they add to the statistics is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use super::driver::{Record, StoreError, again, values};
use super::records::BulkState;
use super::stats::DaySums;
use super::store::Store;

/// How many jobs one transaction forgets.
const BATCH: u32 = 200;

/// Jobs are kept for so long, whatever one asks for: the limits of their users are counted from them. No
/// limit looks back further than a day.
const COUNTED: Duration = Duration::from_secs(24 * 3_600);

impl Store {
    /// Forgets jobs that were completed or cancelled so long ago, and others that ended so long ago, and
    /// says how many. No job is forgotten within a day of its acceptance. The history of the leads stays. May be repeated, and run from several places.
    ///
    /// # Errors
    ///
    /// When the database fails; what was forgotten before stays so.
    pub async fn prune(&self, completed: Duration, failed: Duration) -> Result<u64, StoreError> {
        let mut pruned = 0;
        loop {
            let some = again(|| self.try_prune(completed, failed)).await?;
            pruned += some;
            if some < u64::from(BATCH) {
                return Ok(pruned);
            }
        }
    }

    async fn try_prune(&self, completed: Duration, failed: Duration) -> Result<u64, StoreError> {
        let before = |age| (self.now() - age).as_millis();
        let dialect = self.driver.dialect();
        let mut transaction = self.driver.begin().await?;
        let values = values![before(COUNTED), before(completed), before(failed), BATCH];
        let jobs = transaction.query(dialect.lock_jobs_to_prune, values).await?;
        for ((day, user_id), sums) in sums_of(&jobs) {
            let values = values![
                day,
                user_id,
                sums.jobs,
                sums.leads,
                sums.completed,
                sums.failed,
                sums.cancelled,
                sums.timed_out,
                sums.duration_ms
            ];
            transaction.execute(dialect.add_to_day, values).await?;
        }
        for job in &jobs {
            for sql in [
                "DELETE FROM crm_bulk_chunks WHERE job_id = ?",
                "DELETE FROM crm_bulk_job_leads WHERE job_id = ?",
                "DELETE FROM crm_bulk_jobs WHERE id = ?",
            ] {
                transaction.execute(sql, values![job.string(0)]).await?;
            }
        }
        transaction.commit().await?;
        Ok(jobs.len() as u64)
    }
}

/// What jobs add to each day of each user.
fn sums_of(jobs: &[Record]) -> BTreeMap<(u64, i64), DaySums> {
    let mut days: BTreeMap<(u64, i64), DaySums> = BTreeMap::new();
    for job in jobs {
        let sums = days.entry((job.count(2), job.int(1).unwrap_or_default())).or_default();
        sums.jobs += 1;
        sums.leads += job.count(3);
        sums.duration_ms += job.count(5);
        match BulkState::read(job.text(4)) {
            BulkState::Completed => sums.completed += 1,
            BulkState::Failed => sums.failed += 1,
            BulkState::Cancelled => sums.cancelled += 1,
            BulkState::TimedOut => sums.timed_out += 1,
            // They are not pruned.
            BulkState::Pending | BulkState::Processing => {}
        }
    }
    days
}
