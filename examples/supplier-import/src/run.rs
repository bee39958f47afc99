//! Runs the jobs of imports: as a worker process, or just until one import is over.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::Backend;
use jobq_worker::Worker;
use tokio::time::Instant;

use crate::app::App;
use crate::commands::Failure;
use crate::db::{Store, Summary};
use crate::import_chunk::import_chunk;
use crate::import_file::import_file;
use crate::progress::Progress;
use crate::write_summary::write_summary;

/// How often the tables are looked at for the progress bar.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A worker for all jobs of this system.
pub(crate) fn worker(
    backend: Arc<dyn Backend>,
    app: App,
    queues: impl IntoIterator<Item = impl Into<String>>,
    concurrency: usize,
) -> Worker {
    Worker::new(backend)
        .queues(queues)
        .concurrency(concurrency)
        .state(app)
        .handle(import_file)
        .handle(import_chunk)
        .handle(write_summary)
}

/// Runs a worker until an import has its summary.
pub(crate) async fn until_over(
    worker: Worker,
    store: &Store,
    import_id: &str,
    patience: Duration,
) -> Result<Summary, Failure> {
    let mut end = None;
    let watching = async {
        end = Some(tokio::select! {
            over = watch(store, import_id, patience) => over,
            _ = tokio::signal::ctrl_c() => Err(Failure::new(format!(
                "interrupted: import {import_id} goes on as soon as a worker runs, if its queue is not \
                 in memory"
            ))),
        });
    };
    worker.run_until(watching).await.map_err(|error| Failure::failed(&error))?;
    end.unwrap_or_else(|| Err(Failure::new("the worker has stopped before the import was over")))
}

/// Waits for the summary of an import and shows how far it has come.
async fn watch(store: &Store, import_id: &str, patience: Duration) -> Result<Summary, Failure> {
    let progress = Progress::new();
    let mut moved_at = Instant::now();
    let mut last = None;
    loop {
        // A database that is away for a while is the business of the jobs, which are tried again.
        let seen = store.seen(import_id).await.ok().flatten();
        if let Some(seen) = seen {
            progress.show(seen);
            if seen.is_over
                && let Ok(Some(summary)) = store.summary(import_id).await
            {
                return Ok(summary);
            }
        }
        if seen != last {
            (last, moved_at) = (seen, Instant::now());
        }
        if moved_at.elapsed() >= patience {
            let done = last.map_or(0, |seen| seen.rows_done);
            return Err(Failure::new(format!(
                "nothing has moved for {} s after {done} rows: look for dead jobs of import {import_id}",
                patience.as_secs()
            )));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
