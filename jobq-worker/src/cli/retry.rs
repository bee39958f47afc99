//! `jobq retry`: dead jobs go back into their queues.

use std::str::FromStr;

use jobq_core::inspect::RequeueOutcome;
use jobq_core::{JobId, JobState, QueueName};
use serde_json::{Value, json};

use super::connect::{Address, Store};
use super::exit::Failure;
use super::failed::queues_with_dead;
use super::named::{Named, each_once};
use super::output;
use super::progress::Bar;
use super::units::queue_name;

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
    /// Change nothing: only say what would be put back.
    #[arg(long)]
    dry_run: bool,
    /// What became of each as one JSON value, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    if args.jobs.len() > 1 && args.jobs.contains(&Which::All) {
        return Err(Failure::Usage("say `all` or the ids of jobs, not both".to_owned()));
    }
    let store = address.connect().await?;
    if args.jobs.contains(&Which::All) {
        return retry_all(&store, args).await;
    }
    let (mut all_well, mut each) = (true, Vec::new());
    for which in each_once(&args.jobs) {
        let Which::One(job) = which else { continue };
        let outcome = retry_one(&store, job, args).await?;
        all_well &= outcome == RequeueOutcome::Requeued;
        if args.json {
            each.push(told(job.id, outcome));
        } else if args.dry_run && outcome == RequeueOutcome::Requeued {
            output::line(&format!("{}  would be put back", job.id))?;
        } else {
            output::line(&format!("{}  {}", job.id, sentence(outcome)))?;
        }
    }
    if args.json {
        output::json(&Value::Array(each))?;
    }
    if all_well { Ok(()) } else { Err(Failure::Told) }
}

/// What becomes of a job; of a dry run what probably would.
async fn retry_one(
    store: &Store,
    job: &Named<JobId>,
    args: &Args,
) -> Result<RequeueOutcome, Failure> {
    let Some(job) = store.find(job, args.queue.as_ref()).await? else {
        return Ok(RequeueOutcome::NotFound);
    };
    if args.dry_run {
        let view = store.inspect.job(&job.queue, job.id).await?;
        return Ok(match view.map(|view| view.state) {
            None => RequeueOutcome::NotFound,
            Some(JobState::Dead) => RequeueOutcome::Requeued,
            Some(_) => RequeueOutcome::NotDead,
        });
    }
    let outcomes = store.inspect.requeue(&job.queue, &[job.id]).await?;
    Ok(outcomes.first().copied().unwrap_or(RequeueOutcome::NotFound))
}

/// The dead jobs of a queue, counted at the start: jobs that die again meanwhile are left alone.
struct Dead {
    queue: QueueName,
    count: u64,
}

/// What became of them.
#[derive(Default)]
struct Moved {
    requeued: u64,
    left: Vec<(JobId, RequeueOutcome)>,
}

async fn retry_all(store: &Store, args: &Args) -> Result<(), Failure> {
    let mut found = Vec::new();
    for queue in queues_with_dead(store, args.queue.as_ref()).await? {
        let count = store.inspect.queue(&queue).await?.dead;
        found.push(Dead { queue, count });
    }
    found.retain(|dead| dead.count > 0);
    let moved = if args.dry_run { Moved::default() } else { move_all(store, &found).await? };
    if args.json {
        output::json(&summary(args.dry_run, &found, &moved))?;
    } else if args.dry_run {
        for Dead { queue, count } in &found {
            output::line(&format!("would put back {count} jobs of queue {queue}"))?;
        }
        if found.is_empty() {
            output::line("no dead jobs")?;
        }
    } else {
        for (id, outcome) in &moved.left {
            output::line(&format!("{id}  {}", sentence(*outcome)))?;
        }
        output::line(&format!("{} jobs put back, {} left", moved.requeued, moved.left.len()))?;
    }
    if moved.left.is_empty() { Ok(()) } else { Err(Failure::Told) }
}

async fn move_all(store: &Store, found: &[Dead]) -> Result<Moved, Failure> {
    let bar = Bar::of(found.iter().map(|dead| dead.count).sum());
    let mut moved = Moved::default();
    for Dead { queue, count } in found {
        let (mut to_come, mut passed_over) = (*count, 0);
        while to_come > 0 {
            let step = usize::try_from(to_come).unwrap_or(STEP).min(STEP);
            let dead = store.inspect.jobs(queue, JobState::Dead, passed_over, step).await?;
            if dead.is_empty() {
                break;
            }
            let ids: Vec<_> = dead.iter().map(|job| job.record.id).collect();
            for (id, outcome) in ids.iter().zip(store.inspect.requeue(queue, &ids).await?) {
                match outcome {
                    RequeueOutcome::Requeued => moved.requeued += 1,
                    // It stays dead, in the way of the next page.
                    RequeueOutcome::Conflict(_) => {
                        passed_over += 1;
                        moved.left.push((*id, outcome));
                    }
                    _ => moved.left.push((*id, outcome)),
                }
            }
            to_come = to_come.saturating_sub(ids.len() as u64);
            bar.step(ids.len() as u64);
        }
    }
    Ok(moved)
}

fn summary(is_dry_run: bool, found: &[Dead], moved: &Moved) -> Value {
    let found = found.iter().map(|dead| {
        json!({ "queue": dead.queue.as_str(), "state": JobState::Dead.as_str(), "count": dead.count })
    });
    let left = moved.left.iter().map(|(id, outcome)| told(*id, *outcome));
    json!({
        "dry_run": is_dry_run,
        "found": found.collect::<Vec<_>>(),
        "requeued": moved.requeued,
        "left": left.collect::<Vec<_>>(),
    })
}

/// What became of one, for programs.
pub(super) fn told(id: JobId, outcome: RequeueOutcome) -> Value {
    let (word, holder) = match outcome {
        RequeueOutcome::Requeued => ("requeued", None),
        RequeueOutcome::Conflict(holder) => ("conflict", Some(holder.to_string())),
        RequeueOutcome::NotDead => ("not_dead", None),
        RequeueOutcome::NotFound => ("not_found", None),
        _ => ("left", None),
    };
    json!({ "id": id.to_string(), "outcome": word, "held_by": holder })
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
