//! What handlers do by their context: slow their lane down, go on where an earlier attempt got to, add to
//! their batch, and read what the jobs before them returned.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobq_core::{
    BatchState, Held, Inspect, Job, JobContext, JobError, JobResult, JobState, MemoryBackend,
    OnParentFailure, Queue,
};
use jobq_worker::{State, Worker};
use serde::{Deserialize, Serialize};
use support::{backend, drain, find, queue, within};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What handlers have to say, and when.
type Diary = Arc<Mutex<Vec<(Duration, String)>>>;

#[derive(Clone)]
struct App {
    diary: Diary,
    began_at: Instant,
}

impl App {
    fn new() -> Self {
        Self { diary: Diary::default(), began_at: Instant::now() }
    }

    fn write(&self, what: impl Into<String>) {
        self.diary.lock().unwrap().push((self.began_at.elapsed(), what.into()));
    }

    fn read(&self) -> Vec<String> {
        self.diary.lock().unwrap().iter().map(|(_, what)| what.clone()).collect()
    }

    /// By whole seconds.
    fn times(&self) -> Vec<(u64, String)> {
        let diary = self.diary.lock().unwrap();
        diary.iter().map(|(at, what)| (at.as_secs(), what.clone())).collect()
    }
}

fn worker_of(store: MemoryBackend, app: &App) -> Worker {
    Worker::new(store).state(app.clone()).renew_without_thread()
}

/// One request to the API of a store, which allows none for half a minute after it was told off.
#[derive(Serialize, Deserialize, Job)]
#[job(queue = "crm", lane = store, max_attempts = 1)]
struct Request {
    store: u32,
    number: u32,
}

