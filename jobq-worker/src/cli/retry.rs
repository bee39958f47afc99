//! `jobq retry`: dead jobs go back into their queues.

use std::str::FromStr;

use jobq_core::inspect::RequeueOutcome;
use jobq_core::{JobId, JobRef, JobState, QueueName};
use serde_json::{Value, json};

use super::connect::{Address, Store};
use super::count::count;
use super::dead::{self, Found};
use super::each::each;
use super::exit::{self, Failure};
use super::named::{Named, each_once};
use super::progress::Bar;
use super::units::queue_name;
use super::{known, output};

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
    let jobs = each_once(&args.jobs).into_iter().filter_map(|which| match which {
        Which::One(job) => Some(job),
        Which::All => None,
    });
    let jobs: Vec<_> = jobs.collect();
    for job in &jobs {
        job.within(args.queue.as_ref())?;
    }
    let store = address.connect().await?;
    if jobs.is_empty() {
        return retry_all(&store, args).await;
    }
    let named = jobs.iter().filter_map(|job| job.queue.as_ref()).chain(&args.queue);
    known::check_each(&store, named).await?;
    let jobs = store.find_each(&jobs, args.queue.as_ref()).await?;
    let each = each(jobs, async |(id, job)| retry_one(&store, id, job, args.dry_run).await).await;
    if args.json {
        output::json(&each.done.iter().map(Told::as_json).collect())?;
    } else {
        output::lines(&each.done.iter().map(Told::line).collect::<Vec<_>>())?;
    }
    let all_well = each.done.iter().all(|told| told.outcome == RequeueOutcome::Requeued);
    each.end(all_well)
}

/// What becomes of a job; of a dry run what probably would.
async fn retry_one(
    store: &Store,
    id: JobId,
    job: Option<JobRef>,
    is_dry_run: bool,
) -> Result<Told, Failure> {
    let outcome = match &job {
        None => None,
        Some(job) if is_dry_run => {
            store.inspect.job(&job.queue, job.id).await?.map(|view| match view.state {
                JobState::Dead => RequeueOutcome::Requeued,
                _ => RequeueOutcome::NotDead,
            })
        }
        Some(job) => store.inspect.requeue(&job.queue, &[job.id]).await?.first().copied(),
    };
    let outcome = outcome.unwrap_or(RequeueOutcome::NotFound);
    let queue = job.map(|job| job.queue).filter(|_| outcome != RequeueOutcome::NotFound);
    Ok(Told { id, queue, outcome, is_dry_run })
}

/// The dead jobs of a queue, counted at the start: jobs that die again meanwhile are left alone.
pub(super) struct Dead {
    pub(super) queue: QueueName,
    pub(super) count: u64,
}

/// What became of them.
#[derive(Default)]
pub(super) struct Moved {
    pub(super) requeued: u64,
    pub(super) left: Vec<Told>,
}

async fn retry_all(store: &Store, args: &Args) -> Result<(), Failure> {
    let Found { lines, is_whole } = dead::of_queues(store, args.queue.as_ref()).await?;
    let found = lines.into_iter().map(|line| Dead { queue: line.queue, count: line.count });
    let found: Vec<_> = found.collect();
    let (mut moved, mut ended) = (Moved::default(), Ok(()));
    if !args.dry_run {
        ended = move_all(store, &found, &mut moved).await;
    }
    if args.json {
        output::json(&summary(args.dry_run, &found, &moved))?;
    } else if args.dry_run {
        let lines = found.iter().map(|Dead { queue, count: number }| {
            format!("would put back {} of queue {queue}", count(*number, "job"))
        });
        let mut lines: Vec<_> = lines.collect();
        if lines.is_empty() {
            lines.push("no dead jobs".to_owned());
        }
        output::lines(&lines)?;
    } else {
        output::lines(&moved.lines())?;
    }
    ended?;
    exit::whole(is_whole && moved.left.is_empty())
}

