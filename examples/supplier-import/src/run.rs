//! Runs the jobs of imports: as a worker process, or just until one import is over.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::{Backend, JobId};
use jobq_scheduler::Scheduler;
use jobq_worker::{StopSignals, Worker};
use program::Failure;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::app::App;
use crate::db::{Store, Summary};
use crate::import_chunk::import_chunk;
use crate::import_file::import_file;
use crate::link_products::{link_shop, link_supplier};
use crate::progress::Progress;
use crate::prune_failed::prune_failed;
use crate::queue::Opened;
use crate::start_import::start_import;
use crate::stuck;
use crate::sync_availability::sync_availability;
use crate::write_summary::write_summary;

/// How often the tables are looked at for the progress bar.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How often dead jobs are looked for while nothing moves.
const LOOK_FOR_DEAD_EVERY: Duration = Duration::from_secs(2);

/// A worker for all jobs of this system, to be run.
pub fn worker(
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
        .handle(start_import)
        .handle(link_supplier)
        .handle(link_shop)
        .handle(sync_availability)
        .handle(prune_failed)
}

/// Runs a worker until a signal comes, and schedules beside it.
pub(crate) async fn with_schedules(
    worker: Worker,
    scheduler: Scheduler,
) -> jobq_core::Result<(jobq_worker::Summary, jobq_scheduler::Summary)> {
    let (stop, stopped) = oneshot::channel::<()>();
    let scheduling = scheduler.run_until(async {
        // Dropped is told, too.
        let _ = stopped.await;
    });
    let working = async {
        let done = worker.run().await;
        drop(stop);
        done
    };
    tokio::try_join!(working, scheduling)
}

/// An import that this process waits for.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) queue: Opened,
    pub(crate) store: Store,
    pub(crate) import_id: String,
    /// When to give up waiting if nothing moves.
    pub(crate) patience: Duration,
}

/// Runs a worker until an import has its summary.
///
/// The first signal stops the worker gracefully. The second one stops it where it is: its jobs run again
/// when their leases have expired.
pub(crate) async fn until_over(
    worker: Worker,
    watched: &Watched,
    signals: &mut StopSignals,
) -> Result<Summary, Failure> {
    let mut end = None;
    let stop = Notify::new();
    let watching = async {
        end = Some(tokio::select! {
            over = watched.watch() => over,
            () = stop.notified() => Err(watched.interrupted()),
        });
    };
    let two_signals = async {
        signals.next().await;
        stop.notify_one();
        signals.next().await;
    };
    tokio::select! {
        done = worker.run_until(watching) => {
            done.map_err(|error| Failure::failed(&error))?;
        }
        () = two_signals => {}
    }
    end.unwrap_or_else(|| Err(Failure::new("the worker has stopped before the import was over")))
}

impl Watched {
    /// Waits for the summary of the import and shows how far it has come.
    async fn watch(&self) -> Result<Summary, Failure> {
        let import_id = &self.import_id;
        let progress = Progress::new();
        let mut moved_at = Instant::now();
        let mut looked_at = moved_at;
        let mut last = None;
        loop {
            // A database that is away for a while is the business of the jobs, which are tried again.
            let seen = self.store.seen(import_id).await.ok().flatten();
            if let Some(seen) = seen {
                progress.show(seen);
                if seen.is_over
                    && let Ok(Some(summary)) = self.store.summary(import_id).await
                {
                    return Ok(summary);
                }
            }
            if seen != last {
                (last, moved_at) = (seen, Instant::now());
                looked_at = moved_at;
            }
            if looked_at.elapsed() >= LOOK_FOR_DEAD_EVERY {
                looked_at = Instant::now();
                // So is a queue.
                if let Ok(Some(id)) =
                    stuck::dead_job(&*self.queue.inspect, &self.store, import_id).await
                {
                    // It may have ended the import just before it died.
                    return match self.store.summary(import_id).await {
                        Ok(Some(summary)) => Ok(summary),
                        _ => Err(self.cannot_end(id)),
                    };
                }
            }
            if moved_at.elapsed() >= self.patience {
                let done = last.map_or(0, |seen| seen.rows_done);
                let seconds = self.patience.as_secs();
                return Err(Failure::new(format!(
                    "nothing has moved for {seconds} s after {done} rows of import {import_id}"
                )));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn cannot_end(&self, dead: JobId) -> Failure {
        let import_id = &self.import_id;
        let what = format!("import {import_id} cannot end: its job {dead} is dead");
        Failure::new(if self.queue.is_memory {
            format!("{what}, and its queue ends with this process: import the file again")
        } else {
            format!("{what}. Remove the cause, and put it back with `jobq retry {dead}`")
        })
    }

    fn interrupted(&self) -> Failure {
        let import_id = &self.import_id;
        Failure::new(if self.queue.is_memory {
            format!("interrupted: import {import_id} ends here, for its queue was in memory")
        } else {
            format!("interrupted: import {import_id} goes on as soon as a worker runs")
        })
    }
}
