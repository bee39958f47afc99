//! `jobq unique`: who holds a unique key.

use jobq_core::{ErrorKind, JobId, JobRef, JobState, Kind, Payload, QueueName, UniqueKey};
use serde_json::{Value, json};

use super::connect::{Address, Store};
use super::each::look;
use super::exit::Failure;
use super::units::{queue_name, unique_key};
use super::{known, output};
use crate::registry::Registry;

/// What `unique` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The key: 32 hexadecimal digits.
    #[arg(value_name = "KEY", value_parser = unique_key, required_unless_present = "kind")]
    key: Option<UniqueKey>,
    /// Compute the key, of a job of this kind.
    #[arg(long, conflicts_with = "key")]
    kind: Option<Kind>,
    /// What makes it unique, as `enqueue --unique` takes it: of a type that lists fields, the array of
    /// their values.
    #[arg(long, value_name = "JSON", requires = "kind", conflicts_with = "job")]
    fields: Option<String>,
    /// The whole job, if this program knows its kind.
    #[arg(long, value_name = "JSON", requires = "kind", conflicts_with = "key")]
    job: Option<String>,
    /// Only this queue, and the keys that count among all; by default every queue.
    #[arg(long, short, value_name = "NAME", value_parser = queue_name)]
    queue: Option<QueueName>,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    address: &Address,
    args: &Args,
    registry: &Registry,
) -> Result<(), Failure> {
    let key = args.key(registry)?;
    let store = address.connect().await?;
    let holders = holders(&store, args.queue.as_ref(), key).await?;
    if let (Some(queue), true) = (&args.queue, holders.is_empty()) {
        known::check(&store, queue).await?;
    }
    if args.json {
        let holders: Vec<Value> = holders.iter().map(as_json).collect();
        output::json(&json!({ "key": key.to_string(), "holders": holders }))?;
    } else if holders.is_empty() {
        let place = match &args.queue {
            Some(queue) => format!("in queue {queue}"),
            None => "in any queue".to_owned(),
        };
        output::line(&format!("nobody holds unique key {key} {place}"))?;
    } else {
        let holders = holders.iter().map(|(job, state)| format!("{job}  {}", sentence(*state)));
        output::lines(&holders.collect::<Vec<_>>())?;
    }
    Ok(())
}

impl Args {
    fn key(&self, registry: &Registry) -> Result<UniqueKey, Failure> {
        match (self.key, &self.kind, &self.fields, &self.job) {
            (Some(key), ..) => Ok(key),
            (None, Some(kind), Some(fields), None) => key_of_value(kind, fields),
            (None, Some(kind), None, Some(job)) => key_of_job(kind, job, registry),
            _ => Err(Failure::Usage(
                "give the key, or --kind and with it --fields or --job".to_owned(),
            )),
        }
    }
}

/// The key of jobs of a kind for which this value is equal.
pub(super) fn key_of_value(kind: &Kind, json: &str) -> Result<UniqueKey, Failure> {
    Ok(UniqueKey::from_json(kind.as_str(), json)?)
}

fn key_of_job(kind: &Kind, json: &str, registry: &Registry) -> Result<UniqueKey, Failure> {
    let unknown = || {
        let hint = "give what makes it unique by --fields";
        Failure::Usage(format!("this program does not know kind {kind}: {hint}"))
    };
    let payload = Payload::from_json(json)?;
    let record = registry.record(kind.as_str(), JobId::from_key(""), &payload);
    let record = record.ok_or_else(unknown)?.map_err(|fault| match fault.kind() {
        ErrorKind::Corrupt => Failure::Usage(fault.to_string()),
        _ => Failure::from(fault),
    })?;
    let unique = record.unique.ok_or_else(|| {
        Failure::Usage(format!("jobs of kind {kind} are not unique: there is no key to hold"))
    })?;
    Ok(unique.key)
}

/// Those who hold a key in one queue or in any, each with its state if its queue still knows it.
async fn holders(
    store: &Store,
    only: Option<&QueueName>,
    key: UniqueKey,
) -> Result<Vec<(JobRef, Option<JobState>)>, Failure> {
    let queues = match only {
        Some(queue) => vec![queue.clone()],
        None => store.inspect.queue_names().await?,
    };
    let found = look(queues, async |queue| Ok(store.inspect.unique(&queue, key).await?)).await?;
    let mut holders: Vec<(JobRef, Option<JobState>)> = Vec::new();
    for job in found.into_iter().flatten() {
        // Who holds it among all queues is told of each.
        if holders.iter().any(|(known, _)| *known == job) {
            continue;
        }
        let state = store.inspect.job(&job.queue, job.id).await?.map(|view| view.state);
        holders.push((job, state));
    }
    Ok(holders)
}

