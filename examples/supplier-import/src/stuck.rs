//! Finds out that an import cannot end: a job of it is dead, and nobody ended the import for it.
//!
//! A job whose last attempt returns an error ends its import itself. One whose last attempt timed out or
//! panicked, or that took its workers down with it, could not: it is dead, and waits for people.

use std::collections::HashSet;

use jobq_core::{Inspect, Job, JobId, JobState, QueueName};
use program::Failure;

use crate::db::Store;
use crate::jobs::{ImportChunk, ImportFile, WriteSummary};

/// How many of the chunks that are not done are looked at: those that the others wait for, if any.
const CHUNKS: usize = 16;

/// A dead job of an import none of whose jobs is alive any more, as far as they are looked at.
pub(crate) async fn dead_job(
    inspect: &dyn Inspect,
    store: &Store,
    import_id: &str,
) -> Result<Option<JobId>, Failure> {
    let mut jobs = vec![
        (ImportFile::QUEUE, ImportFile::id_of(import_id)),
        (WriteSummary::QUEUE, WriteSummary::id_of(import_id)),
    ];
    for chunk_no in chunks_to_do(store, import_id).await? {
        jobs.push((ImportChunk::QUEUE, ImportChunk::id_of(import_id, chunk_no)));
    }
    let mut dead = None;
    for (queue, id) in jobs {
        let queue = QueueName::new(queue).map_err(|error| Failure::failed(&error))?;
        let job = inspect.job(&queue, id).await.map_err(|error| Failure::failed(&error))?;
        match job.map(|job| job.state) {
            Some(JobState::Dead) => dead = dead.or(Some(id)),
            Some(JobState::Waiting | JobState::Scheduled | JobState::Ready | JobState::Leased) => {
                return Ok(None);
            }
            Some(JobState::Completed | JobState::Cancelled) | None => {}
        }
    }
    Ok(dead)
}

/// The first chunks that are not done.
async fn chunks_to_do(store: &Store, import_id: &str) -> Result<Vec<u64>, Failure> {
    let failed = |error| Failure::failed(&error);
    let import = store.import(import_id).await.map_err(failed)?;
    let Some(plan) = import.and_then(|import| import.plan) else {
        return Ok(Vec::new());
    };
    let done: HashSet<u64> =
        store.done_chunks(import_id).await.map_err(failed)?.into_iter().collect();
    Ok((0..plan.chunks).filter(|chunk_no| !done.contains(chunk_no)).take(CHUNKS).collect())
}
