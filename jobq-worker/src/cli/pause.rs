//! `jobq pause` and `jobq resume`: whether jobs of a queue are leased.

use jobq_core::QueueName;

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
}

pub(super) async fn pause(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    store.inspect.pause(&args.queue).await?;
    let stats = store.inspect.queue(&args.queue).await?;
    let (queue, running, waiting) = (&args.queue, stats.leased, stats.ready);
    output::line(&format!("queue {queue} is paused: {running} running, {waiting} waiting"))?;
    Ok(())
}

pub(super) async fn resume(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    store.inspect.resume(&args.queue).await?;
    let waiting = store.inspect.queue(&args.queue).await?.ready;
    output::line(&format!("queue {} is resumed: {waiting} waiting", args.queue))?;
    Ok(())
}
