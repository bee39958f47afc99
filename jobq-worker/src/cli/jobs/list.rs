//! `jobq jobs list`: a page of the jobs of a queue.

use jobq_core::inspect::JobView;
use jobq_core::{JobState, QueueName};
use serde_json::json;

use super::output::{self, Column};
use super::view;
use crate::cli::connect::{Address, Store};
use crate::cli::count::count;
use crate::cli::exit::Failure;
use crate::cli::known;
use crate::cli::numbers::within;
use crate::cli::units::queue_name;

/// How far into a list one may look: jobs that have left a ready list may have to be counted up to there.
const FARTHEST: u64 = 20_000;

/// What `jobs list` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The queue.
    #[arg(value_name = "QUEUE", value_parser = queue_name)]
    queue: QueueName,
    /// Only jobs in these states: waiting, scheduled, ready, leased, completed, cancelled, dead; all by
    /// default, in this order.
    #[arg(long, value_name = "STATE,…", value_delimiter = ',')]
    state: Vec<JobState>,
    /// How many jobs are shown, 1000 at most.
    #[arg(long, value_name = "N", default_value_t = 50,
        value_parser = within::<u64>(1, 1_000))]
    limit: u64,
    /// How many are passed over, 20000 at most.
    #[arg(long, value_name = "N", default_value_t = 0,
        value_parser = within::<u64>(0, FARTHEST))]
    offset: u64,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    let store = address.connect().await?;
    let page = page(&store, args).await?;
    let next = args.offset.saturating_add(page.jobs.len() as u64);
    if page.total == 0 {
        known::check(&store, &args.queue).await?;
    }
    let more = page.total.saturating_sub(next);
    let next = (more > 0 && next <= FARTHEST).then_some(next);
    if args.json {
        let jobs: Vec<_> = page.jobs.iter().map(view::as_json).collect();
        output::json(&json!({ "jobs": jobs, "total": page.total, "next_offset": next }))?;
    } else if page.jobs.is_empty() {
        output::line(&match page.total {
            0 => format!("no such jobs in queue {}", args.queue),
            total => format!("no more than {} in queue {}", count(total, "such job"), args.queue),
        })?;
    } else {
        output::table(&COLUMNS, page.jobs.iter().map(as_row).collect())?;
        match next {
            Some(next) => output::note(&format!("and {more} more: --offset {next}"))?,
            None if more > 0 => output::note(&format!("and {more} more, too far to look"))?,
            None => {}
        }
    }
    Ok(())
}

struct Page {
    jobs: Vec<JobView>,
    /// How many jobs there are in all these states.
    total: u64,
}

/// The states one after the other, as one list.
async fn page(store: &Store, args: &Args) -> Result<Page, Failure> {
    let stats = store.inspect.queue(&args.queue).await?;
    let is_asked = |state: &JobState| args.state.is_empty() || args.state.contains(state);
    let mut page = Page { jobs: Vec::new(), total: 0 };
    let mut offset = args.offset;
    for state in JobState::ALL.into_iter().filter(is_asked) {
        let count = stats.count(state);
        page.total += count;
        let wanted = args.limit.saturating_sub(page.jobs.len() as u64);
        if wanted == 0 || offset >= count {
            offset = offset.saturating_sub(count);
            continue;
        }
        let [from, most] = [offset, wanted].map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        page.jobs.extend(store.inspect.jobs(&args.queue, state, from, most).await?);
        offset = 0;
    }
    Ok(page)
}

const COLUMNS: [Column; 8] = [
    Column::Text("id"),
    Column::Text("state"),
    Column::Text("kind"),
    Column::Text("lane"),
    Column::Number("priority"),
    Column::Number("failed"),
    Column::Text("enqueued at"),
    Column::Text("time"),
];

fn as_row(job: &JobView) -> Vec<String> {
    vec![
        job.record.id.to_string(),
        job.state.to_string(),
        job.record.kind.to_string(),
        job.record.lane.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
        job.record.priority.level().to_string(),
        job.failed_attempts.to_string(),
        job.record.enqueued_at.to_string(),
        view::time(job).unwrap_or_else(|| "-".to_owned()),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use jobq_core::{
        Backend, Clock, JobId, JobRecord, Kind, MemoryBackend, NewJob, Payload, Timestamp, When,
    };

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    /// A clock that stands still.
    #[derive(Debug)]
    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(1_000)
        }
    }

    fn args(line: &str) -> Args {
        Line::try_parse_from(["list", "mail"].into_iter().chain(line.split_whitespace()))
            .unwrap()
            .args
    }

    /// Three that are ready, and two that are scheduled.
    async fn store() -> (Store, Vec<JobId>) {
        let memory = MemoryBackend::with_clock(Still);
        let mut ids = Vec::new();
        for n in 0..5_u64 {
            let id = JobId::from_key(&n.to_string());
            let queue = QueueName::new("mail").unwrap();
            let payload = Payload::from_json("{}").unwrap();
            let record = JobRecord::new(id, queue, Kind::new("hello").unwrap(), payload);
            let when = if n < 3 { When::Now } else { When::After(Duration::from_secs(n)) };
            memory.enqueue_jobs(&[NewJob::new(record, when)]).await.unwrap();
            ids.push(id);
        }
        (Store::of(memory), ids)
    }

    #[tokio::test]
    async fn states_come_one_after_the_other_and_pages_cover_each_job_once() {
        let (store, ids) = store().await;
        let mut seen = Vec::new();
        for offset in [0, 2, 4] {
            let page = page(&store, &args(&format!("--limit 2 --offset {offset}"))).await.unwrap();
            assert_eq!(page.total, 5);
            seen.extend(page.jobs.iter().map(|job| job.record.id));
        }
        assert_eq!(seen, [ids[3], ids[4], ids[0], ids[1], ids[2]]);
        assert!(page(&store, &args("--offset 5")).await.unwrap().jobs.is_empty());

        let ready = page(&store, &args("--state ready")).await.unwrap();
        assert_eq!((ready.jobs.len(), ready.total), (3, 3));
        let two = page(&store, &args("--state ready,scheduled --limit 4")).await.unwrap();
        assert_eq!((two.jobs.len(), two.total), (4, 5));
    }

    #[tokio::test]
    async fn a_job_is_one_row() {
        let (store, ids) = store().await;
        let page = page(&store, &args("--limit 1")).await.unwrap();

        let row = as_row(&page.jobs[0]);
        let at = ["1970-01-01T00:00:01.000Z", "due 1970-01-01T00:00:04.000Z"];
        let id = ids[3].to_string();
        assert_eq!(row, [id.as_str(), "scheduled", "hello", "-", "0", "0", at[0], at[1]]);
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--limit 0", "--limit 1001", "--limit x", "--offset 20001", "--state done"] {
            let line = ["list", "mail"].into_iter().chain(line.split_whitespace());
            assert!(Line::try_parse_from(line).is_err());
        }
    }
}
