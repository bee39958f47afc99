//! Forgets bulk jobs that ended long ago.

use jobq_core::JobResult;
use jobq_worker::State;
use tracing::info;

use crate::app::App;
use crate::jobs::ForgetEnded;

/// The handler of [`ForgetEnded`]. Its result is how many were forgotten. May be run as often as one likes.
///
/// # Errors
///
/// When the database fails, to be tried again; what was forgotten before stays so.
pub async fn forget_ended(job: ForgetEnded, State(app): State<App>) -> JobResult<u64> {
    let forgotten = app.store.prune(job.completed(), job.failed()).await?;
    if forgotten > 0 {
        info!("{forgotten} bulk jobs were forgotten that had ended long ago");
    }
    Ok(forgotten)
}