async fn request(job: Request, State(app): State<App>, cx: JobContext) -> JobResult {
    assert_eq!(cx.lane().unwrap().as_str(), job.store.to_string());
    let rest = Duration::from_secs(30);
    let is_first = app.read().is_empty();
    app.write(format!("store {} request {}", job.store, job.number));
    if is_first {
        cx.throttle_lane(rest).await?;
        return Err(JobError::snooze(rest));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_lane_that_was_throttled_rests_and_others_go_on() {
    let (store, app) = (backend(), App::new());
    store.enqueue_all((1..=3).map(|number| Request { store: 7, number })).await.unwrap();
    store.enqueue_all((1..=2).map(|number| Request { store: 8, number })).await.unwrap();

    let worker = worker_of(store.clone(), &app).handle(request).concurrency(1).max_jobs(6);
    let summary = within(worker.run_until(std::future::pending())).await.unwrap();

    assert_eq!((summary.completed, summary.snoozed, summary.failed), (5, 1, 0));
    let diary = app.times();
    let early: Vec<_> = diary.iter().take_while(|(at, _)| *at < 30).map(|(_, what)| what).collect();
    assert_eq!(early, ["store 7 request 1", "store 8 request 1", "store 8 request 2"]);
    let late: Vec<u64> = diary[3..].iter().map(|(at, _)| *at).collect();
    assert_eq!(late, [30, 30, 30], "{diary:?}");
}

#[tokio::test(start_paused = true)]
async fn a_job_without_a_lane_throttles_nothing() {
    let (store, app) = (backend(), App::new());
    let job = |number| Request { store: 7, number };
    store.enqueue_all((1..=3).map(job)).no_lane().await.unwrap();
    async fn alone(_: Request, State(app): State<App>, cx: JobContext) -> JobResult {
        assert_eq!(cx.lane(), None);
        app.write("ran");
        Ok(cx.throttle_lane(Duration::from_secs(30)).await?)
    }

    let summary = drain(worker_of(store, &app).handle(alone).concurrency(1)).await;

    assert_eq!((summary.completed, app.read().len()), (3, 3));
}

/// A list of ten pages, and where somebody has got to.
#[derive(Serialize, Deserialize, Job)]
#[job(queue = "import", backoff = "fixed(1s)", retention = "1h")]
struct Import;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Cursor {
    page: u32,
    token: String,
}

const PAGES: u32 = 10;

/// Fails once, with page 4.
async fn import(_: Import, State(app): State<App>, cx: JobContext) -> JobResult<u32> {
    let first = cx.saved::<Cursor>()?.map_or(0, |cursor| cursor.page);
    for page in first..PAGES {
        if page == 4 && cx.attempt() == 1 {
            return Err(JobError::retry("the connection was reset"));
        }
        app.write(format!("page {page}"));
        let cursor = Cursor { page: page + 1, token: format!("after {page}") };
        assert_eq!(cx.save(&cursor).await?, Held::Yes);
    }
    Ok(PAGES - first)
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_on_where_the_attempt_before_got_to() {
    let (store, app) = (backend(), App::new());
    let id = store.enqueue(Import).await.unwrap().id();

    let worker = worker_of(store.clone(), &app).handle(import).max_jobs(2);
    let summary = within(worker.run_until(std::future::pending())).await.unwrap();

    assert_eq!((summary.retried, summary.completed), (1, 1));
    let pages: Vec<String> = (0..PAGES).map(|page| format!("page {page}")).collect();
    assert_eq!(app.read(), pages);
    let view = find(&store, id).await.unwrap();
    let left: u32 = rmp_serde::from_slice(&view.result.unwrap()).unwrap();
    assert_eq!(left, 6);
}

#[tokio::test(start_paused = true)]
async fn a_job_goes_on_where_a_worker_that_died_got_to() {
    /// Says where it begins, saves, and never ends the first time.
    async fn hang(_: Import, begun: State<mpsc::UnboundedSender<Option<u32>>>, cx: JobContext) {
        let saved = cx.saved::<u32>().unwrap();
        if saved.is_none() {
            cx.save(&4_u32).await.unwrap();
        }
        begun.send(saved).unwrap();
        if saved.is_none() {
            std::future::pending::<()>().await;
        }
    }
    let store = backend();
    let id = store.enqueue(Import).await.unwrap().id();
    let (begun, mut begins) = mpsc::unbounded_channel::<Option<u32>>();
    let worker =
        || Worker::new(store.clone()).state(begun.clone()).handle(hang).renew_without_thread();

    let victim = tokio::spawn(worker().run_until(std::future::pending()));
    assert_eq!(within(begins.recv()).await.unwrap(), None);
    victim.abort();
    let _ = victim.await;
    within(worker().max_jobs(1).run_until(std::future::pending())).await.unwrap();

    assert_eq!(begins.recv().await.unwrap(), Some(4));
    let view = find(&store, id).await.unwrap();
    assert_eq!((view.state, view.crashes, view.failed_attempts), (JobState::Completed, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_lost_its_job_saves_nothing() {
    async fn save(_: Import, State(held): State<mpsc::UnboundedSender<Held>>, cx: JobContext) {
        if cx.saved::<u32>().unwrap().is_none() && cx.crashes() == 0 {
            // Dropped before it is over: nobody extends its lease any more.
            let late = cx.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_secs(60)).await;
                let _ = held.send(late.save(&9_u32).await.unwrap());
            });
            std::future::pending::<()>().await;
        }
    }
    let store = backend();
    let id = store.enqueue(Import).await.unwrap().id();
    let (sender, mut held) = mpsc::unbounded_channel::<Held>();
    let worker =
        || Worker::new(store.clone()).state(sender.clone()).handle(save).renew_without_thread();

    let victim = tokio::spawn(worker().run_until(std::future::pending()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    victim.abort();
    let _ = victim.await;
    within(worker().max_jobs(1).run_until(std::future::pending())).await.unwrap();

    assert_eq!(within(held.recv()).await, Some(Held::Lost));
    assert_eq!(find(&store, id).await.unwrap().state, JobState::Completed);
}

/// A folder, with others in it.
#[derive(Serialize, Deserialize, Job)]
#[job(queue = "import")]
struct Folder {
    depth: u32,
}

async fn walk(job: Folder, State(app): State<App>, cx: JobContext) -> JobResult {
    app.write(format!("folder at depth {}", job.depth));
    let batch = cx.batch().ok_or_else(|| JobError::dead("no batch"))?;
    if job.depth < 3 {
        let depth = job.depth + 1;
        batch.enqueue_all((0..2).map(|_| Folder { depth })).await?;
    }
    Ok(())
}

#[derive(Serialize, Deserialize, Job)]
struct Done;

async fn done(_: Done, State(app): State<App>) {
    app.write("done");
}

#[tokio::test(start_paused = true)]
async fn a_job_adds_to_the_batch_that_counts_it() {
    let (store, app) = (backend(), App::new());
    let batch = store.batch("folders").on("import").on_success(Done).open().await.unwrap();
    batch.enqueue(Folder { depth: 0 }).await.unwrap();
    batch.close().await.unwrap();

    let worker = worker_of(store.clone(), &app).handle(walk).handle(done).max_jobs(16);
    within(worker.run_until(std::future::pending())).await.unwrap();

    let view = batch.view().await.unwrap();
    assert_eq!((view.state, view.total, view.done), (BatchState::Succeeded, 15, 15));
    assert_eq!(app.read().iter().filter(|what| *what == "done").count(), 1);
    assert_eq!(app.read().last().unwrap(), "done");
}

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "import", retention = "1h", max_attempts = 1)]
struct Part {
    number: u32,
}

async fn part(job: Part) -> JobResult<u32> {
    match job.number {
        13 => Err(JobError::retry("no luck")),
        number => Ok(number * 10),
    }
}

#[derive(Serialize, Deserialize, Job)]
struct Sum;

async fn sum(_: Sum, State(app): State<App>, cx: JobContext) -> JobResult {
    for parent in cx.parents().await? {
        let result = parent.result::<u32>()?;
        app.write(format!("{} {result:?}", parent.state));
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_job_reads_what_those_before_it_returned() {
    let (store, app) = (backend(), App::new());
    let one = store.enqueue(Part { number: 1 }).handle().await.unwrap();
    let bad = store.enqueue(Part { number: 13 }).handle().await.unwrap();
    let two = store.enqueue(Part { number: 2 }).handle().await.unwrap();
    let sum_of = store.enqueue(Sum).after([&one, &bad, &two]);
    sum_of.on_parent_failure(OnParentFailure::Continue).await.unwrap();
    assert_eq!(store.queue(&queue("default")).await.unwrap().waiting, 1);

    let worker = worker_of(store.clone(), &app).handle(part).handle(sum);
    within(worker.max_jobs(4).run_until(std::future::pending())).await.unwrap();

    assert_eq!(app.read(), ["completed Some(10)", "dead None", "completed Some(20)"]);
}
