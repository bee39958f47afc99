//! `jobq batch`: one batch is shown, called off, retried or closed.

use std::collections::BTreeMap;

use clap::ValueEnum;
use jobq_core::batch::DEFAULT_HOME;
use jobq_core::{BatchId, BatchRef, BatchState, BatchView, JobRef, Queue, QueueName};
use serde_json::{Value, json};

use super::batches::{as_json, counts};
use super::connect::{Address, Store};
use super::consent::{Consent, TAKES_JOBS};
use super::count::count;
use super::each::look;
use super::exit::Failure;
use super::known;
use super::named::Named;
use super::numbers::within;
use super::output::{self, Column};
use super::retry::{self, Dead, Moved};
use super::units::queue_name;

/// How much of an error is shown.
const ERROR_WIDTH: usize = 80;

/// What `batch` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The batch, by its id or as `QUEUE/ID`.
    #[arg(value_name = "ID")]
    batch: Named<BatchId>,
    /// What to do with it; by default it is shown.
    #[arg(value_name = "ACTION")]
    action: Option<Action>,
    /// Its home; found by looking into each queue if not given.
    #[arg(long, short, value_name = "NAME", value_parser = queue_name)]
    queue: Option<QueueName>,
    /// How many of its failed jobs are shown, 1000 at most.
    #[arg(long, value_name = "N", default_value_t = 20,
        value_parser = within::<u64>(0, 1_000))]
    limit: u64,
    #[command(flatten)]
    consent: Consent,
    /// One JSON object, for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Action {
    /// Call off the jobs that have not started.
    CallOff,
    /// Put its dead jobs back into their queues.
    Retry,
    /// Let it end with the jobs that it has.
    Close,
}

pub(super) async fn run(address: &Address, args: &Args) -> Result<(), Failure> {
    if matches!(args.action, Some(Action::CallOff)) {
        args.consent.check(TAKES_JOBS)?;
    }
    args.batch.within(args.queue.as_ref())?;
    let store = address.connect().await?;
    let view = find(&store, &args.batch, args.queue.as_ref()).await?;
    check(&view, args)?;
    match args.action {
        None => show(&store, args, view).await,
        Some(Action::Retry) => retry_failed(&store, view, args).await,
        Some(action) if args.consent.is_dry_run() => preview(&view, action, args.json),
        Some(Action::CallOff) => call_off(&store, address, args, &view).await,
        Some(Action::Close) => {
            let view = store.backend.close_batch(&view.batch).await?;
            if args.json {
                output::json(&acted_on(&view, false))?;
            } else {
                output::line(&format!("batch {} is closed: {}", view.batch.id, counts(&view)))?;
            }
            Ok(())
        }
    }
}

/// Refuses what would do nothing, or would be refused if it were no dry run.
fn check(view: &BatchView, args: &Args) -> Result<(), Failure> {
    let id = view.batch.id;
    match args.action {
        Some(Action::CallOff) if view.state.has_ended() => {
            Err(Failure::failed(format!("batch {id} has ended: nothing is left to call off")))
        }
        Some(Action::Close) if args.consent.is_dry_run() && view.state != BatchState::Open => {
            Err(Failure::failed(format!("batch {id} is closed already")))
        }
        _ => Ok(()),
    }
}

/// A batch that something was done to, or would be.
fn acted_on(view: &BatchView, is_dry_run: bool) -> Value {
    let mut value = as_json(view);
    value["dry_run"] = is_dry_run.into();
    value
}

/// Says what would be done.
fn preview(view: &BatchView, action: Action, is_json: bool) -> Result<(), Failure> {
    if is_json {
        output::json(&acted_on(view, true))?;
        return Ok(());
    }
    let id = view.batch.id;
    output::line(&match action {
        Action::CallOff => {
            let pending = count(view.pending(), "job");
            format!("would call off batch {id}: of {pending} pending those that have not started")
        }
        _ => format!("would close batch {id}: {}", counts(view)),
    })?;
    Ok(())
}

