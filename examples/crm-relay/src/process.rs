//! The handler of [`ProcessMessage`]: does what an inbox message says, once.

use jobq_core::{JobContext, JobError, JobResult};
use jobq_worker::State;
use tracing::{info, warn};

use crate::app::App;
use crate::contacts::Change;
use crate::db::Processing;
use crate::deliver::away;
use crate::jobs::ProcessMessage;
use crate::tally::Ending;

/// Processes a message.
///
/// # Errors
///
/// Put off while the database is away; dead when the message says nothing that can be done.
pub async fn process_message(
    job: ProcessMessage,
    State(app): State<App>,
    cx: JobContext,
) -> JobResult {
    let run = app.tally.begin();
    let Some(message) = app.store.begin_processing(job.message).await.map_err(away)? else {
        return Ok(());
    };
    let (id, source) = (message.id, message.source.clone());
    let change = match Change::of(&message.event, &message.payload) {
        Ok(change) => change,
        Err(rejected) => {
            if app.store.fail_inbox(id, &rejected.to_string()).await.map_err(away)? {
                run.ended(Ending::Failed);
                warn!(id, source, "failed for good");
            }
            return Err(JobError::dead(rejected));
        }
    };
    if app.store.process(message, change, cx).await.map_err(away)? == Processing::Done {
        run.ended(Ending::Processed);
        info!(id, source, "processed");
    }
    Ok(())
}
