//! The job that tells the shop what the suppliers have.

use jobq_core::{Held, JobContext, JobError, JobResult};
use jobq_worker::State;

use crate::app::App;
use crate::jobs::SyncAvailability;
use crate::shop::{Shop, ShopError};
use crate::sync::{SyncError, SyncReport, SyncRun};

/// The handler of [`SyncAvailability`]. Its result is the report.
///
/// An attempt that fails has noted what it wrote, so the next one goes on from there, if only what has changed is
/// written.
///
/// # Errors
///
/// When either database fails, to be tried again, unless a person must do something about it first.
pub async fn sync_availability(
    job: SyncAvailability,
    State(app): State<App>,
    cx: JobContext,
) -> JobResult<SyncReport> {
    let shop = shop_of(&app)?;
    let mut sync = SyncRun::begin(&app.store, shop, job.settings).await.map_err(verdict)?;
    while sync.write_batch().await.map_err(verdict)? {
        let (done, all) = sync.progress();
        let message = format!("{done} of {all} products");
        // Progress is a courtesy, unless it tells that the lease is gone.
        if let Ok(Held::Lost) = cx.progress(done as u64, all as u64, message).await {
            return Err(JobError::discard("a newer attempt of this job runs the sync"));
        }
    }
    Ok(sync.end().await)
}

/// The worker's shop.
pub(crate) fn shop_of(app: &App) -> JobResult<&Shop> {
    app.shop.as_ref().ok_or_else(|| {
        JobError::dead("this worker has no shop: start it with --shop mysql://…, and retry the job")
    })
}

/// What becomes of a job after an error of a database.
pub(crate) fn verdict(error: SyncError) -> JobError {
    match &error {
        SyncError::Shop(shop) if !ShopError::is_transient(shop) => JobError::dead(error),
        SyncError::Shop(_) | SyncError::Store(_) => JobError::retry(error),
    }
}