/// A batch that is at home in the queue that it is named with, or in this one, or in whichever knows it.
pub(super) async fn find(
    store: &Store,
    batch: &Named<BatchId>,
    only: Option<&QueueName>,
) -> Result<BatchView, Failure> {
    let (id, queue) = (batch.id, batch.within(only)?);
    let homes = match queue {
        Some(queue) => vec![queue.clone()],
        None => {
            let mut homes = store.inspect.queue_names().await?;
            let default = QueueName::new(DEFAULT_HOME)?;
            if !homes.contains(&default) {
                homes.push(default);
            }
            homes
        }
    };
    let views =
        look(homes, async |home| Ok(store.backend.batch_view(&BatchRef::new(home, id)).await?));
    if let Some(view) = views.await?.into_iter().flatten().next() {
        return Ok(view);
    }
    known::check_each(store, queue).await?;
    let place = match queue {
        Some(queue) => format!("in queue {queue}"),
        None => "in any queue that has held a job (or name it HOME/ID)".to_owned(),
    };
    let why = "it was never opened, or its retention is over";
    Err(Failure::failed(format!("batch {id} is not known {place}: {why}")))
}

async fn show(store: &Store, args: &Args, view: BatchView) -> Result<(), Failure> {
    let failed =
        failed_jobs(store, &view.batch, usize::try_from(args.limit).unwrap_or(usize::MAX)).await?;
    if args.json {
        let mut value = as_json(&view);
        value["failed_jobs"] = failed.iter().map(Failed::as_json).collect();
        output::json(&value)?;
        return Ok(());
    }
    output::lines(&lines(&view))?;
    if !failed.is_empty() {
        output::table(&FAILED_COLUMNS, failed.iter().map(Failed::cells).collect())?;
        let more = view.failed.saturating_sub(failed.len() as u64);
        if more > 0 {
            output::note(&format!("and {more} more: raise --limit to see them"))?;
        }
    }
    Ok(())
}

async fn call_off(
    store: &Store,
    address: &Address,
    args: &Args,
    view: &BatchView,
) -> Result<(), Failure> {
    let batch = &view.batch;
    args.consent.ask(&format!(
        "cancel the jobs of batch {batch} that have not started, of {} pending, at {}?",
        view.pending(),
        address.place()?
    ))?;
    if !store.inspect.call_off_batch(batch).await? {
        return Err(Failure::failed(format!("batch {batch} is not known any more")));
    }
    let id = batch.id;
    if args.json {
        let view = store.backend.batch_view(batch).await?;
        output::json(&view.map_or(Value::Null, |view| acted_on(&view, false)))?;
        return Ok(());
    }
    output::line(&format!("batch {id} is called off: jobs that have not started are cancelled"))?;
    Ok(())
}

/// Puts back what failed, and tells of it as `retry all` does.
async fn retry_failed(store: &Store, view: BatchView, args: &Args) -> Result<(), Failure> {
    let id = view.batch.id;
    let found = found(store, &view.batch).await?;
    let moved = if args.consent.is_dry_run() {
        Moved::default()
    } else {
        let retried = store.backend.batch_of(view.batch).retry_failed(&*store.inspect).await?;
        let left = retried.left.into_iter();
        let left = left.map(|(job, outcome)| retry::Told::of(job.id, &job.queue, outcome));
        Moved { requeued: retried.requeued, left: left.collect() }
    };
    if args.json {
        output::json(&retry::summary(args.consent.is_dry_run(), &found, &moved))?;
    } else if args.consent.is_dry_run() {
        let number = found.iter().map(|dead| dead.count).sum();
        output::line(&format!("would put back {} of batch {id}", count(number, "failed job")))?;
    } else {
        output::lines(&moved.lines())?;
    }
    if moved.left.is_empty() { Ok(()) } else { Err(Failure::Told) }
}

