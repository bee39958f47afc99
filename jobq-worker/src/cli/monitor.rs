//! `jobq monitor`: whether queues are longer, or wait longer, than they should.

use std::time::Duration;

use jobq_core::inspect::QueueStats;
use jobq_core::{QueueName, Timestamp, duration};
use serde_json::{Value, json};

use super::connect::Address;
use super::count::count;
use super::exit::Failure;
use super::named::each_once;
use super::output::{self, Column};
use super::units::queue_name;
use super::{known, numbers, units};

/// What `monitor` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The queues.
    #[arg(required = true, value_name = "QUEUE,…", value_delimiter = ',', value_parser = queue_name)]
    queues: Vec<QueueName>,
    #[command(flatten)]
    bounds: Bounds,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

/// What a queue must not exceed: one of them, or both.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
struct Bounds {
    /// How many jobs of a queue may be ready, which is to wait for a worker.
    #[arg(long, value_name = "N", value_parser = numbers::from::<u64>(0))]
    max: Option<u64>,
    /// How long the oldest job that is ready may have been there, such as 5m.
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    max_age: Option<Duration>,
}

/// Ends with code 1 if any queue is over a bound, for alerts; also if it is not known, as nobody would ever be
/// alerted of one whose name is misspelt.
pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let known = store.inspect.queues().await?;
    let now = store.backend.clock().now();
    let mut looks = Vec::new();
    for queue in each_once(&args.queues) {
        let mut look = Look::at(queue, &known, args, now);
        // One that cannot be counted is not among those that can, and is no typing error.
        if look.stats.is_none()
            && let Err(error) = store.inspect.queue(queue).await
        {
            look.faults = vec![error.to_string()];
        }
        looks.push(look);
    }
    let faults: Vec<_> = looks.iter().flat_map(|look| &look.faults).collect();
    let printed = if args.json {
        let queues: Vec<_> = looks.iter().map(Look::as_json).collect();
        output::json(&json!({ "ok": faults.is_empty(), "queues": queues }))
    } else {
        output::table(&COLUMNS, looks.iter().map(Look::as_row).collect())
    };
    // Also where the table could not be printed.
    for fault in &faults {
        output::complain(fault);
    }
    printed?;
    if faults.is_empty() { Ok(()) } else { Err(Failure::Told) }
}

/// A queue and what is wrong with it.
struct Look {
    queue: QueueName,
    /// `None` for a queue that has never had a job: perhaps a typing error, perhaps it is new.
    stats: Option<QueueStats>,
    age: Option<Duration>,
    faults: Vec<String>,
}

impl Look {
    fn at(queue: &QueueName, known: &[QueueStats], args: &Args, now: Timestamp) -> Self {
        let stats = known.iter().find(|stats| stats.queue == *queue).cloned();
        let ready = stats.as_ref().map_or(0, |stats| stats.ready);
        let oldest = stats.as_ref().and_then(|stats| stats.oldest_ready_at);
        let age = oldest.map(|at| now.since(at));
        let mut faults = Vec::new();
        if stats.is_none() {
            let names: Vec<_> = known.iter().map(|stats| stats.queue.as_str()).collect();
            faults.push(known::unknown(queue, &names));
        }
        if let Some(max) = args.bounds.max.filter(|max| ready > *max) {
            let jobs = count(ready, "job");
            faults.push(format!("queue {queue} has {jobs} ready, more than {max}"));
        }
        if let (Some(age), Some(max)) = (age, args.bounds.max_age)
            && age > max
        {
            faults.push(format!(
                "the oldest job ready in queue {queue} is {} old, more than {}",
                in_seconds(age),
                duration::text(max)
            ));
        }
        Self { queue: queue.clone(), stats, age, faults }
    }

    fn verdict(&self) -> &'static str {
        match (&self.stats, self.faults.is_empty()) {
            (None, _) => "unknown: it never had a job",
            (Some(_), true) => "ok",
            (Some(_), false) => "over",
        }
    }

    fn as_row(&self) -> Vec<String> {
        vec![
            self.queue.to_string(),
            self.stats.as_ref().map_or(0, |stats| stats.ready).to_string(),
            self.age.map_or_else(|| "-".to_owned(), in_seconds),
            self.verdict().to_owned(),
        ]
    }

    fn as_json(&self) -> Value {
        let oldest = self.stats.as_ref().and_then(|stats| stats.oldest_ready_at);
        json!({
            "queue": self.queue.as_str(),
            "known": self.stats.is_some(),
            "ready": self.stats.as_ref().map_or(0, |stats| stats.ready),
            "oldest_ready_at": oldest.map(|at| at.to_string()),
            "paused": self.stats.as_ref().is_some_and(|stats| stats.paused),
            "faults": self.faults,
        })
    }
}

fn in_seconds(duration: Duration) -> String {
    duration::text(Duration::from_secs(duration.as_secs()))
}

const COLUMNS: [Column; 4] = [
    Column::Text("queue"),
    Column::Number("ready"),
    Column::Number("oldest"),
    Column::Text("verdict"),
];

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        Line::try_parse_from(["monitor"].into_iter().chain(line.split_whitespace())).unwrap().args
    }

    fn look(line: &str) -> Look {
        let mut stats = QueueStats::empty(QueueName::new("mail").unwrap());
        stats.ready = 101;
        stats.oldest_ready_at = Some(Timestamp::from_millis(10_000));
        let args = args(line);
        Look::at(&args.queues[0], &[stats], &args, Timestamp::from_millis(310_001))
    }

    #[test]
    fn what_is_over_a_bound_is_told_and_what_is_at_it_is_not() {
        assert_eq!(look("mail --max 101").faults, [""; 0]);
        assert_eq!(look("mail --max 100").faults, ["queue mail has 101 jobs ready, more than 100"]);
        assert_eq!(
            look("mail --max-age 5m").faults,
            ["the oldest job ready in queue mail is 5m old, more than 5m"]
        );
        assert_eq!(look("mail --max 100 --max-age 5m").faults.len(), 2);
        assert_eq!(look("mail --max-age 6m").as_row(), ["mail", "101", "5m", "ok"]);
        assert_eq!(
            look("mail --max 101").as_json().to_string(),
            r#"{"faults":[],"known":true,"oldest_ready_at":"1970-01-01T00:00:10.000Z","paused":false,"queue":"mail","ready":101}"#
        );
    }

    #[test]
    fn a_queue_that_never_was_is_said_to_be_unknown() {
        let row = look("mial --max 5").as_row();
        assert_eq!(row, ["mial", "0", "-", "unknown: it never had a job"]);
        assert_eq!(
            look("mial --max 5").faults,
            ["queue \"mial\" never had a job: did you mean \"mail\"?"]
        );
    }

    #[test]
    fn some_bound_must_be_given() {
        for line in ["monitor mail", "monitor", "monitor mail --max lots", "monitor a,,b --max 1"] {
            assert!(Line::try_parse_from(line.split_whitespace()).is_err(), "{line}");
        }
    }
}
