//! `jobq failed`: dead jobs and what went wrong with them.

use jobq_core::QueueName;
use jobq_core::inspect::JobView;
use serde_json::json;

use super::connect::Address;
use super::count::count;
use super::dead::{self, Found, Page};
use super::exit::{self, Failure};
use super::jobs::with_failures;
use super::numbers::within;
use super::output::{self, Column};
use super::units::queue_name;

/// How much of an error the table shows.
const ERROR_WIDTH: usize = 80;

/// How far into the list of several queues one may look: all that is newer must be looked at. With one queue it is as
/// far as in `jobs list`.
const FARTHEST: u64 = 2_000;

/// What `failed` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only this queue.
    #[arg(long, short, value_name = "NAME", value_parser = queue_name)]
    queue: Option<QueueName>,
    /// How many jobs are shown in all, the newest first, 1000 at most.
    #[arg(long, value_name = "N", default_value_t = 50,
        value_parser = within::<u64>(1, 1_000))]
    limit: u64,
    /// How many are passed over: 2000 at most, and 20000 of one queue.
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = within::<u64>(0, 20_000))]
    offset: u64,
    /// One JSON object with whole errors, with `total`, how many there are in all, and `next_offset`, from
    /// which there are more; for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let Args { offset, limit, .. } = *args;
    let store = address.connect().await?;
    let Found { lines, is_whole } = dead::of_queues(&store, args.queue.as_ref()).await?;
    let farthest = if lines.len() > 1 { FARTHEST } else { 20_000 };
    if offset > farthest {
        let number = lines.len();
        return Err(Failure::Usage(format!(
            "--offset {offset} is too far to look in {number} queues: {farthest} at most, or name one by --queue"
        )));
    }
    let total: u64 = lines.iter().map(|line| line.count).sum();
    let [skip, take] = [offset, limit].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
    let Page { jobs, places } = dead::page(&store, lines, skip, take).await?;
    let next = offset.saturating_add(places as u64);
    let more = total.saturating_sub(next);
    let next = (more > 0 && next <= farthest && places > 0).then_some(next);
    if args.json {
        let jobs: Vec<_> = jobs.iter().map(with_failures).collect();
        output::json(&json!({ "jobs": jobs, "total": total, "next_offset": next }))?;
    } else if jobs.is_empty() {
        output::line(&match total {
            0 => "no dead jobs".to_owned(),
            total => format!("no more than {}", count(total, "dead job")),
        })?;
    } else {
        output::table(&COLUMNS, jobs.iter().map(as_row).collect())?;
        match next {
            Some(next) => output::note(&format!("and {more} more: --offset {next}"))?,
            None if more > 0 => {
                output::note(&format!(
                    "and {more} more, too far to look: name one queue by --queue"
                ))?;
            }
            None => {}
        }
    }
    exit::whole(is_whole)
}

const COLUMNS: [Column; 6] = [
    Column::Text("id"),
    Column::Text("queue"),
    Column::Text("kind"),
    Column::Number("attempts"),
    Column::Text("died at"),
    Column::Text("error"),
];

fn as_row(job: &JobView) -> Vec<String> {
    let last = job.history.last();
    let error = last.map(|failure| format!("{}: {}", failure.kind, failure.message));
    vec![
        job.record.id.to_string(),
        job.record.queue.to_string(),
        job.record.kind.to_string(),
        last.map_or(job.failed_attempts, |failure| failure.attempt).to_string(),
        job.at.map_or_else(|| "-".to_owned(), |at| at.to_string()),
        output::one_line(&error.unwrap_or_default(), ERROR_WIDTH),
    ]
}
