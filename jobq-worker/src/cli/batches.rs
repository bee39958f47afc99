//! `jobq batches`: those that are at home in a queue.

use jobq_core::{BatchView, QueueName};
use serde_json::{Value, json};

use super::connect::Address;
use super::exit::Failure;
use super::known;
use super::numbers::within;
use super::output::{self, Column};
use super::units::queue_name;

/// What `batches` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The queue that they are at home in.
    #[arg(value_name = "QUEUE", value_parser = queue_name)]
    queue: QueueName,
    /// How many batches are shown, newest first, 1000 at most.
    #[arg(long, value_name = "N", default_value_t = 50,
        value_parser = within::<u64>(1, 1_000))]
    limit: u64,
    /// How many are passed over.
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: usize,
    /// One JSON object, for programs: with `next_offset`, from which there are more.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    // One more tells whether there are more.
    let mut batches = store.inspect.batches(&args.queue, args.offset, limit + 1).await?;
    if batches.is_empty() && args.offset == 0 {
        known::check(&store, &args.queue).await?;
    }
    let next = (batches.len() > limit).then(|| args.offset.saturating_add(limit));
    batches.truncate(limit);
    if args.json {
        let batches: Vec<_> = batches.iter().map(as_json).collect();
        output::json(&json!({ "batches": batches, "next_offset": next }))?;
    } else if batches.is_empty() {
        output::line(&match args.offset {
            0 => format!("no batches are at home in queue {}", args.queue),
            offset => format!("no more than {offset} batches are at home in queue {}", args.queue),
        })?;
    } else {
        output::table(&COLUMNS, batches.iter().map(as_row).collect())?;
        if let Some(next) = next {
            output::note(&format!("and more: --offset {next}"))?;
        }
    }
    Ok(())
}

/// How far a batch has come, in one line.
pub(super) fn counts(view: &BatchView) -> String {
    format!(
        "{} of {} done, {} failed, {} cancelled, {} pending",
        view.done,
        view.total,
        view.failed,
        view.cancelled,
        view.pending()
    )
}

const COLUMNS: [Column; 8] = [
    Column::Text("id"),
    Column::Text("name"),
    Column::Text("state"),
    Column::Number("total"),
    Column::Number("done"),
    Column::Number("failed"),
    Column::Number("cancelled"),
    Column::Number("pending"),
];

fn as_row(view: &BatchView) -> Vec<String> {
    vec![
        view.batch.id.to_string(),
        output::one_line(&view.name, 40),
        view.state.to_string(),
        view.total.to_string(),
        view.done.to_string(),
        view.failed.to_string(),
        view.cancelled.to_string(),
        view.pending().to_string(),
    ]
}

pub(super) fn as_json(view: &BatchView) -> Value {
    json!({
        "id": view.batch.id.to_string(),
        "queue": view.batch.queue.as_str(),
        "name": view.name,
        "state": view.state.as_str(),
        "total": view.total,
        "done": view.done,
        "failed": view.failed,
        "cancelled": view.cancelled,
        "pending": view.pending(),
        "called_off": view.is_called_off,
        "parent": view.parent.as_ref().map(|parent| parent.id.to_string()),
        "opened_at": view.opened_at.to_string(),
        "ended_at": view.ended_at.map(|at| at.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use jobq_core::{BatchId, BatchRef, BatchState, Timestamp};

    use super::*;

    #[test]
    fn a_batch_is_one_row() {
        let batch = BatchRef::new(QueueName::new("import").unwrap(), BatchId::from_key("x"));
        let mut view = BatchView::new(batch, "price list".into(), Timestamp::EPOCH);
        (view.total, view.done, view.failed, view.cancelled) = (10, 5, 2, 1);
        view.state = BatchState::Closed;

        assert_eq!(as_row(&view)[1..], ["price list", "closed", "10", "5", "2", "1", "2"]);
        assert_eq!(as_json(&view)["pending"], 2);
    }
}
