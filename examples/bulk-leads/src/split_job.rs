//! The first job: splits a bulk job into chunks.
//!
//! It may be killed anywhere and run again: the batch and the chunks have ids of their own, and chunks that
//! are done are noted. So it also puts a bulk job right whose chunks were lost with the queue.

use std::collections::HashSet;

use jobq_core::{JobContext, JobError, JobResult};
use jobq_worker::State;

use crate::app::App;
use crate::db::BulkJob;
use crate::jobs::{ChangeChunk, FinishJob, SplitJob};

/// The handler of [`SplitJob`].
///
/// # Errors
///
/// When the database or the queue fails, to be tried again.
pub async fn split_job(job: SplitJob, State(app): State<App>, cx: JobContext) -> JobResult {
    let Some(bulk) = app.store.start_job(&job.job_id).await? else {
        return Err(JobError::dead(format!(
            "bulk job {} is not in this worker's database: is its --database the right one?",
            job.job_id
        )));
    };
    app.feed.ring();
    let is_under_way = !bulk.state.has_ended() && {
        let chunks = missing_chunks(&app, &bulk).await?;
        !chunks.is_empty() && ChangeChunk::enqueue_jobs(cx.queue(), &bulk, chunks).await?
    };
    // Otherwise the batch is not going to do so, or has done so and what it enqueued may be lost.
    if !is_under_way {
        FinishJob::enqueue(cx.queue(), &bulk.id).await?;
    }
    Ok(())
}

/// The chunks that are not done.
async fn missing_chunks(app: &App, bulk: &BulkJob) -> JobResult<Vec<ChangeChunk>> {
    let lead_ids = app.store.lead_ids(&bulk.id).await?;
    let done: HashSet<u64> = app.store.done_chunks(&bulk.id).await?.into_iter().collect();
    let missing = lead_ids.chunks(bulk.chunk_leads).filter(|(no, _)| !done.contains(no));
    let chunk = |(chunk_no, lead_ids): (u64, &[i64])| ChangeChunk {
        job_id: bulk.id.clone(),
        user_id: bulk.user_id,
        chunk_no,
        target: bulk.target,
        lead_ids: lead_ids.to_vec(),
    };
    Ok(missing.map(chunk).collect())
}
