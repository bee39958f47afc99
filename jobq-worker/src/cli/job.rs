//! A job as people describe it, on the command line and in `jobq.toml`.

use std::io::Read;
use std::time::Duration;

use jobq_core::{
    Error, ErrorKind, Job, JobId, JobRecord, Kind, LaneKey, MAX_PAYLOAD_BYTES, Payload, Priority,
    QueueName, Result, Unique, UniqueMode, UniqueScope,
};

use super::command::Command;
use super::exit::Failure;
use super::http::Http;
use super::numbers::within;
use super::units::{attempts, duration, priority, queue_name, retention, unique_mode};
use super::{mismatch, unique};
use crate::registry::Registry;

/// Which job.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct JobArgs {
    /// The kind of the job.
    pub(super) kind: Kind,
    /// The arguments of the job; `-` reads them from standard input.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    pub(super) json: String,
    #[command(flatten)]
    pub(super) options: JobOptions,
}

/// What is chosen for a job in place of what its type says.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct JobOptions {
    /// The queue; by default that of the job's type, or `default` for a kind this program does not know.
    #[arg(long, short, value_name = "NAME", value_parser = queue_name)]
    pub(super) queue: Option<QueueName>,
    /// How early it runs among the jobs of its queue: 0 to 15, higher first.
    #[arg(long, value_name = "N", value_parser = priority)]
    pub(super) priority: Option<Priority>,
    /// How often it is tried.
    #[arg(long, value_name = "N", value_parser = attempts)]
    pub(super) max_attempts: Option<u32>,
    /// How long one attempt may take.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
    /// How long it is kept once completed or cancelled.
    #[arg(long, value_name = "DURATION", value_parser = retention)]
    pub(super) retention: Option<Duration>,
    /// Whose share of the queue it takes.
    #[arg(long, value_name = "KEY")]
    pub(super) lane: Option<LaneKey>,
    /// How much of a rate limit it uses up.
    #[arg(long, value_name = "N", value_parser = within::<u32>(1, 65_535))]
    pub(super) cost: Option<u32>,
    /// What makes it the same as another of its kind: of a type that lists fields, the array of their
    /// values, such as `[7, "customer"]`.
    #[arg(long, value_name = "JSON")]
    pub(super) unique: Option<String>,
    /// For how long, and what becomes of a second one: `until_started`, `while_running`,
    /// `throttle(10m)`, `debounce(30s..5m)`, `latest_wins`; `until_finished` by default.
    #[arg(long, value_name = "MODE", value_parser = unique_mode)]
    pub(super) unique_mode: Option<UniqueMode>,
    /// Make it unique among all queues.
    #[arg(long)]
    pub(super) unique_everywhere: bool,
}

impl JobArgs {
    /// The job with all that was chosen for it; what makes no sense is told before anybody is called.
    pub(super) fn record(&self, id: JobId, registry: &Registry) -> Result<JobRecord, Failure> {
        let payload = Payload::from_json(&arguments(&self.json)?)?;
        self.options.record(self.kind.clone(), id, payload, registry)
    }
}

impl JobOptions {
    /// A job of this kind and payload with all that was chosen for it.
    pub(super) fn record(
        &self,
        kind: Kind,
        id: JobId,
        payload: Payload,
        registry: &Registry,
    ) -> Result<JobRecord, Failure> {
        let mut record = of_kind(kind, id, payload, registry)?;
        record.unique = self.unique(&record.kind, record.unique)?;
        if let Some(queue) = &self.queue {
            record.queue = queue.clone();
        }
        if let Some(lane) = &self.lane {
            record.lane = Some(lane.clone());
        }
        record.priority = self.priority.unwrap_or(record.priority);
        record.cost = self.cost.unwrap_or(record.cost);
        record.max_attempts = self.max_attempts.unwrap_or(record.max_attempts);
        record.timeout = self.timeout.or(record.timeout);
        record.retention = self.retention.or(record.retention);
        record.check()?;
        Ok(record)
    }

