//! The follow-up: ends a bulk job and sees to it that its owner is told.

use jobq_core::{ErrorKind, JobContext, JobResult, Queue};
use jobq_worker::State;

use crate::app::App;
use crate::db::{BulkJob, WebhookState};
use crate::jobs::{FinishJob, SendWebhook, batch_of};

/// The handler of [`FinishJob`]: ends the bulk job if its chunks have ended, and enqueues the message if it
/// has ended in whatever way. May be run at any time, and as often as one likes.
///
/// # Errors
///
/// When the database or the queue fails, to be tried again.
pub async fn finish_job(job: FinishJob, State(app): State<App>, cx: JobContext) -> JobResult {
    let Some(mut bulk) = app.store.complete_job(&job.job_id).await? else {
        return Ok(());
    };
    if !bulk.state.has_ended() && has_batch_ended(&bulk, &cx).await? {
        let why = "some of its chunks could not be done";
        app.store.fail_job(&bulk.id, why).await?;
        bulk = app.store.job(&bulk.id).await?.unwrap_or(bulk);
    }
    app.feed.ring();
    if bulk.state.has_ended() && bulk.webhook == WebhookState::Pending {
        SendWebhook::enqueue(cx.queue(), &bulk).await?;
    }
    Ok(())
}

/// Whether no chunk is going to be done any more. A batch that is not known was lost with its queue, and is
/// made anew.
async fn has_batch_ended(bulk: &BulkJob, cx: &JobContext) -> JobResult<bool> {
    match cx.queue().batch_of(batch_of(&bulk.id)?).view().await {
        Ok(view) => Ok(view.state.has_ended()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}
