//! Numbers about the log, for those who watch the system.

use jobq_core::Timestamp;
use serde::Serialize;

use super::driver::{StoreError, values};
use super::store::Store;
use crate::entity::{Direction, Entity};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Numbers about the log.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LogNumbers {
    /// Jobs that have ended since midnight, UTC, well or for good.
    pub processed_today: u64,
    /// Attempts that have failed in the last 24 hours, those of workers that died among them.
    pub errors_24h: u64,
    /// How long a successful attempt took in the last 24 hours, on average; `None` if there was none.
    pub mean_processing_ms: Option<u64>,
    /// Which share of the jobs that ended in the last 24 hours ended well, from 0 to 1; `None` if none
    /// ended.
    pub success_rate_24h: Option<f64>,
    /// By entity and direction, as far back as the log goes.
    pub counts: Vec<Counts>,
}

/// How the jobs of an entity and direction have ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// What was synced.
    pub entity: Entity,
    /// Which way.
    pub direction: Direction,
    /// Jobs that ended well.
    pub synced: u64,
    /// Jobs that failed for good.
    pub failed: u64,
    /// Attempts that failed, also of jobs that were tried again.
    pub errors: u64,
}

impl Store {
    /// The numbers about the log at `now`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn log_numbers(&self, now: Timestamp) -> Result<LogNumbers, StoreError> {
        let now = now.as_millis();
        let (midnight, yesterday) = (now - now % DAY_MS, now.saturating_sub(DAY_MS));
        let sql = "SELECT COUNT(*) FROM crm_sync_log
                   WHERE finished_at >= ? AND status IN ('synced', 'failed')";
        let today = self.driver.query(sql, values![midnight]).await?;
        let sql = "SELECT status, COUNT(*), CAST(SUM(finished_at - started_at) AS SIGNED)
                   FROM crm_sync_log WHERE finished_at >= ? GROUP BY status";
        let by_status = self.driver.query(sql, values![yesterday]).await?;
        let of = |status: &str| {
            let row = by_status.iter().find(|row| row.text(0) == Some(status));
            row.map_or((0, 0), |row| (row.count(1), row.count(2)))
        };
        let ((synced, took_ms), (failed, _)) = (of("synced"), of("failed"));
        Ok(LogNumbers {
            processed_today: today.first().map_or(0, |row| row.count(0)),
            errors_24h: failed + of("retrying").0 + of("lost").0,
            mean_processing_ms: took_ms.checked_div(synced),
            success_rate_24h: share(synced, synced + failed),
            counts: self.counts().await?,
        })
    }

    async fn counts(&self) -> Result<Vec<Counts>, StoreError> {
        let sql = "SELECT entity, direction, status, COUNT(*) FROM crm_sync_log
                   GROUP BY entity, direction, status";
        let found = self.driver.query(sql, values![]).await?;
        let count = |entity: Entity, direction: Direction, statuses: &[&str]| {
            found
                .iter()
                .filter(|row| {
                    row.text(0) == Some(entity.as_str())
                        && row.text(1) == Some(direction.as_str())
                        && row.text(2).is_some_and(|status| statuses.contains(&status))
                })
                .map(|row| row.count(3))
                .sum()
        };
        let pairs = Entity::ALL
            .into_iter()
            .flat_map(|entity| Direction::ALL.map(|direction| (entity, direction)));
        let counts = |(entity, direction)| Counts {
            entity,
            direction,
            synced: count(entity, direction, &["synced"]),
            failed: count(entity, direction, &["failed"]),
            errors: count(entity, direction, &["failed", "retrying", "lost"]),
        };
        Ok(pairs.map(counts).collect())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share for people")]
fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
