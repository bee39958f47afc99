//! The chunk job: changes some leads in one transaction together with the note that they are done.

use jobq_core::{JobContext, JobError, JobResult};
use jobq_worker::State;

use crate::app::App;
use crate::db::{Applied, Chunk, LeadChange};
use crate::jobs::{ChangeChunk, FinishJob};

/// The handler of [`ChangeChunk`].
///
/// # Errors
///
/// When the database or the queue fails, to be tried again.
pub async fn change_chunk(job: ChangeChunk, State(app): State<App>, cx: JobContext) -> JobResult {
    let chunk = Chunk {
        chunk_no: job.chunk_no,
        change: LeadChange {
            change_id: &job.job_id,
            user_id: job.user_id,
            target: job.target,
            lead_ids: &job.lead_ids,
        },
    };
    match app.store.apply_chunk(&chunk).await {
        Ok(Applied::Now) => app.feed.ring(),
        Ok(Applied::Before) => {}
        Ok(Applied::Over) => {
            if app.store.end_overdue_job(&job.job_id).await? {
                FinishJob::enqueue(cx.queue(), &job.job_id).await?;
            }
            return Err(JobError::discard("its bulk job has ended"));
        }
        Err(error) if cx.is_last_attempt() => {
            // The batch says that a chunk is dead, and not why. If the database does not even take this,
            // the follow-up says that.
            let why = format!("chunk {} has failed {} times: {error}", job.chunk_no, cx.attempt());
            app.store.note_error(&job.job_id, &why).await?;
            return Err(JobError::dead(error));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
