//! `jobq explain`: why a job is not running, and when it may.

use jobq_core::explain::explain;
use jobq_core::{JobId, QueueName};
use serde_json::to_value;

use super::connect::Address;
use super::exit::Failure;
use super::output;
use super::units::{Named, queue_name};

/// What `explain` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The job, by its id or as `QUEUE/ID`.
    #[arg(value_name = "ID")]
    job: Named<JobId>,
    /// Its queue; found by looking into each if not given.
    #[arg(long, short, value_name = "NAME", value_parser = queue_name)]
    queue: Option<QueueName>,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let id = args.job.id;
    let explanation = match store.find(&args.job, args.queue.as_ref()).await? {
        Some(job) => explain(&*store.inspect, &job, store.backend.clock().now()).await?,
        None => None,
    };
    let Some(explanation) = explanation else {
        return Err(Failure::unknown_job(id));
    };
    if args.json {
        let value = to_value(&explanation).map_err(|error| Failure::failed(error.to_string()))?;
        output::json(&value)?;
    } else {
        output::line(&explanation.to_string())?;
    }
    Ok(())
}
