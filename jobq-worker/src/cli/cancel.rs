//! `jobq cancel`: jobs are cancelled, whether they wait or run.

use jobq_core::inspect::CancelOutcome;
use jobq_core::{JobId, JobRef, JobState};
use serde_json::{Value, json};

use super::connect::{Address, Store};
use super::consent::Consent;
use super::count::count;
use super::each::each;
use super::exit::Failure;
use super::named::{Named, each_once};
use super::{known, output};

/// What `cancel` takes. It asks before it cancels several.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
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
    let jobs = each_once(&args.jobs);
    let are_several = jobs.len() > 1;
    if are_several {
        args.consent.check("cancels several jobs")?;
    }
    let store = address.connect().await?;
    known::check_each(&store, jobs.iter().filter_map(|named| named.queue.as_ref())).await?;
    let is_dry_run = args.consent.is_dry_run();
    if are_several && !is_dry_run {
        let (jobs, place) = (count(jobs.len() as u64, "job"), address.place()?);
        args.consent.ask(&format!("cancel {jobs} at {place}, also those that run?"))?;
    }
    let jobs = store.find_each(&jobs, None).await?;
    let each = each(jobs, async |(id, job)| one(&store, id, job, is_dry_run).await).await;
    if args.json {
        output::json(&each.done.iter().map(Told::as_json).collect())?;
    } else {
        output::lines(&each.done.iter().map(Told::line).collect::<Vec<_>>())?;
    }
    let all_well = each.done.iter().all(Told::is_well);
    each.end(all_well)
}

/// What became of a job, or what would.
#[derive(Debug)]
struct Told {
    id: JobId,
    job: Option<JobRef>,
    outcome: CancelOutcome,
    is_dry_run: bool,
}

async fn one(
    store: &Store,
    id: JobId,
    job: Option<JobRef>,
    is_dry_run: bool,
) -> Result<Told, Failure> {
    let outcome = match &job {
        None => None,
        Some(job) if is_dry_run => {
            store.inspect.job(&job.queue, job.id).await?.map(|view| match view.state {
                JobState::Leased => CancelOutcome::Requested,
                JobState::Waiting | JobState::Scheduled | JobState::Ready => {
                    CancelOutcome::Cancelled
                }
                _ => CancelOutcome::AlreadyEnded,
            })
        }
        Some(job) => store.inspect.cancel(&job.queue, &[job.id]).await?.first().copied(),
    };
    let outcome = outcome.unwrap_or(CancelOutcome::NotFound);
    let job = job.filter(|_| outcome != CancelOutcome::NotFound);
    Ok(Told { id, job, outcome, is_dry_run })
}

impl Told {
    const fn is_well(&self) -> bool {
        matches!(self.outcome, CancelOutcome::Cancelled | CancelOutcome::Requested)
    }

    /// What became of it, for programs and for people.
    const fn words(&self) -> (&'static str, &'static str) {
        match (self.outcome, self.is_dry_run) {
            (CancelOutcome::Cancelled, false) => ("cancelled", "cancelled"),
            (CancelOutcome::Cancelled, true) => ("would_be_cancelled", "would be cancelled"),
            (CancelOutcome::Requested, false) => ("requested", "runs, and was asked to end"),
            (CancelOutcome::Requested, true) => {
                ("would_be_requested", "runs, and would be asked to end")
            }
            (CancelOutcome::AlreadyEnded, _) => ("already_ended", "had ended before"),
            (CancelOutcome::NotFound, _) => ("not_found", "not found"),
            _ => ("unknown", "unknown"),
        }
    }

    fn line(&self) -> String {
        format!("{}  {}", self.id, self.words().1)
    }

    fn as_json(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "queue": self.job.as_ref().map(|job| job.queue.as_str()),
            "outcome": self.words().0,
        })
    }
}

#[cfg(test)]
mod tests {
    use jobq_core::{Job, MemoryBackend, Queue};
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, Job)]
    #[job(kind = "sync", queue = "crm")]
    struct Sync;

    #[tokio::test]
    async fn jobs_are_cancelled_wherever_they_are_and_each_told_of() {
        let memory = MemoryBackend::new();
        let [here, there] = [
            memory.enqueue(Sync).await.unwrap().id(),
            memory.enqueue(Sync).on("mail").await.unwrap().id(),
        ];
        let store = Store::of(memory);
        let unknown = JobId::from_key("x");
        let named = [format!("crm/{here}"), unknown.to_string(), there.to_string()];
        let named: Vec<Named<JobId>> = named.iter().map(|text| text.parse().unwrap()).collect();
        let named: Vec<_> = named.iter().collect();

        for (is_dry_run, words) in [
            (true, ["would_be_cancelled", "not_found", "would_be_cancelled"]),
            (false, ["cancelled", "not_found", "cancelled"]),
        ] {
            let found = store.find_each(&named, None).await.unwrap();
            let mut told = Vec::new();
            for (id, job) in found {
                told.push(one(&store, id, job, is_dry_run).await.unwrap());
            }
            assert_eq!(told.iter().map(|told| told.words().0).collect::<Vec<_>>(), words);
            assert_eq!(told.iter().map(|told| told.id).collect::<Vec<_>>(), [here, unknown, there]);
            assert_eq!(told[2].as_json()["queue"], "mail");
            assert_eq!(told[1].as_json()["queue"], Value::Null);
        }
    }
}
