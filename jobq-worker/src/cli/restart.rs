//! `jobq restart`: all workers finish what they run, and end.

use serde_json::json;

use super::connect::Address;
use super::count::count;
use super::exit::Failure;
use super::output;

/// What `restart` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask nobody: only say how many would be.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let found = store.inspect.workers().await?.len() as u64;
    if !args.dry_run {
        store.inspect.restart_workers().await?;
    }
    if args.json {
        let asked = if args.dry_run { 0 } else { found };
        output::json(&json!({
            "dry_run": args.dry_run, "found_workers": found, "asked_workers": asked,
        }))?;
    } else if args.dry_run {
        output::line(&format!("would ask {} to end", count(found, "worker")))?;
    } else {
        output::line(&format!(
            "asked {} to end: busy ones hear of it within five seconds, idle ones within \
             twenty, and whatever supervises them starts them anew",
            count(found, "worker")
        ))?;
    }
    Ok(())
}
