//! The chunk job: check its rows, find their links, and update them in one transaction together with
//! the note that the chunk is done. Six statements a chunk, eight if it rejects rows, however many rows
//! it has.

use jobq_core::{JobContext, JobError, JobResult};
use jobq_worker::State;

use crate::app::App;
use crate::db::{ImportStatus, StoreError, Written};
use crate::jobs::ImportChunk;
use crate::matching::Checked;
use crate::row::RawRow;
use crate::write_summary::enqueue_if_complete;

/// The handler of [`ImportChunk`].
///
/// # Errors
///
/// When the database or the queue fails, to be tried again.
pub async fn import_chunk(job: ImportChunk, State(app): State<App>, cx: JobContext) -> JobResult {
    let ImportChunk { import_id, chunk_no, rows } = job;
    match run(&app, &import_id, chunk_no, rows).await {
        // Not only after a change: a run that was killed right after its transaction is repeated for
        // this.
        Ok(Ran::Done) => enqueue_if_complete(&app, cx.queue(), &import_id).await,
        Ok(Ran::Unknown) => Err(JobError::dead(format!(
            "import {import_id} is not in this worker's database: is its --db the right one?"
        ))),
        Err(error) if cx.is_last_attempt() => {
            // Without this chunk there would never be a summary. If the database does not even take
            // this, the job is dead and the import goes on when somebody requeues it.
            let why = format!("chunk {chunk_no} has failed {} times", cx.attempt());
            match app.store.fail_chunk(&import_id, chunk_no, &why).await? {
                Written::Now | Written::Before => Err(JobError::dead(error)),
                // Another run of this chunk, which has been quicker, has done it.
                Written::TooEarly => enqueue_if_complete(&app, cx.queue(), &import_id).await,
            }
        }
        Err(error) => Err(error.into()),
    }
}

enum Ran {
    /// The chunk is done, now or before, or need not be done any more.
    Done,
    Unknown,
}

async fn run(
    app: &App,
    import_id: &str,
    chunk_no: u32,
    rows: Vec<RawRow>,
) -> Result<Ran, StoreError> {
    let Some(import) = app.store.import(import_id).await? else {
        return Ok(Ran::Unknown);
    };
    let is_over = import.status != ImportStatus::Running;
    if is_over || app.store.is_chunk_done(import_id, chunk_no).await? {
        return Ok(Ran::Done);
    }
    let checked = Checked::of(rows);
    let links =
        app.store.find_links(import.contractor_id, &checked.skus(), &checked.eans()).await?;
    let result = checked.matched(import.contractor_id, &links);
    app.store.apply_chunk(import_id, import.no, chunk_no, &result).await?;
    Ok(Ran::Done)
}
