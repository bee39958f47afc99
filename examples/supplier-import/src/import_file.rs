//! The parent job: fetch the file, check it whole, then split it into chunk jobs.
//!
//! It may be killed anywhere and run again, and even run twice at once:
//!
//! - The file is read to its end before the first chunk is enqueued, so a fault of the file is found
//!   while nothing is updated.
//! - The digest of the file is stored before the first chunk is enqueued. A second run goes on only
//!   with the very same bytes, cuts them into the same chunks and enqueues them under the same ids.
//! - The lease's token fences what it writes: a run that was overtaken changes nothing more.

use std::collections::HashSet;
use std::fs::File;
use std::time::Duration;

use jobq_core::{Held, JobContext, JobError, JobResult, Queue};
use jobq_worker::State;
use tokio::sync::mpsc;

use crate::app::App;
use crate::db::{Begun, NewImport, Plan, Written};
use crate::fault::FileFault;
use crate::jobs::{ImportChunk, ImportFile};
use crate::row::RawRow;
use crate::rows::{Layout, Rows};
use crate::spool::{FetchError, Limits, spool};
use crate::write_summary::enqueue_if_complete;

/// At which attempt the import is given up if its file still cannot be fetched. The job itself has more
/// attempts: they are for a database or a queue that is away for some minutes.
const FETCH_ATTEMPTS: u32 = 3;

/// How many chunks one call to the backend carries: half a megabyte at 500 rows each.
const BATCH: usize = 16;

/// The handler of [`ImportFile`].
///
/// # Errors
///
/// When the database, the queue or the file's server fails, to be tried again. A faulty file is not an
/// error of the job: the import fails, its summary says why, and the job has nothing left to do.
pub async fn import_file(job: ImportFile, State(app): State<App>, cx: JobContext) -> JobResult {
    let import = NewImport {
        id: &job.import_id,
        contractor_id: job.contractor_id,
        source: &job.source.to_string(),
    };
    let known_plan = match app.store.begin_import(import, cx.token()).await? {
        Begun::Running(import) => import.plan,
        Begun::Over => return Ok(()),
        Begun::Overtaken => return Err(overtaken()),
    };

    let (file, plan) = match fetch_and_check(&job).await {
        Ok(checked) => checked,
        Err(FetchError::Transient(why)) if cx.attempt() < FETCH_ATTEMPTS => {
            return Err(JobError::retry(why));
        }
        Err(FetchError::Transient(why)) => {
            let why = format!("{why} (tried {} times)", cx.attempt());
            return give_up(&job, &app, &cx, &why).await;
        }
        Err(FetchError::Fault(fault)) => return give_up(&job, &app, &cx, &fault.to_string()).await,
    };
    if known_plan.is_some_and(|known| known != plan) {
        let why = "the file has changed since this import began to read it: import it again";
        return give_up(&job, &app, &cx, why).await;
    }
    if !app.store.plan_import(&job.import_id, cx.token(), &plan).await? {
        return Err(overtaken());
    }

    if let Err(fault) = enqueue_chunks(&job, &app, &cx, file, &plan).await? {
        return give_up(&job, &app, &cx, &fault.to_string()).await;
    }
    // The last chunk usually sees to this. But there may be no chunk, and all of them may have ended
    // before a run that was killed had noted how many there are.
    enqueue_if_complete(&app, cx.queue(), &job.import_id).await
}

async fn give_up(job: &ImportFile, app: &App, cx: &JobContext, why: &str) -> JobResult {
    match app.store.fail_import(&job.import_id, cx.token(), why).await? {
        Written::Now | Written::Before => Err(JobError::discard(why)),
        Written::TooEarly => Err(overtaken()),
    }
}

fn overtaken() -> JobError {
    JobError::discard("a newer attempt of this job runs the import")
}

/// Fetches the file and reads it to its end.
async fn fetch_and_check(job: &ImportFile) -> Result<(File, Plan), FetchError> {
    let limits =
        Limits { max_bytes: job.max_bytes, http_timeout: Duration::from_secs(job.http_timeout_s) };
    let spool = spool(&job.source, limits).await?;
    let (layout, chunk_rows) = (job.layout.clone(), u64::from(job.chunk_rows));
    let check = move || {
        let again = spool.file.try_clone().map_err(|error| FileFault::from_io(&error))?;
        let mut rows = 0;
        for row in Rows::open(spool.file, &layout)? {
            row?;
            rows += 1;
        }
        let plan = Plan { digest: spool.digest, rows, chunks: rows.div_ceil(chunk_rows) };
        Ok((again, plan))
    };
    tokio::task::spawn_blocking(check)
        .await
        .map_err(|stopped| FetchError::Transient(stopped.to_string()))?
}

/// Enqueues the chunks that are not done yet. The inner error is a fault of the file; there should be
/// none after the check.
async fn enqueue_chunks(
    job: &ImportFile,
    app: &App,
    cx: &JobContext,
    file: File,
    plan: &Plan,
) -> JobResult<Result<(), FileFault>> {
    let done: HashSet<u64> = app.store.done_chunks(&job.import_id).await?.into_iter().collect();
    let mut passed = done.len() as u64;
    // A few chunks ahead of the queue, so that memory stays bounded whatever the file's size.
    let (sender, mut chunks) = mpsc::channel(2 * BATCH);
    let cutting = Cutting {
        import_id: job.import_id.clone(),
        layout: job.layout.clone(),
        chunk_rows: job.chunk_rows as usize,
        done,
    };
    let reader = tokio::task::spawn_blocking(move || cutting.run(file, &sender));

    let mut batch = Vec::with_capacity(BATCH);
    while chunks.recv_many(&mut batch, BATCH).await > 0 {
        passed += batch.len() as u64;
        cx.queue().enqueue_all(batch.drain(..)).ids(ImportChunk::id).await?;
        let message = format!("{passed} of {} chunks enqueued", plan.chunks);
        // Progress is a courtesy, unless it tells that the lease is gone.
        if let Ok(Held::Lost) = cx.progress(passed, plan.chunks, message).await {
            return Err(overtaken());
        }
    }
    Ok(reader.await?)
}

/// Cuts a file into chunks, on a thread that may block.
struct Cutting {
    import_id: String,
    layout: Layout,
    chunk_rows: usize,
    /// Chunks that need not be enqueued again.
    done: HashSet<u64>,
}

impl Cutting {
    fn run(self, file: File, chunks: &mpsc::Sender<ImportChunk>) -> Result<(), FileFault> {
        let mut rows = Rows::open(file, &self.layout)?;
        for chunk_no in 0.. {
            let chunk: Vec<RawRow> =
                rows.by_ref().take(self.chunk_rows).collect::<Result<_, _>>()?;
            if chunk.is_empty() {
                break;
            }
            if self.done.contains(&u64::from(chunk_no)) {
                continue;
            }
            let job = ImportChunk { import_id: self.import_id.clone(), chunk_no, rows: chunk };
            if chunks.blocking_send(job).is_err() {
                // Nobody takes them any more: the attempt has ended.
                break;
            }
        }
        Ok(())
    }
}