/// The dead jobs of a batch, counted by their queues.
async fn found(store: &Store, batch: &BatchRef) -> Result<Vec<Dead>, Failure> {
    const PAGE: usize = 1_000;
    let mut found = BTreeMap::new();
    for offset in (0..).step_by(PAGE) {
        let jobs = store.inspect.failed_of_batch(batch, offset, PAGE).await?;
        let is_last = jobs.len() < PAGE;
        for job in jobs {
            *found.entry(job.queue).or_insert(0) += 1;
        }
        if is_last {
            break;
        }
    }
    Ok(found.into_iter().map(|(queue, count)| Dead { queue, count }).collect())
}

/// A job of a batch that is dead.
struct Failed {
    job: JobRef,
    kind: String,
    error: String,
}

async fn failed_jobs(
    store: &Store,
    batch: &BatchRef,
    limit: usize,
) -> Result<Vec<Failed>, Failure> {
    let jobs = store.inspect.failed_of_batch(batch, 0, limit).await?;
    let failed = look(jobs, async |job| {
        // One that was requeued or deleted meanwhile is dead no more.
        let view = store.inspect.job(&job.queue, job.id).await?;
        Ok(view.map(|view| {
            let last = view.history.last();
            let error = last.map(|failure| format!("{}: {}", failure.kind, failure.message));
            Failed { job, kind: view.record.kind.to_string(), error: error.unwrap_or_default() }
        }))
    });
    Ok(failed.await?.into_iter().flatten().collect())
}

const FAILED_COLUMNS: [Column; 4] = [
    Column::Text("failed job"),
    Column::Text("queue"),
    Column::Text("kind"),
    Column::Text("error"),
];

impl Failed {
    fn cells(&self) -> Vec<String> {
        vec![
            self.job.id.to_string(),
            self.job.queue.to_string(),
            self.kind.clone(),
            output::one_line(&self.error, ERROR_WIDTH),
        ]
    }

    fn as_json(&self) -> Value {
        json!({
            "id": self.job.id.to_string(),
            "queue": self.job.queue.as_str(),
            "kind": self.kind,
            "error": self.error,
        })
    }
}