/// Puts back all of these. What was done is known also if it had to stop.
async fn move_all(store: &Store, found: &[Dead], moved: &mut Moved) -> Result<(), Failure> {
    let bar = Bar::of(found.iter().map(|dead| dead.count).sum());
    for dead in found {
        move_some(store, dead, moved, &bar).await.map_err(|failure| failure.about(&dead.queue))?;
    }
    Ok(())
}

async fn move_some(
    store: &Store,
    Dead { queue, count }: &Dead,
    moved: &mut Moved,
    bar: &Bar,
) -> Result<(), Failure> {
    let (mut to_come, mut passed_over) = (*count, 0);
    while to_come > 0 {
        let step = usize::try_from(to_come).unwrap_or(STEP).min(STEP);
        let dead = store.inspect.jobs(queue, JobState::Dead, passed_over, step).await?;
        if dead.is_empty() {
            break;
        }
        let ids: Vec<_> = dead.iter().map(|job| job.record.id).collect();
        for (job, outcome) in dead.iter().zip(store.inspect.requeue(queue, &ids).await?) {
            if outcome == RequeueOutcome::Requeued {
                moved.requeued += 1;
                continue;
            }
            moved.left.push(Told::of(job.record.id, queue, outcome));
            // It stays dead, in the way of the next page: another holds its key, or nothing is left of it to put back.
            let is_conflict = matches!(outcome, RequeueOutcome::Conflict(_));
            passed_over += usize::from(is_conflict || job.unreadable.is_some());
        }
        to_come = to_come.saturating_sub(ids.len() as u64);
        bar.step(ids.len() as u64);
    }
    Ok(())
}

/// What was found and what became of it, for programs.
pub(super) fn summary(is_dry_run: bool, found: &[Dead], moved: &Moved) -> Value {
    let found = found.iter().map(|dead| {
        json!({ "queue": dead.queue.as_str(), "state": JobState::Dead.as_str(), "count": dead.count })
    });
    json!({
        "dry_run": is_dry_run,
        "found": found.collect::<Vec<_>>(),
        "requeued": moved.requeued,
        "left": moved.left.len(),
        "left_jobs": moved.left.iter().map(Told::as_json).collect::<Vec<_>>(),
    })
}

impl Moved {
    /// What became of them, for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.left.iter().map(Told::line).collect();
        lines.push(format!("{} put back, {} left", count(self.requeued, "job"), self.left.len()));
        lines
    }
}

/// What became of one.
#[derive(Debug)]
pub(super) struct Told {
    id: JobId,
    queue: Option<QueueName>,
    outcome: RequeueOutcome,
    is_dry_run: bool,
}

impl Told {
    pub(super) fn of(id: JobId, queue: &QueueName, outcome: RequeueOutcome) -> Self {
        Self { id, queue: Some(queue.clone()), outcome, is_dry_run: false }
    }

    fn line(&self) -> String {
        let sentence = match self.outcome {
            RequeueOutcome::Requeued if self.is_dry_run => "would be put back".to_owned(),
            RequeueOutcome::Requeued => "put back".to_owned(),
            RequeueOutcome::Conflict(other) => format!("left: job {other} holds its unique key"),
            RequeueOutcome::NotDead => "left: it is not dead".to_owned(),
            RequeueOutcome::NotFound => "not found".to_owned(),
            _ => "left".to_owned(),
        };
        format!("{}  {sentence}", self.id)
    }

    fn as_json(&self) -> Value {
        let (word, holder) = match self.outcome {
            RequeueOutcome::Requeued if self.is_dry_run => ("would_be_requeued", None),
            RequeueOutcome::Requeued => ("requeued", None),
            RequeueOutcome::Conflict(holder) => ("conflict", Some(holder.to_string())),
            RequeueOutcome::NotDead => ("not_dead", None),
            RequeueOutcome::NotFound => ("not_found", None),
            _ => ("left", None),
        };
        json!({
            "id": self.id.to_string(),
            "queue": self.queue.as_ref().map(QueueName::as_str),
            "outcome": word,
            "held_by": holder,
        })
    }
}
