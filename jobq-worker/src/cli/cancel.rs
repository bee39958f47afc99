//! `jobq cancel`: jobs are cancelled, whether they wait or run.

use jobq_core::JobId;
use jobq_core::inspect::CancelOutcome;
use serde_json::{Value, json};

use super::connect::Address;
use super::exit::Failure;
use super::named::{Named, each_once};
use super::output;

/// What `cancel` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The jobs, each by its id or as `QUEUE/ID`.
    #[arg(required = true, value_name = "ID")]
    jobs: Vec<Named<JobId>>,
    /// One JSON array with what became of each, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let (mut all_well, mut told) = (true, Vec::new());
    for named in each_once(&args.jobs) {
        let outcome = match store.find(named, None).await? {
            None => CancelOutcome::NotFound,
            Some(job) => {
                let outcomes = store.inspect.cancel(&job.queue, &[job.id]).await?;
                outcomes.first().copied().unwrap_or(CancelOutcome::NotFound)
            }
        };
        all_well &= matches!(outcome, CancelOutcome::Cancelled | CancelOutcome::Requested);
        if args.json {
            told.push(json!({ "id": named.id.to_string(), "outcome": word(outcome) }));
        } else {
            output::line(&format!("{}  {}", named.id, sentence(outcome)))?;
        }
    }
    if args.json {
        output::json(&Value::Array(told))?;
    }
    if all_well { Ok(()) } else { Err(Failure::Told) }
}

const fn word(outcome: CancelOutcome) -> &'static str {
    match outcome {
        CancelOutcome::Cancelled => "cancelled",
        CancelOutcome::Requested => "requested",
        CancelOutcome::AlreadyEnded => "already_ended",
        CancelOutcome::NotFound => "not_found",
        _ => "unknown",
    }
}

const fn sentence(outcome: CancelOutcome) -> &'static str {
    match outcome {
        CancelOutcome::Cancelled => "cancelled",
        CancelOutcome::Requested => "runs, and was asked to end",
        CancelOutcome::AlreadyEnded => "had ended before",
        CancelOutcome::NotFound => "not found",
        _ => "unknown",
    }
}
