//! Deletes dead jobs that nobody has looked at for long.

use std::time::Duration;

use jobq_core::{Inspect, JobContext, JobError, JobId, JobResult, JobState, QueueName, Timestamp};
use jobq_worker::State;
use program::Failure;

use crate::app::App;
use crate::jobs::{PruneFailed, QUEUES};

/// How many dead jobs are looked at and deleted at a time.
const PAGE: usize = 500;

/// The handler of [`PruneFailed`]. Its result is how many were deleted.
///
/// # Errors
///
/// When the queue fails, to be tried again.
pub async fn prune_failed(
    job: PruneFailed,
    State(app): State<App>,
    cx: JobContext,
) -> JobResult<u64> {
    let Some(queues) = &app.queues else {
        return Err(JobError::dead("this worker was not given the queues to prune"));
    };
    let now = cx.queue().clock().now();
    prune(&**queues, job.hours, now).await.map_err(JobError::retry)
}

/// Deletes the dead jobs of all queues of this system that died at least so many hours before `now`, and tells how
/// many they were. May be repeated, and run by several at once.
///
/// # Errors
///
/// When the queue fails; what was deleted until then is gone.
pub async fn prune(queues: &dyn Inspect, hours: u32, now: Timestamp) -> Result<u64, Failure> {
    let age = Duration::from_secs(u64::from(hours) * 60 * 60);
    let before = now - age;
    let mut deleted = 0;
    for name in QUEUES {
        let queue = QueueName::new(name).map_err(|error| Failure::failed(&error))?;
        loop {
            // The oldest come first.
            let dead = queues.jobs(&queue, JobState::Dead, 0, PAGE).await;
            let dead = dead.map_err(|error| Failure::failed(&error))?;
            let old: Vec<JobId> = dead
                .iter()
                .filter(|job| job.at.is_some_and(|died_at| died_at <= before))
                .map(|job| job.record.id)
                .collect();
            if old.is_empty() {
                break;
            }
            let gone = queues.delete(&queue, JobState::Dead, &old).await;
            gone.map_err(|error| Failure::failed(&error))?;
            deleted += old.len() as u64;
        }
    }
    Ok(deleted)
}
