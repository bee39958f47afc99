//! `jobq enqueue`: a job from JSON.

use jobq_core::{
    BatchId, Enqueued, JobId, JobRecord, JobRef, NewJob, OnParentFailure, Result, When, parents,
};

use serde_json::{Value, json};

use super::connect::{Address, Store};
use super::exit::Failure;
use super::job::JobArgs;
use super::named::Named;
use super::units::{After, after, on_parent_failure};
use super::{batch, known, output};
use crate::registry::Registry;

/// What `enqueue` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    job: JobArgs,
    /// When it may run, from now; and the jobs that must have ended before, by their ids.
    #[arg(long, value_name = "DURATION|ID,…", value_parser = after, value_delimiter = ',')]
    after: Vec<After>,
    /// What becomes of it when one of those jobs fails: `fail`, `skip` or `continue`.
    #[arg(long, value_name = "POLICY", value_parser = on_parent_failure, requires = "after")]
    on_parent_failure: Option<OnParentFailure>,
    /// A key of your own: the same one enqueues the job once.
    #[arg(long, value_name = "TEXT", value_parser = own_key)]
    key: Option<String>,
    /// The batch that counts it.
    #[arg(long, value_name = "ID")]
    batch: Option<Named<BatchId>>,
    /// What became of it as one JSON object, for programs: --json is what goes in.
    #[arg(long)]
    json_output: bool,
}

/// An empty key is that of a variable which is not set: all such jobs would be one.
fn own_key(text: &str) -> std::result::Result<String, String> {
    if text.is_empty() { Err("the key is empty".to_owned()) } else { Ok(text.to_owned()) }
}

pub(super) async fn run(address: &Address, args: Args, registry: &Registry) -> Result<(), Failure> {
    // What makes no sense is told before anybody is called.
    let mut record = args.job.record(JobId::from_bytes([0; 16]), registry)?;
    let store = address.connect().await?;
    record.id = match &args.key {
        Some(key) => JobId::from_key(key),
        None => JobId::generate(store.backend.clock()),
    };
    let job = job(&store, &args, record).await?;
    let enqueued = store.backend.enqueue_jobs(std::slice::from_ref(&job)).await?;
    let Some(enqueued) = enqueued.into_iter().next() else {
        return Err(Failure::failed("the backend gave no answer for the job"));
    };
    let printed = if args.json_output {
        output::json(&as_json(&job.record, &enqueued))
    } else {
        output::line(&sentence(&enqueued))
    };
    // Whoever does not learn of it would enqueue the job again.
    printed.map_err(|error| {
        let what = in_full(&job.record, &enqueued);
        Failure::failed(format!("cannot write: {error}; {what}"))
    })
}

/// What became of a job, where it could not be told as it should.
fn in_full(job: &JobRecord, enqueued: &Enqueued) -> String {
    match enqueued {
        Enqueued::Created(id) => format!("job {}/{id} was enqueued", job.queue),
        Enqueued::Duplicate(known) => format!("job {known} was there already"),
        Enqueued::Replaced { id, previous } => {
            format!("job {}/{id} was enqueued, and takes the place of {previous}", job.queue)
        }
    }
}

fn sentence(enqueued: &Enqueued) -> String {
    match enqueued {
        Enqueued::Created(id) => id.to_string(),
        Enqueued::Duplicate(job) => format!("{job}  was there already"),
        Enqueued::Replaced { id, previous } => format!("{id}  takes the place of {previous}"),
    }
}

fn as_json(job: &JobRecord, enqueued: &Enqueued) -> Value {
    let (outcome, queue, id, previous) = match enqueued {
        Enqueued::Created(id) => ("created", &job.queue, id, None),
        Enqueued::Duplicate(known) => ("duplicate", &known.queue, &known.id, None),
        Enqueued::Replaced { id, previous } => ("replaced", &job.queue, id, Some(previous)),
    };
    json!({
        "id": id.to_string(),
        "queue": queue.as_str(),
        "outcome": outcome,
        "previous": previous.map(ToString::to_string),
    })
}

