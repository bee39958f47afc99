//! `jobq flush` and `jobq prune`: dead jobs are deleted, all of them or those that died long ago.

use std::time::Duration;

use jobq_core::{JobState, QueueName};

use super::connect::{Address, Store};
use super::consent::Consent;
use super::exit::Failure;
use super::failed::queues_with_dead;
use super::numbers::within;
use super::sweep::{self, Heap};
use super::units::queue_name;

/// What `flush` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this queue.
    #[arg(long, short, value_name = "NAME", value_parser = queue_name)]
    queue: Option<QueueName>,
    #[command(flatten)]
    consent: Consent,
    /// One JSON object with the counts, for programs.
    #[arg(long)]
    json: bool,
}

/// What `prune` takes.
#[derive(Debug, clap::Args)]
pub(super) struct PruneArgs {
    /// How long ago they must have died.
    #[arg(long, value_name = "N", default_value_t = 168, value_parser = within::<u32>(0, u32::MAX.into()))]
    hours: u32,
    #[command(flatten)]
    args: Args,
}

pub(super) async fn flush(address: &Address, args: &Args) -> Result<(), Failure> {
    args.consent.check()?;
    let store = address.connect().await?;
    let mut heaps = Vec::new();
    for queue in queues_with_dead(&store, args.queue.as_ref()).await? {
        let count = store.inspect.queue(&queue).await?.dead;
        heaps.push(Heap { queue, state: JobState::Dead, count, until: None });
    }
    carry_out(&store, args, heaps, "dead jobs").await
}

pub(super) async fn prune(address: &Address, args: &PruneArgs) -> Result<(), Failure> {
    let (hours, args) = (args.hours, &args.args);
    args.consent.check()?;
    let store = address.connect().await?;
    let until = store.backend.clock().now() - Duration::from_secs(u64::from(hours) * 3_600);
    let mut heaps = Vec::new();
    for queue in queues_with_dead(&store, args.queue.as_ref()).await? {
        let count = sweep::dead_until(&store, &queue, until).await?;
        heaps.push(Heap { queue, state: JobState::Dead, count, until: Some(until) });
    }
    carry_out(&store, args, heaps, &format!("jobs dead for {hours} hours or more")).await
}

async fn carry_out(
    store: &Store,
    args: &Args,
    mut heaps: Vec<Heap>,
    what: &str,
) -> Result<(), Failure> {
    heaps.retain(|heap| heap.count > 0);
    let count: u64 = heaps.iter().map(|heap| heap.count).sum();
    if args.consent.is_dry_run() {
        return sweep::report(None, &heaps, what, args.json);
    }
    if count > 0 {
        args.consent.ask(&format!("delete {count} {what}, in {} queues?", heaps.len()))?;
    }
    let swept = sweep::sweep(store, &heaps).await?;
    sweep::report(Some(swept), &heaps, what, args.json)
}
