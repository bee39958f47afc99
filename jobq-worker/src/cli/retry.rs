//! `jobq retry`: dead jobs go back into their queues.

use std::str::FromStr;

use jobq_core::inspect::RequeueOutcome;
use jobq_core::{JobId, JobState, QueueName};

use super::connect::{Address, Store};
use super::exit::Failure;
use super::failed::queues_with_dead;
use super::output;
use super::units::{Named, queue_name};

/// How many jobs one step moves.
const STEP: usize = 100;

/// What `retry` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The jobs, each by its id or as `QUEUE/ID`; or `all`.
    #[arg(required = true, value_name = "ID|all")]
    jobs: Vec<Which>,
    /// Only this queue.
    #[arg(long, short, value_name = "NAME", value_parser = queue_name)]
    queue: Option<QueueName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Which {
    All,
    One(Named<JobId>),
}

impl FromStr for Which {
    type Err = jobq_core::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "all" { Ok(Self::All) } else { text.parse().map(Self::One) }
    }
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    if args.jobs.contains(&Which::All) {
        return retry_all(&store, args.queue.as_ref()).await;
    }
    let mut all_well = true;
    for which in &args.jobs {
        let Which::One(job) = which else { continue };
        let outcome = retry_one(&store, job, args.queue.as_ref()).await?;
        all_well &= outcome == RequeueOutcome::Requeued;
        output::line(&format!("{}  {}", job.id, sentence(outcome)))?;
    }
    if all_well { Ok(()) } else { Err(Failure::Told) }
}

async fn retry_one(
    store: &Store,
    job: &Named<JobId>,
    only: Option<&QueueName>,
) -> Result<RequeueOutcome, Failure> {
    let Some(job) = store.find(job, only).await? else { return Ok(RequeueOutcome::NotFound) };
    let outcomes = store.inspect.requeue(&job.queue, &[job.id]).await?;
    Ok(outcomes.first().copied().unwrap_or(RequeueOutcome::NotFound))
}

/// Moves as many jobs as there were at the start: jobs that die again meanwhile are left alone.
async fn retry_all(store: &Store, only: Option<&QueueName>) -> Result<(), Failure> {
    let (mut moved, mut kept) = (0_u64, 0_u64);
    for queue in queues_with_dead(store, only).await? {
        let mut left = store.inspect.queue(&queue).await?.dead;
        let mut passed_over = 0;
        while left > 0 {
            let step = usize::try_from(left).unwrap_or(STEP).min(STEP);
            let dead = store.inspect.jobs(&queue, JobState::Dead, passed_over, step).await?;
            if dead.is_empty() {
                break;
            }
            let ids: Vec<_> = dead.iter().map(|job| job.record.id).collect();
            for (id, outcome) in ids.iter().zip(store.inspect.requeue(&queue, &ids).await?) {
                left = left.saturating_sub(1);
                if outcome == RequeueOutcome::Requeued {
                    moved += 1;
                } else {
                    (kept, passed_over) = (kept + 1, passed_over + 1);
                    output::line(&format!("{id}  {}", sentence(outcome)))?;
                }
            }
        }
    }
    output::line(&format!("{moved} jobs put back, {kept} left"))?;
    if kept == 0 { Ok(()) } else { Err(Failure::Told) }
}

pub(super) fn sentence(outcome: RequeueOutcome) -> String {
    match outcome {
        RequeueOutcome::Requeued => "put back".to_owned(),
        RequeueOutcome::Conflict(other) => format!("left: job {other} holds its unique key"),
        RequeueOutcome::NotDead => "left: it is not dead".to_owned(),
        RequeueOutcome::NotFound => "not found".to_owned(),
        _ => "left".to_owned(),
    }
}
