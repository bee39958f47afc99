//! The follow-up job: one summary when all chunks are done.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::{Backend, JobError, JobResult, Queue};
use jobq_worker::State;

use crate::app::App;
use crate::db::Written;
use crate::jobs::WriteSummary;

/// The handler of [`WriteSummary`]: writes the summary unless it is there.
///
/// # Errors
///
/// When the database fails, to be tried again.
pub async fn write_summary(job: WriteSummary, State(app): State<App>) -> JobResult {
    match app.store.write_summary(&job.import_id).await? {
        Written::Now | Written::Before => Ok(()),
        // It is enqueued only after the last chunk, and chunks are never undone.
        Written::TooEarly => Err(JobError::snooze(Duration::from_secs(5))),
    }
}

/// Enqueues the follow-up if nothing else is left to do. Whoever may have ended last asks this: each
/// chunk, and the parent. They may all enqueue it: it has one id, and the summary one primary key.
pub(crate) async fn enqueue_if_complete(
    app: &App,
    queue: &Arc<dyn Backend>,
    import_id: &str,
) -> JobResult {
    if app.store.is_complete(import_id).await? {
        let summary = WriteSummary { import_id: import_id.to_owned() };
        let id = summary.id();
        queue.enqueue(summary).id(id).await?;
    }
    Ok(())
}
