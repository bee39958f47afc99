//! `jobq explain`: why a job is not running, and when it may.

use jobq_core::explain::explain;
use jobq_core::{JobId, JobRef, QueueName};
use serde_json::to_value;

use super::connect::Address;
use super::exit::Failure;
use super::output;
use super::units::queue_name;

/// What `explain` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The job.
    #[arg(value_name = "ID")]
    job: JobId,
    /// Its queue; found by looking into each if not given.
    #[arg(long, short, value_name = "NAME", value_parser = queue_name)]
    queue: Option<QueueName>,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let id = args.job;
    let queue = match &args.queue {
        Some(queue) => Some(queue.clone()),
        None => store.inspect.locate(id).await?,
    };
    let explanation = match queue {
        Some(queue) => {
            let now = store.backend.clock().now();
            explain(&*store.inspect, &JobRef::new(queue, id), now).await?
        }
        None => None,
    };
    let Some(explanation) = explanation else {
        return Err(Failure::failed(format!(
            "nothing is known of job {id}: it was never enqueued, or it has ended and left nothing behind \
             (jobs with a retention are kept)"
        )));
    };
    if args.json {
        let value = to_value(&explanation).map_err(|error| Failure::failed(error.to_string()))?;
        output::json(&value)?;
    } else {
        output::line(&explanation.to_string())?;
    }
    Ok(())
}
