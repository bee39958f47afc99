//! `jobq flush` and `jobq prune`: dead jobs are deleted, all of them or those that died long ago.

use std::time::Duration;

use jobq_core::{JobState, QueueName};

use super::connect::{Address, Store};
use super::consent::{Consent, TAKES_JOBS};
use super::count::count;
use super::dead::{self, Found, Line};
use super::each::look;
use super::exit::{self, Failure};
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
    args.consent.check(TAKES_JOBS)?;
    let store = address.connect().await?;
    let Found { lines, is_whole } = dead::of_queues(&store, args.queue.as_ref()).await?;
    let heap = |line: Line| Heap {
        queue: line.queue,
        state: JobState::Dead,
        count: line.count,
        until: None,
    };
    let what = |number| count(number, "dead job");
    let heaps = lines.into_iter().map(heap).collect();
    carry_out(address, &store, args, heaps, &what).await?;
    exit::whole(is_whole)
}

pub(super) async fn prune(address: &Address, args: &PruneArgs) -> Result<(), Failure> {
    let (hours, args) = (u64::from(args.hours), &args.args);
    args.consent.check(TAKES_JOBS)?;
    let store = address.connect().await?;
    let until = store.backend.clock().now() - Duration::from_secs(hours * 3_600);
    let Found { lines, is_whole } = dead::of_queues(&store, args.queue.as_ref()).await?;
    let heaps = look(lines, async |line| {
        let count = sweep::dead_until(&store, &line, until).await?;
        Ok(Heap { queue: line.queue, state: JobState::Dead, count, until: Some(until) })
    });
    let hours = count(hours, "hour");
    let what = |number| format!("{} dead for {hours} or more", count(number, "job"));
    carry_out(address, &store, args, heaps.await?, &what).await?;
    exit::whole(is_whole)
}

async fn carry_out(
    address: &Address,
    store: &Store,
    args: &Args,
    mut heaps: Vec<Heap>,
    what: &dyn Fn(u64) -> String,
) -> Result<(), Failure> {
    heaps.retain(|heap| heap.count > 0);
    let number: u64 = heaps.iter().map(|heap| heap.count).sum();
    if args.consent.is_dry_run() {
        return sweep::report(None, &heaps, what, args.json);
    }
    if number > 0 {
        let (queues, place) = (count(heaps.len() as u64, "queue"), address.place()?);
        args.consent.ask(&format!("delete {}, in {queues} of {place}?", what(number)))?;
    }
    let (swept, ended) = sweep::sweep(store, &heaps).await;
    sweep::report(Some(swept), &heaps, what, args.json)?;
    ended
}
