//! `jobq failed`: dead jobs and what went wrong with them.

use jobq_core::inspect::JobView;
use jobq_core::{JobState, QueueName};
use serde_json::{Value, json};

use super::connect::{Address, Store};
use super::exit::Failure;
use super::known;
use super::numbers::within;
use super::output::{self, Column};
use super::units::queue_name;

/// How much of an error the table shows.
const ERROR_WIDTH: usize = 80;

/// What `failed` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this queue.
    #[arg(long, short, value_name = "NAME", value_parser = queue_name)]
    queue: Option<QueueName>,
    /// How many jobs of each queue are shown, oldest first, 1000 at most; for the others see `jobq jobs list
    /// QUEUE --state dead`.
    #[arg(long, value_name = "N", default_value_t = 50,
        value_parser = within::<u64>(1, 1_000))]
    limit: u64,
    /// One JSON object with whole errors, and `total`, how many there are in all; for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let (mut jobs, mut all) = (Vec::new(), 0);
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    for queue in queues_with_dead(&store, args.queue.as_ref()).await? {
        jobs.extend(store.inspect.jobs(&queue, JobState::Dead, 0, limit).await?);
        all += store.inspect.queue(&queue).await?.dead;
    }
    if args.json {
        let jobs: Vec<_> = jobs.iter().map(as_json).collect();
        output::json(&json!({ "jobs": jobs, "total": all }))?;
    } else if jobs.is_empty() {
        output::line("no dead jobs")?;
    } else {
        output::table(&COLUMNS, jobs.iter().map(as_row).collect())?;
        let more = all.saturating_sub(jobs.len() as u64);
        if more > 0 {
            output::note(&format!(
                "and {more} more: raise --limit, or see `jobq jobs list QUEUE --state dead`"
            ))?;
        }
    }
    Ok(())
}

/// The queue that was asked for, or all that hold dead jobs. One that is not known is refused.
pub(super) async fn queues_with_dead(
    store: &Store,
    only: Option<&QueueName>,
) -> Result<Vec<QueueName>, Failure> {
    if let Some(queue) = only {
        if store.inspect.queue(queue).await?.dead == 0 {
            known::check(store, queue).await?;
        }
        return Ok(vec![queue.clone()]);
    }
    let queues = store.inspect.queues().await?.into_iter();
    Ok(queues.filter(|queue| queue.dead > 0).map(|queue| queue.queue).collect())
}

const COLUMNS: [Column; 6] = [
    Column::Text("id"),
    Column::Text("queue"),
    Column::Text("kind"),
    Column::Number("attempts"),
    Column::Text("died at"),
    Column::Text("error"),
];

fn as_row(job: &JobView) -> Vec<String> {
    let last = job.history.last();
    let error = last.map(|failure| format!("{}: {}", failure.kind, failure.message));
    vec![
        job.record.id.to_string(),
        job.record.queue.to_string(),
        job.record.kind.to_string(),
        last.map_or(job.failed_attempts, |failure| failure.attempt).to_string(),
        job.at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        output::one_line(&error.unwrap_or_default(), ERROR_WIDTH),
    ]
}

fn as_json(job: &JobView) -> Value {
    let failures = job.history.failures().iter().map(|failure| {
        json!({
            "kind": failure.kind.as_str(),
            "attempt": failure.attempt,
            "at": failure.at.to_string(),
            "worker": failure.worker.to_string(),
            "message": failure.message,
        })
    });
    json!({
        "id": job.record.id.to_string(),
        "queue": job.record.queue.as_str(),
        "kind": job.record.kind.as_str(),
        "failed_attempts": job.failed_attempts,
        "crashes": job.crashes,
        "enqueued_at": job.record.enqueued_at.to_string(),
        "died_at": job.at.map(|at| at.to_string()),
        "failures": failures.collect::<Vec<_>>(),
    })
}
