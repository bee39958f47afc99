//! `jobq explain`: why a job is not running, and when it may.

use jobq_core::explain::explain;
use serde_json::to_value;

use super::connect::Address;
use super::exit::Failure;
use super::named::OneJob;
use super::output;

/// What `explain` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    of: OneJob,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    args.of.check()?;
    let store = address.connect().await?;
    let explanation = match store.find(&args.of.job, args.of.queue.as_ref()).await? {
        Some(job) => explain(&*store.inspect, &job, store.backend.clock().now()).await?,
        None => None,
    };
    let Some(explanation) = explanation else { return Err(args.of.absent(&store).await) };
    if args.json {
        let value = to_value(&explanation).map_err(|error| Failure::failed(error.to_string()))?;
        output::json(&value)?;
    } else {
        output::line(&explanation.to_string())?;
    }
    Ok(())
}