/// How far a batch has come, for people.
fn lines(view: &BatchView) -> Vec<String> {
    let name = if view.name.is_empty() { String::new() } else { format!(" {:?}", view.name) };
    let off = if view.is_called_off { ", called off" } else { "" };
    let mut lines = vec![
        format!("batch{name} {}: {}{off}", view.batch, view.state),
        format!("  {}", counts(view)),
        format!("  opened at {}", view.opened_at),
    ];
    if let Some(at) = view.ended_at {
        lines.push(format!("  ended at {at}"));
    }
    if let Some(parent) = &view.parent {
        lines.push(format!("  counts as one job of batch {parent}"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use clap::Parser;
    use jobq_core::{BatchState, Job, JobError, JobResult, MemoryBackend, Queue, Timestamp};
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::state::State;
    use crate::worker::Worker;

    fn view() -> BatchView {
        let batch = BatchRef::new(QueueName::new("import").unwrap(), BatchId::from_key("x"));
        let mut view = BatchView::new(batch, "price list".into(), Timestamp::EPOCH);
        (view.total, view.done, view.failed, view.cancelled) = (10, 5, 2, 1);
        view.state = BatchState::Closed;
        view.is_called_off = true;
        view
    }

    #[derive(Serialize, Deserialize, Job)]
    #[job(queue = "import", max_attempts = 1)]
    struct Row;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[tokio::test]
    async fn a_batch_is_found_wherever_it_is_at_home() {
        let memory = MemoryBackend::new();
        let store = Store::of(memory.clone());
        let at_home = memory.batch("a").open().await.unwrap().reference().clone();
        let elsewhere = memory.batch("b").on("import").open().await.unwrap();
        elsewhere.enqueue(Row).await.unwrap();
        let elsewhere = elsewhere.reference().clone();

        for batch in [at_home, elsewhere] {
            let by_id = batch.id.to_string().parse().unwrap();
            let found = find(&store, &by_id, None).await.unwrap();
            assert_eq!(found.batch, batch);
            let found = find(&store, &by_id, Some(&batch.queue)).await.unwrap();
            assert_eq!(found.batch, batch);
            let found = find(&store, &batch.to_string().parse().unwrap(), None).await.unwrap();
            assert_eq!(found.batch, batch);
        }
        let unknown = BatchId::from_key("x").to_string().parse().unwrap();
        let unknown = find(&store, &unknown, None).await.unwrap_err();
        let Failure::Failed(told) = unknown else { panic!("{unknown:?}") };
        assert!(told.contains("is not known in any queue"), "{told}");
    }

    #[tokio::test]
    async fn only_what_failed_is_put_back() {
        let memory = MemoryBackend::new();
        let store = Store::of(memory.clone());
        let batch = memory.batch("rows").on("import").open().await.unwrap();
        batch.enqueue_all((0..250).map(|_| Row)).await.unwrap();
        batch.close().await.unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let often = async |_: Row, State(count): State<Arc<AtomicUsize>>| -> JobResult {
            match count.fetch_add(1, Ordering::SeqCst) {
                0..240 => Err(JobError::retry("no luck")),
                _ => Ok(()),
            }
        };
        let work = async || {
            let worker = Worker::new(memory.clone()).state(Arc::clone(&count)).handle(often);
            worker.stop_when_empty().run_until(std::future::pending()).await.unwrap();
        };

        work().await;
        let view = batch.view().await.unwrap();
        assert_eq!((view.done, view.failed, view.pending()), (10, 240, 0));
        assert_eq!(failed_jobs(&store, &view.batch, 7).await.unwrap().len(), 7);
        let args = Line::try_parse_from(["batch", &view.batch.id.to_string(), "retry"]).unwrap();
        retry_failed(&store, view, &args.args).await.unwrap();
        assert_eq!(batch.view().await.unwrap().pending(), 240);
        work().await;

        let view = batch.view().await.unwrap();
        assert_eq!((view.state, view.done), (BatchState::Succeeded, 250));
        assert_eq!(count.load(Ordering::SeqCst), 490);
    }

    #[test]
    fn what_would_do_nothing_is_refused() {
        let id = BatchId::from_key("x");
        let checked = |state: BatchState, line: &str| {
            let line = format!("batch {id} {line}");
            let mut view = view();
            view.state = state;
            check(&view, &Line::try_parse_from(line.split_whitespace()).unwrap().args)
        };
        let [ended, closed] = ["has ended: nothing is left to call off", "is closed already"]
            .map(|why| Err(Failure::failed(format!("batch {id} {why}"))));

        for state in [BatchState::Succeeded, BatchState::Failed] {
            for line in ["call-off --yes", "call-off --dry-run"] {
                assert_eq!(checked(state, line), ended, "{state:?}, {line}");
            }
            assert_eq!(checked(state, "close --dry-run"), closed, "{state:?}");
            assert_eq!(checked(state, "retry"), Ok(()), "{state:?}");
            assert_eq!(checked(state, ""), Ok(()), "{state:?}");
        }
        for state in [BatchState::Open, BatchState::Closed] {
            assert_eq!(checked(state, "call-off --yes"), Ok(()), "{state:?}");
        }
        assert_eq!(checked(BatchState::Open, "close --dry-run"), Ok(()));
        assert_eq!(checked(BatchState::Closed, "close --dry-run"), closed);
        // The store says so itself.
        assert_eq!(checked(BatchState::Closed, "close"), Ok(()));
    }

    #[test]
    fn a_batch_is_shown_with_its_counts() {
        let id = BatchId::from_key("x");
        assert_eq!(
            lines(&view()),
            [
                format!("batch \"price list\" import/{id}: closed, called off"),
                "  5 of 10 done, 2 failed, 1 cancelled, 2 pending".to_owned(),
                "  opened at 1970-01-01T00:00:00.000Z".to_owned(),
            ]
        );
    }
}