/// The job with all that was chosen for it.
async fn job(store: &Store, args: &Args, record: JobRecord) -> Result<NewJob, Failure> {
    let (when, jobs) = args.after()?;
    let mut job = NewJob::new(record, when);
    if let Some(batch) = &args.batch {
        job.record.batch = Some(batch::find(store, batch, None).await?.batch);
    }
    for named in jobs {
        job.parents.push(parents::Parent::known(parent(store, named).await?));
    }
    job.on_parent_failure = args.on_parent_failure.unwrap_or_default();
    job.check()?;
    Ok(job)
}

async fn parent(store: &Store, named: &Named<JobId>) -> Result<JobRef, Failure> {
    known::check_each(store, &named.queue).await?;
    match store.find(named, None).await? {
        Some(job) => Ok(job),
        None => Err(Failure::failed(format!(
            "nothing is known of job {}, after which this one is to run: it was never enqueued, or it \
             has ended and left nothing behind (jobs with a retention are kept)",
            named.id
        ))),
    }
}

impl Args {
    /// When the job is ready, and after which jobs.
    fn after(&self) -> Result<(When, Vec<&Named<JobId>>), Failure> {
        let (mut when, mut jobs) = (When::Now, Vec::new());
        for after in &self.after {
            match after {
                After::Job(job) => jobs.push(job),
                After::Delay(delay) if when == When::Now => when = When::After(*delay),
                After::Delay(_) => {
                    return Err(Failure::Usage("two durations for --after: give one".to_owned()));
                }
            }
        }
        if self.on_parent_failure.is_some() && jobs.is_empty() {
            let why = "--on-parent-failure says nothing without the jobs to wait for: --after ID";
            return Err(Failure::Usage(why.to_owned()));
        }
        Ok((when, jobs))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use jobq_core::{Job, MemoryBackend, Queue};
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, Job)]
    #[job(kind = "sync", queue = "crm")]
    struct Sync {
        store: u32,
    }

    async fn sync(_: Sync) {}

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    async fn build(store: &MemoryBackend, line: &str) -> Result<NewJob, Failure> {
        let line = format!("enqueue {line}");
        let args = Line::try_parse_from(line.split_whitespace()).unwrap().args;
        let registry = Registry::new().handle(sync);
        let record = args.job.record(JobId::from_key("x"), &registry)?;
        job(&Store::of(store.clone()), &args, record).await
    }

    #[tokio::test]
    async fn what_does_not_go_together_is_refused() {
        let store = MemoryBackend::new();
        for (line, why) in [
            ("mail --after 1s --after 2s", "two durations for --after"),
            ("mail --after 1s --on-parent-failure skip", "--on-parent-failure says nothing"),
        ] {
            let Err(Failure::Usage(told)) = build(&store, line).await else { panic!("{line}") };
            assert!(told.starts_with(why), "{line}: {told}");
        }
    }

    #[tokio::test]
    async fn parents_and_batches_are_found_by_their_ids() {
        let store = MemoryBackend::new();
        let first = store.enqueue(Sync { store: 1 }).handle().await.unwrap().reference().clone();
        let other = store.enqueue(Sync { store: 2 }).on("b").handle().await.unwrap();
        let other = other.reference().clone();
        let batch = store.batch("nightly").on("b").open().await.unwrap().reference().clone();

        let line = format!(
            "mail --after {},90s --after {} --on-parent-failure continue --batch {}",
            first.id, other.id, batch.id
        );
        let job = build(&store, &line).await.unwrap();

        let parents: Vec<_> = job.parents.iter().map(|parent| parent.job.clone()).collect();
        assert_eq!(parents, [first, other]);
        assert_eq!(job.when, When::After(Duration::from_secs(90)));
        assert_eq!(job.on_parent_failure, OnParentFailure::Continue);
        assert_eq!(job.record.batch, Some(batch));
        for line in ["--after", "--batch"] {
            let line = format!("mail {line} {}", JobId::from_key("unknown"));
            let Err(Failure::Failed(told)) = build(&store, &line).await else { panic!("{line}") };
            assert!(told.contains("known"), "{told}");
        }
    }
}
