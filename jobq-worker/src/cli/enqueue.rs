//! `jobq enqueue`: a job from JSON.

use std::io::Read;
use std::time::Duration;

use jobq_core::{
    BatchId, Enqueued, Error, ErrorKind, JobId, JobRecord, JobRef, Kind, LaneKey,
    MAX_PAYLOAD_BYTES, NewJob, OnParentFailure, Payload, QueueName, Result, Unique, UniqueMode,
    UniqueScope, When, parents,
};

use super::allowed::AllowedPrograms;
use super::allowed_urls::AllowedUrls;
use super::connect::{Address, Store};
use super::exit::Failure;
use super::units::{After, Named, after, duration, on_parent_failure, queue_name, unique_mode};
use super::{batch, command, http, output, unique};
use crate::registry::Registry;

/// What `enqueue` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The kind of the job.
    kind: Kind,
    /// Its arguments; `-` reads them from standard input.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    json: String,
    /// The queue; by default that of the job's type, or `default` for a kind this program does not know.
    #[arg(long, short, value_name = "NAME", value_parser = queue_name)]
    queue: Option<QueueName>,
    /// When it may run, from now; and the jobs that must have ended before, by their ids.
    #[arg(long, value_name = "DURATION|ID,…", value_parser = after, value_delimiter = ',')]
    after: Vec<After>,
    /// What becomes of it when one of those jobs fails: `fail`, `skip` or `continue`.
    #[arg(long, value_name = "POLICY", value_parser = on_parent_failure, requires = "after")]
    on_parent_failure: Option<OnParentFailure>,
    /// How often it is tried.
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// How long one attempt may take.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// How long it is kept once completed or cancelled.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    retention: Option<Duration>,
    /// A key of your own: the same one enqueues the job once.
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    /// Whose share of the queue it takes.
    #[arg(long, value_name = "KEY")]
    lane: Option<LaneKey>,
    /// How much of a rate limit it uses up.
    #[arg(long, value_name = "N")]
    cost: Option<u32>,
    /// What makes it the same as another of its kind: of a type that lists fields, the array of their
    /// values, such as `[7, "customer"]`.
    #[arg(long, value_name = "JSON")]
    unique: Option<String>,
    /// For how long, and what becomes of a second one: `until_started`, `while_running`,
    /// `throttle(10m)`, `debounce(30s..5m)`, `latest_wins`; `until_finished` by default.
    #[arg(long, value_name = "MODE", value_parser = unique_mode)]
    unique_mode: Option<UniqueMode>,
    /// Make it unique among all queues.
    #[arg(long)]
    unique_everywhere: bool,
    /// The batch that counts it.
    #[arg(long, value_name = "ID")]
    batch: Option<Named<BatchId>>,
}

pub(super) async fn run(address: &Address, args: Args, registry: Registry) -> Result<(), Failure> {
    // So that a mistake in a `command` or an `http` is told here, and not by the worker.
    let registry = command::register(registry, AllowedPrograms::default());
    let registry = http::register(registry, AllowedUrls::default()).map_err(Failure::Failed)?;
    let payload = Payload::from_json(&arguments(&args.json)?)?;
    let store = address.connect().await?;
    let id = match &args.key {
        Some(key) => JobId::from_key(key),
        None => JobId::generate(store.backend.clock()),
    };
    let record = record(args.kind.clone(), id, payload, &registry)?;
    let job = job(&store, &args, record).await?;
    match store.backend.enqueue_batch(std::slice::from_ref(&job)).await?.first() {
        Some(Enqueued::Created(id)) => output::line(&id.to_string())?,
        Some(Enqueued::Duplicate(job)) => output::line(&format!("{job}  was there already"))?,
        Some(Enqueued::Replaced { id, previous }) => {
            output::line(&format!("{id}  takes the place of {previous}"))?;
        }
        None => return Err(Failure::failed("the backend gave no answer for the job")),
    }
    Ok(())
}

/// The job with all that was chosen for it.
async fn job(store: &Store, args: &Args, record: JobRecord) -> Result<NewJob, Failure> {
    let (when, jobs) = args.after()?;
    let mut job = NewJob::new(record, when);
    let record = &mut job.record;
    record.unique = args.unique(record.unique)?;
    if let Some(queue) = &args.queue {
        record.queue = queue.clone();
    }
    if let Some(lane) = &args.lane {
        record.lane = Some(lane.clone());
    }
    record.cost = args.cost.unwrap_or(record.cost);
    record.max_attempts = args.max_attempts.unwrap_or(record.max_attempts);
    record.timeout = args.timeout.or(record.timeout);
    record.retention = args.retention.or(record.retention);
    // What makes no sense is told before the store is asked for anything.
    record.check()?;
    if let Some(batch) = &args.batch {
        record.batch = Some(batch::find(store, batch, None).await?.batch);
    }
    for named in jobs {
        job.parents.push(parents::Parent::known(parent(store, named).await?));
    }
    job.on_parent_failure = args.on_parent_failure.unwrap_or_default();
    job.check()?;
    Ok(job)
}

