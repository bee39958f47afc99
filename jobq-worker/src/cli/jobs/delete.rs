//! `jobq jobs delete` and `jobq forget`: jobs are deleted by their ids.

use jobq_core::inspect::DeleteOutcome;
use jobq_core::{JobId, JobState};
use serde_json::{Value, json};

use super::output;
use crate::cli::connect::{Address, Store};
use crate::cli::consent::Consent;
use crate::cli::exit::Failure;
use crate::cli::named::{Named, each_once};

/// What both take.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The jobs, each by its id or as `QUEUE/ID`.
    #[arg(required = true, value_name = "ID")]
    jobs: Vec<Named<JobId>>,
    #[command(flatten)]
    consent: Consent,
    /// One JSON array with what became of each, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    delete_known(address, args, None).await
}

/// Deletes these jobs: all that nobody is running, or only those in one state.
pub(in crate::cli) async fn delete_known(
    address: &Address,
    args: &Args,
    only: Option<JobState>,
) -> Result<(), Failure> {
    args.consent.check()?;
    let jobs = each_once(&args.jobs);
    let store = address.connect().await?;
    if !args.consent.is_dry_run() {
        args.consent.ask(&match jobs.len() {
            1 => "delete this job?".to_owned(),
            count => format!("delete these {count} jobs?"),
        })?;
    }
    let (mut all_well, mut told) = (true, Vec::new());
    for named in jobs {
        let outcome = one(&store, named, only, args.consent.is_dry_run()).await?;
        all_well &= outcome.is_well();
        if args.json {
            told.push(outcome.as_json(named.id));
        } else {
            output::line(&format!("{}  {}", named.id, outcome.sentence()))?;
        }
    }
    if args.json {
        output::json(&Value::Array(told))?;
    }
    if all_well { Ok(()) } else { Err(Failure::Told) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Deleted,
    WouldBeDeleted,
    Running,
    /// It was in one state when it was looked at, and in another when it was to go.
    MovedOn,
    /// It is in a state that was not asked for.
    Other(JobState),
    NotFound,
}

async fn one(
    store: &Store,
    named: &Named<JobId>,
    only: Option<JobState>,
    is_dry_run: bool,
) -> Result<Outcome, Failure> {
    let Some(job) = store.find(named, None).await? else { return Ok(Outcome::NotFound) };
    let Some(view) = store.inspect.job(&job.queue, job.id).await? else {
        return Ok(Outcome::NotFound);
    };
    if only.is_some_and(|only| only != view.state) {
        return Ok(Outcome::Other(view.state));
    }
    if view.state == JobState::Leased {
        return Ok(Outcome::Running);
    }
    if is_dry_run {
        return Ok(Outcome::WouldBeDeleted);
    }
    Ok(match store.inspect.delete(&job.queue, view.state, &[job.id]).await?.first() {
        Some(DeleteOutcome::Deleted) => Outcome::Deleted,
        Some(DeleteOutcome::Running) => Outcome::Running,
        Some(DeleteOutcome::MovedOn) => Outcome::MovedOn,
        _ => Outcome::NotFound,
    })
}

impl Outcome {
    const fn is_well(self) -> bool {
        matches!(self, Self::Deleted | Self::WouldBeDeleted)
    }

    fn sentence(self) -> String {
        match self {
            Self::Deleted => "deleted".to_owned(),
            Self::WouldBeDeleted => "would be deleted".to_owned(),
            Self::Running => "left: it runs; cancel it first".to_owned(),
            Self::MovedOn => "left: it has just moved on; see `jobq jobs show`".to_owned(),
            Self::Other(state) => format!("left: it is {state}, not dead; see `jobq jobs delete`"),
            Self::NotFound => "not found".to_owned(),
        }
    }

    fn as_json(self, id: JobId) -> Value {
        let (word, state) = match self {
            Self::Deleted => ("deleted", None),
            Self::WouldBeDeleted => ("would_be_deleted", None),
            Self::Running => ("left", Some(JobState::Leased)),
            Self::MovedOn => ("left", None),
            Self::Other(state) => ("left", Some(state)),
            Self::NotFound => ("not_found", None),
        };
        json!({ "id": id.to_string(), "outcome": word, "state": state.map(JobState::as_str) })
    }
}
