//! Forgetting what ended long ago.

use std::time::Duration;

use serde::Serialize;
use sql_store::{StoreError, again, values};

use super::driver::whole;
use super::store::Store;

/// How many rows one transaction deletes: others wait no longer than that takes.
const BATCH: u32 = 500;

/// jobq's notes of jobs that have run are kept for longer than a dead job could be put back.
const JOBS_KEPT: Duration = Duration::from_secs(35 * 24 * 3_600);

/// What was pruned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pruned {
    /// Processed inbox messages.
    pub inbox: u64,
    /// Sent outbox messages.
    pub outbox: u64,
    /// jobq's notes of jobs that have run, and of those it could not enqueue.
    pub jobs: u64,
}

impl Store {
    /// Deletes inbox messages that were processed, and outbox messages that were sent, longer ago than
    /// `age`; what has failed stays, for people. Also jobq's notes that are older than 35 days, or than `age`
    /// if that is longer. In batches; may be repeated, and run from several places.
    ///
    /// # Errors
    ///
    /// When the database fails; what was deleted before stays so.
    pub async fn prune(&self, age: Duration) -> Result<Pruned, StoreError> {
        let before = (self.now() - age).as_millis();
        // MariaDB wants no LIMIT right inside IN, and SQLite none at a DELETE.
        let inbox = "DELETE FROM crm_inbox WHERE id IN (SELECT id FROM (
                         SELECT id FROM crm_inbox
                         WHERE status = 'processed' AND updated_at < ?
                         ORDER BY updated_at LIMIT ?) AS old)";
        let outbox = "DELETE FROM crm_outbox WHERE id IN (SELECT id FROM (
                          SELECT id FROM crm_outbox
                          WHERE status = 'sent' AND updated_at < ?
                          ORDER BY updated_at LIMIT ?) AS old)";
        let mut pruned = Pruned::default();
        for (sql, sum) in [(inbox, &mut pruned.inbox), (outbox, &mut pruned.outbox)] {
            loop {
                let deleted = self.change(sql, values![before, BATCH]).await?;
                *sum += deleted;
                if deleted < u64::from(BATCH) {
                    break;
                }
            }
        }
        loop {
            let deleted = self.prune_jobs(age.max(JOBS_KEPT)).await?;
            pruned.jobs += deleted;
            if deleted < u64::from(BATCH) {
                return Ok(pruned);
            }
        }
    }

    async fn prune_jobs(&self, age: Duration) -> Result<u64, StoreError> {
        let store = self.clone();
        whole(async move {
            again(async || {
                let mut transaction = store.driver.begin().await?;
                let deleted = transaction.prune_jobs(age, age, BATCH).await?;
                transaction.commit().await?;
                Ok(deleted)
            })
            .await
        })
        .await
    }
}
