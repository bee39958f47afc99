//! `jobq monitor`: whether queues are longer, or wait longer, than they should.

use std::time::Duration;

use jobq_core::inspect::QueueStats;
use jobq_core::{Error, ErrorKind, QueueName, Timestamp, duration};
use serde_json::{Value, json};

use super::connect::Address;
use super::count::count;
use super::each::look;
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
    let known = store.inspect.queue_names().await?;
    let now = store.backend.clock().now();
    let queues = each_once(&args.queues);
    let looks = look(queues, async |queue| {
        let sight = match known.contains(queue) {
            false => Sight::Unknown,
            true => match store.inspect.queue(queue).await {
                Ok(stats) => Sight::Counted(stats),
                // Something else is where its keys should be. The others can be looked at.
                Err(error) if error.kind() == ErrorKind::Corrupt => Sight::Uncounted(error),
                Err(error) => return Err(error.into()),
            },
        };
        Ok(Look::at(queue, sight, &known, args, now))
    });
    let looks = looks.await?;
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

/// What is seen of a queue.
enum Sight {
    /// It has never had a job: perhaps a typing error, perhaps it is new.
    Unknown,
    Uncounted(Error),
    Counted(QueueStats),
}

/// A queue and what is wrong with it.
struct Look {
    queue: QueueName,
    sight: Sight,
    age: Option<Duration>,
    faults: Vec<String>,
}

impl Look {
    fn at(
        queue: &QueueName,
        sight: Sight,
        known: &[QueueName],
        args: &Args,
        now: Timestamp,
    ) -> Self {
        let (mut age, mut faults) = (None, Vec::new());
        match &sight {
            Sight::Unknown => {
                let names: Vec<_> = known.iter().map(QueueName::as_str).collect();
                faults.push(known::unknown(queue, &names));
            }
            Sight::Uncounted(error) => faults.push(error.to_string()),
            Sight::Counted(stats) => {
                age = stats.oldest_ready_at.map(|at| now.since(at));
                if let Some(max) = args.bounds.max.filter(|max| stats.ready > *max) {
                    let jobs = count(stats.ready, "job");
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
            }
        }
        Self { queue: queue.clone(), sight, age, faults }
    }

    fn stats(&self) -> Option<&QueueStats> {
        match &self.sight {
            Sight::Counted(stats) => Some(stats),
            Sight::Unknown | Sight::Uncounted(_) => None,
        }
    }

    /// How many jobs are ready: none in a queue that never had one, and of one that cannot be counted nobody knows.
    fn ready(&self) -> Option<u64> {
        match &self.sight {
            Sight::Unknown => Some(0),
            Sight::Uncounted(_) => None,
            Sight::Counted(stats) => Some(stats.ready),
        }
    }

    fn verdict(&self) -> &'static str {
        match (&self.sight, self.faults.is_empty()) {
            (Sight::Unknown, _) => "unknown: it never had a job",
            (Sight::Uncounted(_), _) => "cannot be counted",
            (Sight::Counted(_), true) => "ok",
            (Sight::Counted(_), false) => "over",
        }
    }

    fn as_row(&self) -> Vec<String> {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            self.queue.to_string(),
            or_dash(self.ready().map(|ready| ready.to_string())),
            or_dash(self.age.map(in_seconds)),
            self.verdict().to_owned(),
        ]
    }

    fn as_json(&self) -> Value {
        let oldest = self.stats().and_then(|stats| stats.oldest_ready_at);
        json!({
            "queue": self.queue.as_str(),
            "known": !matches!(self.sight, Sight::Unknown),
            "ready": self.ready(),
            "oldest_ready_at": oldest.map(|at| at.to_string()),
            "paused": self.stats().is_some_and(|stats| stats.paused),
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

    fn looked_at(line: &str) -> Look {
        let mut stats = QueueStats::empty(QueueName::new("mail").unwrap());
        stats.ready = 101;
        stats.oldest_ready_at = Some(Timestamp::from_millis(10_000));
        let args = args(line);
        let (queue, known) = (&args.queues[0], stats.queue.clone());
        let sight = if *queue == known { Sight::Counted(stats) } else { Sight::Unknown };
        Look::at(queue, sight, &[known], &args, Timestamp::from_millis(310_001))
    }

    #[test]
    fn what_is_over_a_bound_is_told_and_what_is_at_it_is_not() {
        assert_eq!(looked_at("mail --max 101").faults, [""; 0]);
        assert_eq!(
            looked_at("mail --max 100").faults,
            ["queue mail has 101 jobs ready, more than 100"]
        );
        assert_eq!(
            looked_at("mail --max-age 5m").faults,
            ["the oldest job ready in queue mail is 5m old, more than 5m"]
        );
        assert_eq!(looked_at("mail --max 100 --max-age 5m").faults.len(), 2);
        assert_eq!(looked_at("mail --max-age 6m").as_row(), ["mail", "101", "5m", "ok"]);
        assert_eq!(
            looked_at("mail --max 101").as_json().to_string(),
            r#"{"faults":[],"known":true,"oldest_ready_at":"1970-01-01T00:00:10.000Z","paused":false,"queue":"mail","ready":101}"#
        );
    }

    #[test]
    fn a_queue_that_never_was_is_said_to_be_unknown() {
        let row = looked_at("mial --max 5").as_row();
        assert_eq!(row, ["mial", "0", "-", "unknown: it never had a job"]);
        assert_eq!(
            looked_at("mial --max 5").faults,
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
