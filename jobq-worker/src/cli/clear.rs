//! `jobq clear`: what waits in a queue is deleted.

use jobq_core::{JobState, QueueName};

use super::connect::Address;
use super::consent::{Consent, TAKES_JOBS};
use super::count::count;
use super::exit::Failure;
use super::known;
use super::sweep::{self, Heap};
use super::units::queue_name;

/// What waits.
const WAITING: [JobState; 3] = [JobState::Waiting, JobState::Scheduled, JobState::Ready];

/// What `clear` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The queue.
    #[arg(value_name = "QUEUE", value_parser = queue_name)]
    queue: QueueName,
    /// Only jobs in these states: waiting, scheduled and ready by default; completed and cancelled ones
    /// that are kept, and dead ones, if they are named.
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', value_parser = state)]
    state: Vec<JobState>,
    #[command(flatten)]
    consent: Consent,
    /// One JSON object with the counts, for programs.
    #[arg(long)]
    json: bool,
}

fn state(text: &str) -> Result<JobState, String> {
    match text.parse() {
        Ok(JobState::Leased) => Err("leased jobs run: see `jobq cancel`".to_owned()),
        Ok(state) => Ok(state),
        Err(fault) => Err(fault.to_string()),
    }
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    args.consent.check(TAKES_JOBS)?;
    // Left-over entries are swept out on the way, and the dead, whom others may keep for longer, are not.
    let store = address.connect_keeping_the_dead().await?;
    let stats = store.inspect.queue(&args.queue).await?;
    let is_asked = |state: &JobState| match args.state.as_slice() {
        [] => WAITING.contains(state),
        states => states.contains(state),
    };
    let heaps: Vec<_> = JobState::ALL
        .into_iter()
        .filter(is_asked)
        .map(|state| Heap {
            queue: args.queue.clone(),
            state,
            count: stats.count(state),
            until: None,
        })
        .filter(|heap| heap.count > 0)
        .collect();
    if heaps.is_empty() {
        known::check(&store, &args.queue).await?;
    }
    let what = |number| format!("{} of queue {}", count(number, "job"), args.queue);
    if args.consent.is_dry_run() {
        return sweep::report(None, &heaps, &what, args.json);
    }
    let number: u64 = heaps.iter().map(|heap| heap.count).sum();
    if number > 0 {
        let each = heaps.iter().map(|heap| format!("{} {}", heap.count, heap.state));
        let each = each.collect::<Vec<_>>().join(", ");
        let place = address.place()?;
        args.consent.ask(&format!("delete {} ({each}) at {place}?", what(number)))?;
    }
    let (swept, ended) = sweep::sweep(&store, &heaps).await;
    sweep::report(Some(swept), &heaps, &what, args.json)?;
    ended
}
