//! Starts an import, and waits for it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use jobq_core::Queue;
use jobq_worker::StopSignals;
use program::Failure;
use serde_json::json;

use super::{finish, new_id, open};
use crate::app::App;
use crate::cli::{ImportArgs, ListArgs};
use crate::db::{Store, Summary};
use crate::jobs::{ImportFile, QUEUES};
use crate::location::Location;
use crate::mapping::Mapping;
use crate::rows::Layout;
use crate::{queue, report, run as running, spool};

pub(super) async fn import(args: ImportArgs) -> Result<ExitCode, Failure> {
    let ListArgs { contractor, max_bytes, http_timeout, .. } = args.list;
    let layout = layout(args.list)?;
    if args.enqueue_only && queue::is_memory(&args.queue) {
        let message =
            "--enqueue-only needs a queue that outlives this process: add --queue redis://…";
        return Err(Failure::usage(message));
    }
    if let (Location::Path(path), false) = (&args.source, args.enqueue_only) {
        spool::check_path(path, max_bytes).map_err(|fault| Failure::usage(fault.to_string()))?;
    }
    let job = ImportFile {
        import_id: new_id(),
        contractor_id: contractor,
        source: args.source,
        layout,
        chunk_rows: args.chunk_rows,
        max_bytes,
        http_timeout_s: http_timeout,
    };
    if args.enqueue_only {
        return enqueue(job, &args.queue, args.json).await;
    }
    let store = open(&args.db.url()).await?;
    let waiting = Waiting {
        queue: &args.queue,
        concurrency: args.concurrency,
        patience: Duration::from_secs(args.give_up_after),
    };
    let summary = waiting.for_summary(store, job, &mut StopSignals::listen()?).await?;
    Ok(finish(&summary, args.json))
}

async fn enqueue(job: ImportFile, queue_url: &str, as_json: bool) -> Result<ExitCode, Failure> {
    let queue = queue::open(queue_url).await?;
    let (import_id, id) = (job.import_id.clone(), job.id());
    queue.backend.enqueue(job).id(id).await.map_err(|error| Failure::failed(&error))?;
    report::line(&if as_json {
        json!({"import_id": import_id, "status": "enqueued"}).to_string()
    } else {
        format!("import {import_id} enqueued")
    });
    Ok(ExitCode::SUCCESS)
}

/// How to run an import in this process.
pub(super) struct Waiting<'a> {
    pub(super) queue: &'a str,
    pub(super) concurrency: usize,
    pub(super) patience: Duration,
}

impl Waiting<'_> {
    pub(super) async fn for_summary(
        &self,
        store: Store,
        job: ImportFile,
        signals: &mut StopSignals,
    ) -> Result<Summary, Failure> {
        let queue = queue::open(self.queue).await?;
        let (import_id, id) = (job.import_id.clone(), job.id());
        queue.backend.enqueue(job).id(id).await.map_err(|error| Failure::failed(&error))?;
        let app = App::new(store.clone());
        let worker = running::worker(Arc::clone(&queue.backend), app, QUEUES, self.concurrency);
        let watched = running::Watched { queue, store, import_id, patience: self.patience };
        running::until_over(worker, &watched, signals).await
    }
}

/// How a list is written, as the command line says.
pub(super) fn layout(list: ListArgs) -> Result<Layout, Failure> {
    let mapping = Mapping::with(list.map).map_err(Failure::usage)?;
    Ok(Layout { format: list.format, mapping, delimiter: list.delimiter, limit: list.limit })
}
