//! The job that a schedule enqueues: starts an import unless the one before is still running.

use std::time::Duration;

use jobq_core::{JobContext, JobResult, Queue};
use jobq_worker::State;

use crate::app::App;
use crate::db::{NewImport, Started};
use crate::jobs::{ImportFile, ImportSupplier};

/// After so long an import no longer keeps the next one from starting: one of its jobs is dead, or there was no
/// worker. Should it go on after all, no harm is done, for it replaces nothing of a later one.
const STUCK_AFTER: Duration = Duration::from_secs(2 * 60 * 60);

/// The handler of [`ImportSupplier`]. The import is named by this job, so a second attempt starts the same one.
///
/// # Errors
///
/// When the database or the queue fails, to be tried again.
pub async fn start_import(
    job: ImportSupplier,
    State(app): State<App>,
    cx: JobContext,
) -> JobResult {
    let import_id = cx.id().to_string();
    let source = job.source.to_string();
    let import = NewImport { id: &import_id, contractor_id: job.contractor_id, source: &source };
    if let Started::Overlaps(other) = app.store.start_import(import, STUCK_AFTER).await? {
        // No failure: the next tick will do.
        let _ = cx.log(format!("import {other} of this contractor is still running")).await;
        return Ok(());
    }
    let ImportSupplier { contractor_id, source, layout, chunk_rows, max_bytes, http_timeout_s } =
        job;
    let parent = ImportFile {
        import_id,
        contractor_id,
        source,
        layout,
        chunk_rows,
        max_bytes,
        http_timeout_s,
    };
    let id = parent.id();
    cx.queue().enqueue(parent).id(id).await?;
    Ok(())
}
