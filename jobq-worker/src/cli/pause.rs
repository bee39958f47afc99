//! `jobq pause` and `jobq resume`: whether jobs of a queue, or of one of its lanes, are leased.

use jobq_core::{LaneKey, QueueName};

use super::connect::Address;
use super::exit::Failure;
use super::output;
use super::units::queue_name;

/// What both take.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The queue.
    #[arg(value_name = "QUEUE", value_parser = queue_name)]
    queue: QueueName,
    /// Only this lane of it.
    #[arg(long, value_name = "KEY")]
    lane: Option<LaneKey>,
}

pub(super) async fn pause(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let queue = &args.queue;
    let (what, running, ready) = match &args.lane {
        None => {
            store.inspect.pause(queue).await?;
            let stats = store.inspect.queue(queue).await?;
            (format!("queue {queue}"), stats.leased, stats.ready)
        }
        Some(lane) => {
            store.inspect.pause_lane(queue, lane).await?;
            let view = store.inspect.lane(queue, lane).await?;
            (format!("lane {lane} of queue {queue}"), view.leased, view.ready)
        }
    };
    output::line(&format!("{what} is paused: {running} running, {ready} ready"))?;
    Ok(())
}

pub(super) async fn resume(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let queue = &args.queue;
    let (what, ready) = match &args.lane {
        None => {
            store.inspect.resume(queue).await?;
            (format!("queue {queue}"), store.inspect.queue(queue).await?.ready)
        }
        Some(lane) => {
            store.inspect.resume_lane(queue, lane).await?;
            let view = store.inspect.lane(queue, lane).await?;
            (format!("lane {lane} of queue {queue}"), view.ready)
        }
    };
    output::line(&format!("{what} is resumed: {ready} ready"))?;
    Ok(())
}
