//! `jobq enqueue`: a job from JSON.

use std::io::Read;
use std::time::Duration;

use jobq_core::{
    Enqueued, Error, ErrorKind, JobId, JobRecord, Kind, MAX_PAYLOAD_BYTES, NewJob, Payload,
    QueueName, Result, When,
};

use super::allowed::AllowedPrograms;
use super::command;
use super::connect::Address;
use super::exit::Failure;
use super::output;
use super::units::{duration, queue_name};
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
    /// When it may run, from now.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    after: Option<Duration>,
    /// How often it is tried.
    #[arg(long, value_name = "N")]
    max_attempts: Option<u32>,
    /// How long one attempt may take.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    timeout: Option<Duration>,
    /// A key of your own: the same one enqueues the job once.
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
}

pub(super) async fn run(address: &Address, args: Args, registry: Registry) -> Result<(), Failure> {
    // So that a mistake in a `command` is told here, and not by the worker.
    let registry = command::register(registry, AllowedPrograms::default());
    let payload = Payload::from_json(&arguments(&args.json)?)?;
    let store = address.connect().await?;
    let id = match &args.key {
        Some(key) => JobId::from_key(key),
        None => JobId::generate(store.backend.clock()),
    };
    let record = record(args.kind, id, payload, &registry)?;
    let mut job = NewJob::new(record, args.after.map_or(When::Now, When::After));
    job.record.queue = args.queue.unwrap_or(job.record.queue);
    job.record.max_attempts = args.max_attempts.unwrap_or(job.record.max_attempts);
    job.record.timeout = args.timeout.or(job.record.timeout);
    job.record.check()?;
    match store.backend.enqueue_batch(std::slice::from_ref(&job)).await?.first() {
        Some(Enqueued::Created(id)) => output::line(&id.to_string())?,
        Some(Enqueued::Duplicate(id)) => output::line(&format!("{id}  was there already"))?,
        None => return Err(Failure::failed("the backend gave no answer for the job")),
    }
    Ok(())
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
