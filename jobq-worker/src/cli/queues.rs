//! `jobq queues`: all queues and their counts.

use jobq_core::Timestamp;
use jobq_core::inspect::QueueStats;
use serde_json::{Value, json};

use super::connect::Address;
use super::exit::{self, Failure};
use super::known;
use super::output::{self, Column};

/// What `queues` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// One JSON array, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let queues = store.inspect.queues().await?;
    let is_whole = !known::tell_uncounted(&store, &queues).await?;
    if args.json {
        output::json(&queues.iter().map(as_json).collect())?;
    } else if queues.is_empty() && is_whole {
        output::line("no queues yet: they appear with their first job or worker")?;
    } else {
        let now = store.backend.clock().now();
        output::table(&COLUMNS, queues.iter().map(|queue| as_row(queue, now)).collect())?;
    }
    exit::whole(is_whole)
}

const COLUMNS: [Column; 8] = [
    Column::Text("queue"),
    Column::Number("waiting"),
    Column::Number("ready"),
    Column::Number("scheduled"),
    Column::Number("leased"),
    Column::Number("dead"),
    Column::Number("oldest"),
    Column::Text(""),
];

fn as_row(queue: &QueueStats, now: Timestamp) -> Vec<String> {
    let oldest = queue.oldest_ready_at.map(|at| output::span(at, now));
    vec![
        queue.queue.to_string(),
        queue.waiting.to_string(),
        queue.ready.to_string(),
        queue.scheduled.to_string(),
        queue.leased.to_string(),
        queue.dead.to_string(),
        oldest.unwrap_or_else(|| "-".to_owned()),
        if queue.paused { "paused" } else { "" }.to_owned(),
    ]
}

fn as_json(queue: &QueueStats) -> Value {
    json!({
        "queue": queue.queue.as_str(),
        "paused": queue.paused,
        "waiting": queue.waiting,
        "ready": queue.ready,
        "scheduled": queue.scheduled,
        "leased": queue.leased,
        "completed": queue.completed,
        "cancelled": queue.cancelled,
        "dead": queue.dead,
        "oldest_ready_at": queue.oldest_ready_at.map(|at| at.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use jobq_core::QueueName;

    use super::*;

    #[test]
    fn a_queue_is_one_row() {
        let mut queue = QueueStats::empty(QueueName::new("mail").unwrap());
        queue.ready = 3;
        queue.paused = true;
        queue.oldest_ready_at = Some(Timestamp::from_millis(10_000));

        let row = as_row(&queue, Timestamp::from_millis(75_500));

        assert_eq!(row, ["mail", "0", "3", "0", "0", "0", "1m5s", "paused"]);
    }
}