async fn parent(store: &Store, named: &Named<JobId>) -> Result<JobRef, Failure> {
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

    /// What makes the job unique, in place of or beside what its type says.
    fn unique(&self, of_type: Option<Unique>) -> Result<Option<Unique>, Failure> {
        let mut unique = match &self.unique {
            Some(json) => Some(Unique::from(unique::key_of_value(&self.kind, json)?)),
            None => of_type,
        };
        match &mut unique {
            Some(unique) => {
                unique.mode = self.unique_mode.unwrap_or(unique.mode);
                if self.unique_everywhere {
                    unique.scope = UniqueScope::Everywhere;
                }
            }
            None if self.unique_mode.is_some() || self.unique_everywhere => {
                return Err(Failure::Usage(format!(
                    "jobs of kind {} are not unique: say what makes this one by --unique",
                    self.kind
                )));
            }
            None => {}
        }
        Ok(unique)
    }
}

fn arguments(json: &str) -> Result<String, Failure> {
    if json != "-" {
        return Ok(json.to_owned());
    }
    let mut text = String::new();
    // JSON is at most some times longer than the payload that it becomes.
    let most = 8 * MAX_PAYLOAD_BYTES as u64;
    let read = std::io::stdin().take(most + 1).read_to_string(&mut text);
    read.map_err(|error| Failure::failed(format!("cannot read standard input: {error}")))?;
    if text.trim().is_empty() {
        return Err(Failure::Usage(
            "standard input is empty: pipe the arguments in as JSON, or leave --json out for none"
                .to_owned(),
        ));
    }
    if text.len() as u64 > most {
        return Err(Failure::Usage(format!(
            "standard input has more than {most} bytes: a payload has {MAX_PAYLOAD_BYTES} at most"
        )));
    }
    Ok(text)
}

/// The record of a job: with the choices of its type if this program knows it.
fn record(kind: Kind, id: JobId, payload: Payload, registry: &Registry) -> Result<JobRecord> {
    match registry.record(kind.as_str(), id, &payload) {
        // Here it was the caller who gave what does not fit.
        Some(Err(error)) if error.kind() == ErrorKind::Corrupt => {
            Err(Error::invalid_input(error.to_string()))
        }
        Some(record) => record,
        None => Ok(JobRecord::new(id, QueueName::new("default")?, kind, payload)),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use jobq_core::{Job, MemoryBackend, Queue, UniqueKey};
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, Job)]
    #[job(kind = "sync", queue = "crm", unique(store), lane = store, cost = 2)]
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
        let payload = Payload::from_json(&args.json)?;
        let record = record(args.kind.clone(), JobId::from_key("x"), payload, &registry)?;
        job(&Store::of(store.clone()), &args, record).await
    }

    #[tokio::test]
    async fn what_is_not_chosen_is_as_the_type_says() {
        let store = MemoryBackend::new();
        let seven = r#"sync --json {"store":7}"#;

        let plain = build(&store, seven).await.unwrap().record;
        let key = UniqueKey::new("sync", &(7_u32,)).unwrap();
        assert_eq!(plain.unique, Some(Unique::from(key)));
        assert_eq!((plain.lane.unwrap().as_str(), plain.cost), ("7", 2));

        let line = format!(
            "{seven} --queue b --lane 8 --cost 5 --retention 1h --unique-mode until_started \
             --unique-everywhere"
        );
        let chosen = build(&store, &line).await.unwrap().record;
        let mode = UniqueMode::UntilStarted;
        assert_eq!(chosen.unique, Some(Unique::new(key, mode).everywhere()));
        assert_eq!((chosen.lane.unwrap().as_str(), chosen.cost), ("8", 5));
        assert_eq!(
            (chosen.queue.as_str(), chosen.retention),
            ("b", Some(Duration::from_secs(3600)))
        );
    }

    #[tokio::test]
    async fn a_kind_that_is_not_known_is_as_unique_as_it_is_said_to_be() {
        let store = MemoryBackend::new();
        let job = build(&store, "mail --unique [1,2] --unique-mode throttle(5m)").await.unwrap();
        let key = UniqueKey::new("mail", &(1, 2)).unwrap();
        let mode = UniqueMode::Throttle { per: Duration::from_secs(300) };
        assert_eq!(job.record.unique, Some(Unique::new(key, mode)));

        for (line, why) in [
            ("mail --unique-mode until_started", "jobs of kind mail are not unique: say what"),
            ("mail --unique-everywhere", "jobs of kind mail are not unique: say what"),
            ("mail --unique [", "what makes a job unique is not valid JSON"),
            ("mail --unique 1 --unique-mode throttle(0s)", "a throttle of 0ns is not possible"),
            ("mail --cost 0", "cost of a job of kind \"mail\" is 0"),
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
