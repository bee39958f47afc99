//! The handler of [`PruneMessages`].

use jobq_core::JobResult;
use jobq_worker::State;
use tracing::info;

use crate::app::App;
use crate::jobs::PruneMessages;

/// Deletes what ended long ago.
///
/// # Errors
///
/// When the database fails, to be tried again: what was deleted before stays so.
pub async fn prune_messages(job: PruneMessages, State(app): State<App>) -> JobResult {
    let pruned = app.store.prune(job.age()).await?;
    info!(inbox = pruned.inbox, outbox = pruned.outbox, jobs = pruned.jobs, "pruned");
    Ok(())
}
