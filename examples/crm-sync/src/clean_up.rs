//! Takes away what has ended long ago: rows of the log, and dead jobs.

use std::time::Duration;

use jobq_core::{Inspect, JobId, JobState, Timestamp};
use program::Failure;
use serde::Serialize;

use crate::db::Store;
use crate::limits::queue_name;

/// How many dead jobs are looked at and deleted at a time.
const PAGE: usize = 500;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CleanedUp {
    /// Rows of the log.
    pub log_rows: u64,
    /// Dead jobs; `None` if the queue cannot be seen from here.
    pub dead_jobs: Option<u64>,
}

/// Takes away what ended more than so many days before `now`. May be repeated, and run by several at once.
///
/// # Errors
///
/// When the database or the queue fails; what was taken away until then is gone.
pub async fn clean_up(
    store: &Store,
    inspect: Option<&dyn Inspect>,
    days: u32,
    now: Timestamp,
) -> Result<CleanedUp, Failure> {
    let before = now - DAY * days;
    let log_rows = store.prune_log(before).await?;
    let dead_jobs = match inspect {
        Some(inspect) => Some(delete_dead(inspect, before).await?),
        None => None,
    };
    Ok(CleanedUp { log_rows, dead_jobs })
}

async fn delete_dead(inspect: &dyn Inspect, before: Timestamp) -> Result<u64, Failure> {
    let queue = queue_name()?;
    let mut deleted = 0;
    loop {
        // The oldest come first.
        let dead = inspect.jobs(&queue, JobState::Dead, 0, PAGE).await?;
        let old: Vec<JobId> = dead
            .iter()
            .filter(|job| job.at.is_some_and(|died_at| died_at < before))
            .map(|job| job.record.id)
            .collect();
        if old.is_empty() {
            return Ok(deleted);
        }
        inspect.delete(&queue, JobState::Dead, &old).await?;
        deleted += old.len() as u64;
    }
}
