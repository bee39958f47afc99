//! Statistics per day: from the jobs themselves, and from the sums over those that were pruned and over
//! leads that were changed at once.

use std::collections::BTreeMap;

use serde::Serialize;

use super::driver::{Record, StoreError, values};
use super::store::Store;
use crate::limits::{beginning_of, day_of};

/// One day of a user, by the day its jobs were accepted, in UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DayStats {
    /// Such as `2026-11-22`.
    pub day: String,
    /// Jobs accepted.
    pub jobs: u64,
    /// Leads of those, and leads that were changed at once.
    pub leads: u64,
    /// Jobs whose leads were all seen to.
    pub completed: u64,
    /// Jobs given up because of an error.
    pub failed: u64,
    /// Jobs that their owner did not want any more.
    pub cancelled: u64,
    /// Jobs that took longer than they may.
    pub timed_out: u64,
    /// From the acceptance of a job to its end, in the mean over those that have ended.
    pub mean_duration_ms: Option<u64>,
}

/// What [`DayStats`] are made of; such sums can be added up.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DaySums {
    pub(super) jobs: u64,
    pub(super) leads: u64,
    pub(super) completed: u64,
    pub(super) failed: u64,
    pub(super) cancelled: u64,
    pub(super) timed_out: u64,
    pub(super) duration_ms: u64,
}

impl DaySums {
    fn add(&mut self, row: &Record) {
        self.jobs += row.count(1);
        self.leads += row.count(2);
        self.completed += row.count(3);
        self.failed += row.count(4);
        self.cancelled += row.count(5);
        self.timed_out += row.count(6);
        self.duration_ms += row.count(7);
    }

    fn stats(&self, day: u64) -> DayStats {
        let ended = self.completed + self.failed + self.cancelled + self.timed_out;
        DayStats {
            day: beginning_of(day).to_string().chars().take(10).collect(),
            jobs: self.jobs,
            leads: self.leads,
            completed: self.completed,
            failed: self.failed,
            cancelled: self.cancelled,
            timed_out: self.timed_out,
            mean_duration_ms: self.duration_ms.checked_div(ended),
        }
    }
}

impl Store {
    /// The last `days` days of a user, today first. Days without jobs are there, too.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn stats(&self, user_id: i64, days: u64) -> Result<Vec<DayStats>, StoreError> {
        let today = day_of(self.now());
        let first = (today + 1).saturating_sub(days);
        let mut sums: BTreeMap<u64, DaySums> =
            (first..=today).map(|day| (day, DaySums::default())).collect();
        // One statement: a job that is forgotten meanwhile is counted on one side, and not on both or none.
        let sql = "
            SELECT day, COUNT(*), CAST(SUM(total_leads) AS SIGNED),
                   CAST(SUM(state = 'completed') AS SIGNED), CAST(SUM(state = 'failed') AS SIGNED),
                   CAST(SUM(state = 'cancelled') AS SIGNED),
                   CAST(SUM(state = 'timed_out') AS SIGNED),
                   CAST(SUM(ended_at - created_at) AS SIGNED)
            FROM crm_bulk_jobs WHERE user_id = ? AND day >= ? GROUP BY day
            UNION ALL
            SELECT day, jobs, leads, completed, failed, cancelled, timed_out, duration_ms
            FROM crm_bulk_days WHERE user_id = ? AND day >= ?";
        for row in self.driver.query(sql, values![user_id, first, user_id, first]).await? {
            sums.entry(row.count(0)).or_default().add(&row);
        }
        Ok(sums.iter().rev().map(|(day, sums)| sums.stats(*day)).collect())
    }
}
