//! The jobs that a schedule enqueues, on a queue of their own that no store's limit holds up.

use jobq_core::{Job, JobContext, JobError, JobResult};
use jobq_worker::State;
use serde::{Deserialize, Serialize};

use crate::clean_up::{CleanedUp, clean_up};
use crate::db::Store;
use crate::entity::{Direction, Entity};
use crate::producer::{FullSync, Producer};
use crate::queue::Opened;
use crate::report;

/// The queue of these jobs.
pub const UPKEEP_QUEUE: &str = "crm-upkeep";

/// Enqueues all records of an entity, of all stores.
///
/// While one waits or runs, an equal one adds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(
    kind = "crm.full_sync",
    queue = "crm-upkeep",
    max_attempts = 5,
    timeout = "30m",
    backoff = "exponential(5s..5m)",
    unique(entity, direction),
    unique_mode = "until_finished",
    retention = "2d"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct SyncAll {
    /// What is synced.
    pub entity: Entity,
    /// Which way.
    pub direction: Direction,
}

/// Takes away what has ended long ago: rows of the log, and dead jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(
    kind = "crm.clean_up",
    queue = "crm-upkeep",
    max_attempts = 5,
    timeout = "30m",
    backoff = "exponential(5s..5m)",
    retention = "2d"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct CleanUp {
    /// How many days ago.
    pub days: u32,
}

/// What these jobs need. Clones are the same.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "put together in one place, and by tests")]
pub struct Upkeep {
    /// The tables.
    pub store: Store,
    /// The queue.
    pub queue: Opened,
}

/// The handler of [`SyncAll`]. Its result is what was enqueued, store by store. A second attempt adds what the first
/// one did not get to, and what has been synced meanwhile once more.
///
/// # Errors
///
/// When the database or the queue fails, to be tried again.
pub async fn sync_all(job: SyncAll, State(upkeep): State<Upkeep>) -> JobResult<Vec<FullSync>> {
    let producer = Producer::new(upkeep.store, upkeep.queue);
    let done = producer.full_sync(None, job.entity, job.direction).await;
    let done = done.map_err(JobError::retry)?;
    for store in &done {
        report::note(&report::full_sync(store));
    }
    Ok(done)
}

/// The handler of [`CleanUp`]. Its result is how much was taken away.
///
/// # Errors
///
/// When the database or the queue fails, to be tried again.
pub async fn clean_up_old(
    job: CleanUp,
    State(upkeep): State<Upkeep>,
    cx: JobContext,
) -> JobResult<CleanedUp> {
    let Upkeep { store, queue } = upkeep;
    let now = cx.queue().clock().now();
    clean_up(&store, Some(&*queue.inspect), job.days, now).await.map_err(JobError::retry)
}
