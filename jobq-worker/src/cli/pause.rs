//! `jobq pause` and `jobq resume`: whether jobs of a queue, or of one of its lanes, are leased.

use jobq_core::{LaneKey, QueueName};
use serde_json::json;

use super::connect::{Address, Store};
use super::exit::Failure;
use super::units::queue_name;
use super::{known, output};

/// What both take. A queue may be paused before its first job, with a warning; resumed it must be known.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The queue.
    #[arg(value_name = "QUEUE", value_parser = queue_name)]
    queue: QueueName,
    /// Only this lane of it.
    #[arg(long, value_name = "KEY")]
    lane: Option<LaneKey>,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn pause(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    // It is seen before, and told when it is done: what fails is told alone.
    let doubt = known::doubt(&store, &args.queue).await?;
    match &args.lane {
        None => store.inspect.pause(&args.queue).await?,
        Some(lane) => store.inspect.pause_lane(&args.queue, lane).await?,
    }
    if let Some(doubt) = doubt {
        output::complain(&format!("warning: {doubt}"));
    }
    if args.json {
        return args.print(&store, true).await;
    }
    let Counts { leased, ready } = args.counts(&store).await?;
    output::line(&format!("{} is paused: {leased} leased, {ready} ready", args.what()))?;
    Ok(())
}

pub(super) async fn resume(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    known::check(&store, &args.queue).await?;
    match &args.lane {
        None => store.inspect.resume(&args.queue).await?,
        Some(lane) => store.inspect.resume_lane(&args.queue, lane).await?,
    }
    if args.json {
        return args.print(&store, false).await;
    }
    let ready = args.counts(&store).await?.ready;
    output::line(&format!("{} is resumed: {ready} ready", args.what()))?;
    Ok(())
}

/// The jobs of what is paused or resumed.
struct Counts {
    leased: u64,
    ready: u64,
}

impl Args {
    fn what(&self) -> String {
        match &self.lane {
            None => format!("queue {}", self.queue),
            Some(lane) => format!("lane {lane} of queue {}", self.queue),
        }
    }

    async fn counts(&self, store: &Store) -> Result<Counts, Failure> {
        Ok(match &self.lane {
            None => {
                let stats = store.inspect.queue(&self.queue).await?;
                Counts { leased: stats.leased, ready: stats.ready }
            }
            Some(lane) => {
                let view = store.inspect.lane(&self.queue, lane).await?;
                Counts { leased: view.leased, ready: view.ready }
            }
        })
    }

    async fn print(&self, store: &Store, is_paused: bool) -> Result<(), Failure> {
        let Counts { leased, ready } = self.counts(store).await?;
        output::json(&json!({
            "queue": self.queue.as_str(),
            "lane": self.lane.as_ref().map(LaneKey::as_str),
            "paused": is_paused,
            "leased": leased,
            "ready": ready,
        }))?;
        Ok(())
    }
}