fn sentence(state: Option<JobState>) -> String {
    match state {
        Some(state) if state.is_live() => format!("holds it, and is {state}"),
        Some(state) => format!("holds it for its time, and is {state}"),
        None => "holds it for its time, and has ended".to_owned(),
    }
}

fn as_json((job, state): &(JobRef, Option<JobState>)) -> Value {
    json!({
        "id": job.id.to_string(),
        "queue": job.queue.as_str(),
        "state": state.map(JobState::as_str),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use jobq_core::{Job, MemoryBackend, Queue};
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize, Job)]
    #[job(kind = "sync", queue = "crm", unique(store, record))]
    struct Sync {
        store: u32,
        record: u64,
        urgent: bool,
    }

    async fn sync(_: Sync) {}

    #[derive(Serialize, Deserialize)]
    struct Point {
        x: i64,
        y: Option<f32>,
    }

    #[derive(Serialize, Deserialize, Job)]
    #[job(kind = "push", unique(at), unique_scope = "everywhere")]
    struct Push {
        at: Point,
        tags: Vec<String>,
    }

    async fn push(_: Push) {}

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn key(line: &[&str]) -> Result<UniqueKey, Failure> {
        let line = [&["unique"], line].concat();
        let registry = Registry::new().handle(sync).handle(push);
        Line::try_parse_from(line).unwrap().args.key(&registry)
    }

    #[tokio::test]
    async fn the_key_of_a_job_is_computed_as_its_type_does() {
        let store = MemoryBackend::new();
        let job = Sync { store: 7, record: 4711, urgent: true };
        let id = store.enqueue(job).await.unwrap().id();

        let by_fields = key(&["--kind", "sync", "--fields", "[7, 4711]"]).unwrap();
        let by_job =
            key(&["--kind", "sync", "--job", r#"{"store":7,"record":4711,"urgent":false}"#]);
        assert_eq!(by_fields, by_job.unwrap());
        assert_eq!(by_fields, key(&[&by_fields.to_string()]).unwrap());

        let crm = QueueName::new("crm").unwrap();
        let expected = [(JobRef::new(crm.clone(), id), Some(JobState::Ready))];
        let store = Store::of(store);
        assert_eq!(holders(&store, Some(&crm), by_fields).await.unwrap(), expected);
        assert_eq!(holders(&store, None, by_fields).await.unwrap(), expected);
        let other = key(&["--kind", "sync", "--fields", "[7, 4712]"]).unwrap();
        assert!(holders(&store, None, other).await.unwrap().is_empty());
        let mail = QueueName::new("mail").unwrap();
        assert!(holders(&store, Some(&mail), by_fields).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_holds_a_key_among_all_queues_is_found_once_wherever_it_is() {
        let memory = MemoryBackend::new();
        for queue in ["crm", "mail", "import"] {
            let job = Push { at: Point { x: 1, y: Some(0.5) }, tags: vec![] };
            memory.enqueue(job).on(queue).await.unwrap();
        }
        let store = Store::of(memory);

        let point = r#"[{"y": 0.5, "x": 1}]"#;
        let by_fields = key(&["--kind", "push", "--fields", point]).unwrap();
        let job = r#"{"tags": ["a"], "at": {"y": 0.5, "x": 1}}"#;
        assert_eq!(key(&["--kind", "push", "--job", job]).unwrap(), by_fields);
        for only in [None, Some("crm"), Some("mail"), Some("unheard-of")] {
            let only = only.map(|name| QueueName::new(name).unwrap());
            let found = holders(&store, only.as_ref(), by_fields).await.unwrap();
            assert_eq!(found.len(), 1, "{only:?}");
            assert_eq!(found[0].0.queue.as_str(), "crm");
        }
    }

    #[test]
    fn what_gives_no_key_is_a_wrong_command() {
        for (line, why) in [
            (&["--kind", "sync"] as &[&str], "give the key, or --kind"),
            (&["--kind", "sync", "--fields", "[7"], "what makes a job unique is not valid JSON"),
            (&["--kind", "mail", "--job", "{}"], "this program does not know kind mail"),
            (&["--kind", "sync", "--job", "{}"], "the payload does not fit Sync: missing field"),
        ] {
            let Err(Failure::Usage(told)) = key(line) else { panic!("{line:?}") };
            assert!(told.starts_with(why), "{line:?}: {told}");
        }
    }
}
