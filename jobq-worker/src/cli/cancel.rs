//! `jobq cancel`: jobs are cancelled, whether they wait or run.

use jobq_core::JobId;
use jobq_core::inspect::CancelOutcome;

use super::connect::Address;
use super::exit::Failure;
use super::output;
use super::units::Named;

/// What `cancel` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The jobs, each by its id or as `QUEUE/ID`.
    #[arg(required = true, value_name = "ID")]
    jobs: Vec<Named<JobId>>,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let mut all_well = true;
    for named in &args.jobs {
        let outcome = match store.find(named, None).await? {
            None => CancelOutcome::NotFound,
            Some(job) => {
                let outcomes = store.inspect.cancel(&job.queue, &[job.id]).await?;
                outcomes.first().copied().unwrap_or(CancelOutcome::NotFound)
            }
        };
        all_well &= matches!(outcome, CancelOutcome::Cancelled | CancelOutcome::Requested);
        output::line(&format!("{}  {}", named.id, sentence(outcome)))?;
    }
    if all_well { Ok(()) } else { Err(Failure::Told) }
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
