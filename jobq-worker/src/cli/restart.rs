//! `jobq restart`: all workers finish what they run, and end.

use serde_json::json;

use super::connect::Address;
use super::exit::Failure;
use super::output;

/// What `restart` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let workers = store.inspect.workers().await?.len();
    store.inspect.restart_workers().await?;
    if args.json {
        output::json(&json!({ "asked_workers": workers }))?;
    } else {
        output::line(&format!(
            "asked {workers} workers to end: busy ones hear of it within five seconds, idle ones within \
             twenty, and whatever supervises them starts them anew"
        ))?;
    }
    Ok(())
}
