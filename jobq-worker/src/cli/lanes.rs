//! `jobq lanes`: the lanes of a queue, and what holds them up.

use jobq_core::inspect::LaneView;
use jobq_core::{LaneKey, QueueName, Timestamp};
use serde_json::{Value, json};

use super::connect::Address;
use super::exit::Failure;
use super::numbers::within;
use super::output::{self, Column};
use super::units::queue_name;
use super::{known, limits};

/// What `lanes` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The queue.
    #[arg(value_name = "QUEUE", value_parser = queue_name)]
    queue: QueueName,
    /// How many lanes are shown, by key, 1000 at most.
    #[arg(long, value_name = "N", default_value_t = 50,
        value_parser = within::<u64>(1, 1_000))]
    limit: u64,
    /// Only those after this one.
    #[arg(long, value_name = "KEY")]
    after: Option<LaneKey>,
    /// One JSON object, for programs: with `next_after`, the key after which there are more.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    // One more tells whether there are more.
    let mut lanes = store.inspect.lanes(&args.queue, args.after.as_ref(), limit + 1).await?;
    if lanes.is_empty() {
        known::check(&store, &args.queue).await?;
    }
    let is_cut = lanes.len() > limit;
    lanes.truncate(limit);
    let next = lanes.last().filter(|_| is_cut).map(|last| &last.lane);
    if args.json {
        let lanes: Vec<_> = lanes.iter().map(as_json).collect();
        output::json(&json!({ "lanes": lanes, "next_after": next.map(LaneKey::as_str) }))?;
    } else if lanes.is_empty() {
        output::line(&match &args.after {
            None => {
                format!("no lanes in queue {}: they appear with jobs that name one", args.queue)
            }
            Some(lane) => format!("queue {} has no lane after {lane}", args.queue),
        })?;
    } else {
        let now = store.backend.clock().now();
        output::table(&COLUMNS, lanes.iter().map(|lane| as_row(lane, now)).collect())?;
        if let Some(last) = next {
            output::note(&format!("and more: --after {last}"))?;
        }
    }
    Ok(())
}

const COLUMNS: [Column; 7] = [
    Column::Text("lane"),
    Column::Number("ready"),
    Column::Number("leased"),
    Column::Number("failures"),
    Column::Text("limits"),
    Column::Number("held up for"),
    Column::Text(""),
];

fn as_row(lane: &LaneView, now: Timestamp) -> Vec<String> {
    let held_up = lane.until.filter(|until| *until > now).map(|until| output::span(now, until));
    vec![
        lane.lane.to_string(),
        lane.ready.to_string(),
        lane.leased.to_string(),
        lane.failures.to_string(),
        limits::text(&lane.limits),
        held_up.unwrap_or_else(|| "-".to_owned()),
        if lane.paused { "paused" } else { "" }.to_owned(),
    ]
}

fn as_json(lane: &LaneView) -> Value {
    json!({
        "lane": lane.lane.as_str(),
        "paused": lane.paused,
        "ready": lane.ready,
        "leased": lane.leased,
        "failures_in_a_row": lane.failures,
        "limits": limits::as_json(&lane.limits),
        "until": lane.until.map(|until| until.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use jobq_core::Limits;

    use super::*;

    #[test]
    fn a_lane_is_one_row() {
        let limits = Limits::new().concurrency(5).rate("100/min".parse().unwrap());
        let mut lane = LaneView::new(LaneKey::new(7).unwrap(), limits);
        (lane.ready, lane.leased, lane.paused) = (3, 1, true);
        lane.until = Some(Timestamp::from_millis(75_000));

        assert_eq!(
            as_row(&lane, Timestamp::from_millis(10_000)),
            ["7", "3", "1", "0", "rate 100/min, concurrency 5", "1m5s", "paused"]
        );
        // What is over is no news.
        assert_eq!(as_row(&lane, Timestamp::from_millis(80_000))[5], "-");
        assert_eq!(as_json(&lane)["limits"]["rate"], "100/min");
    }
}