    /// What makes the job unique, in place of or beside what its type says.
    fn unique(&self, kind: &Kind, of_type: Option<Unique>) -> Result<Option<Unique>, Failure> {
        let mut unique = match &self.unique {
            Some(json) => Some(Unique::from(unique::key_of_value(kind, json)?)),
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
                    "jobs of kind {kind} are not unique: say what makes this one, by --unique or, in a \
                     file, by unique"
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
    read.map_err(|error| match error.kind() {
        std::io::ErrorKind::InvalidData => Failure::Usage(
            "standard input is not UTF-8, and so no JSON: pipe the arguments in as UTF-8"
                .to_owned(),
        ),
        _ => Failure::failed(format!("cannot read standard input: {error}")),
    })?;
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
fn of_kind(kind: Kind, id: JobId, payload: Payload, registry: &Registry) -> Result<JobRecord> {
    let known = match registry.record(kind.as_str(), id, &payload) {
        // So that a mistake in it is told here, and not by the worker.
        None if kind.as_str() == Command::KIND => {
            let command = payload.decode::<Command>();
            Some(command.and_then(|command| {
                command.check()?;
                JobRecord::of(id, &command)
            }))
        }
        None if kind.as_str() == Http::KIND => Some(payload.decode::<Http>().and_then(|http| {
            http.check()?;
            JobRecord::of(id, &http)
        })),
        known => known,
    };
    match known {
        // Here it was the caller who gave what does not fit.
        Some(Err(error)) if error.kind() == ErrorKind::Corrupt => {
            Err(Error::invalid_input(in_words(&error.to_string())))
        }
        Some(record) => record,
        None => Ok(JobRecord::new(id, QueueName::new("default")?, kind, payload)),
    }
}

/// What does not fit a job's type, in words of JSON.
fn in_words(told: &str) -> String {
    let (place, fault) = told.split_once(": ").unwrap_or(("", told));
    mismatch::in_words(fault, "object")
        .map_or_else(|| told.to_owned(), |what| format!("{place}: {what}"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use jobq_core::UniqueKey;
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
        job: JobArgs,
    }

    fn record(line: &str) -> Result<JobRecord, Failure> {
        let line = format!("enqueue {line}");
        let job = Line::try_parse_from(line.split_whitespace()).unwrap().job;
        job.record(JobId::from_key("x"), &Registry::new().handle(sync))
    }

    #[test]
    fn what_is_not_chosen_is_as_the_type_says() {
        let seven = r#"sync --json {"store":7}"#;

        let plain = record(seven).unwrap();
        let key = UniqueKey::new("sync", &(7_u32,)).unwrap();
        assert_eq!(plain.unique, Some(Unique::from(key)));
        assert_eq!((plain.lane.unwrap().as_str(), plain.cost), ("7", 2));

        let line = format!(
            "{seven} --queue b --lane 8 --cost 5 --retention 1h --unique-mode until_started \
             --unique-everywhere --priority 9"
        );
        let chosen = record(&line).unwrap();
        let mode = UniqueMode::UntilStarted;
        assert_eq!(chosen.unique, Some(Unique::new(key, mode).everywhere()));
        assert_eq!((chosen.lane.unwrap().as_str(), chosen.cost), ("8", 5));
        assert_eq!(chosen.priority.level(), 9);
        assert_eq!(
            (chosen.queue.as_str(), chosen.retention),
            ("b", Some(Duration::from_secs(3600)))
        );
    }

    #[test]
    fn a_kind_that_is_not_known_is_as_unique_as_it_is_said_to_be() {
        let mail = record("mail --unique [1,2] --unique-mode throttle(5m)").unwrap();
        let key = UniqueKey::new("mail", &(1, 2)).unwrap();
        let mode = UniqueMode::Throttle { per: Duration::from_secs(300) };
        assert_eq!(mail.unique, Some(Unique::new(key, mode)));

        for (line, why) in [
            ("mail --unique-mode until_started", "jobs of kind mail are not unique: say what"),
            ("mail --unique-everywhere", "jobs of kind mail are not unique: say what"),
            ("mail --unique [", "what makes a job unique is not valid JSON: it ends too early"),
            (
                "mail --unique 1 --unique-mode throttle(0s)",
                "a throttle of 0s is not possible: 1ms to 49d",
            ),
            (r#"command --json {"programme":"ls"}"#, "the payload does not fit"),
            (r#"http --json {"uri":"http://a/"}"#, "the payload does not fit"),
            (r#"http --json {"url":"example.com"}"#, "\"example.com\" has no https:// in front"),
            (r#"http --json {"url":"http://a/","timeout_s":0}"#, "timeout_s is 0: no request"),
            (r#"http --json {"url":"http://a/","timeout_s":3601}"#, "timeout_s is 3601: 1 to 3600"),
            (r#"command --json {"program":"ls","timeout_s":0}"#, "timeout_s is 0: no program"),
            (
                r#"command --json {"program":7}"#,
                "the payload does not fit Command: a text in quotes is expected, not number `7`",
            ),
            ("mail --json {", "the payload is not valid JSON: it ends too early"),
            (
                "mail --json 123456789012345678901234567890",
                "the payload is not valid JSON: 123456789012345678901234567890 is beyond 64 bits",
            ),
        ] {
            let Err(Failure::Usage(told)) = record(line) else { panic!("{line}") };
            assert!(told.starts_with(why), "{line}: {told}");
        }
    }
}
