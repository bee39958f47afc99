//! The servers, the worker processes, and what has been noted so far.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use jobq_core::inspect::{JobView, QueueStats};
use jobq_core::{Inspect, JobId, QueueName};
use jobq_redis::{RedisBackend, TestServer};

use crate::audit::{self, Expected};
use crate::jobs::{MIX, QUEUES};
use crate::ledger::{Ledger, Note, Run, Start};
use crate::mix::{Book, Mix};
use crate::process::{Orders, PATIENCE, Process, until};
use crate::program::{self, FileClock, connection};

/// How long leases last unless a test says otherwise: short, so that tests are, and long enough for a busy machine.
pub(crate) const LEASE: Duration = Duration::from_millis(1_500);

/// A server for the jobs, on which faults strike, and one for the notes.
pub(crate) struct Stage {
    pub(crate) server: TestServer,
    password: Option<&'static str>,
    notes_server: TestServer,
    pub(crate) ledger: Ledger,
    pub(crate) backend: RedisBackend,
    folder: tempfile::TempDir,
    clock: Option<FileClock>,
    notes: Mutex<Vec<Note>>,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::set_on(TestServer::start().unwrap(), None, false).await
    }

    /// One whose server has further arguments.
    pub(crate) async fn set_with(arguments: &[&str]) -> Self {
        Self::set_on(TestServer::start_with(arguments).unwrap(), None, false).await
    }

    /// One whose server wants a password.
    pub(crate) async fn set_behind(password: &'static str) -> Self {
        let server = TestServer::start_with(&["--requirepass", password]).unwrap();
        Self::set_on(server, Some(password), false).await
    }

    /// One whose clock is in a file, for the server and for all processes.
    pub(crate) async fn set_with_clock() -> Self {
        Self::set_on(TestServer::start().unwrap(), None, true).await
    }

    async fn set_on(server: TestServer, password: Option<&'static str>, with_clock: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = with_clock.then(|| FileClock { path: folder.path().join("clock") });
        let mut config = connection(&url_with(&server, password));
        if let Some(clock) = &clock {
            clock.set(0);
            config = config.clock(clock.clone());
        }
        let backend = RedisBackend::connect_with(config).await.unwrap();
        let notes_server = TestServer::start().unwrap();
        let ledger = Ledger::open(&notes_server.url(), "test");
        let notes = Mutex::default();
        Self { server, password, notes_server, ledger, backend, folder, clock, notes }
    }

    pub(crate) fn clock(&self) -> &FileClock {
        self.clock.as_ref().unwrap()
    }

    /// A worker with a scheduler, as yet not started.
    pub(crate) fn worker(&self, name: &str) -> Orders {
        let mut orders = Orders {
            name: name.to_owned(),
            log: self.log_of(name),
            ledger: self.ledger.clone(),
            memory: None,
            variables: Vec::new(),
        };
        if let Some(clock) = &self.clock {
            orders = orders.set(program::CLOCK, clock.path.display());
        }
        orders
            .set(program::NAME, name)
            .set(program::SERVER, self.url())
            .set(program::LEDGER, self.notes_server.url())
            .set(program::LEASE_MS, LEASE.as_millis())
            .set(program::GRACE_MS, 20_000)
            .set(program::VERSION, 2)
            .set(program::SCHEDULES, 1)
    }

    pub(crate) fn url(&self) -> String {
        url_with(&self.server, self.password)
    }

    /// The URL with another password.
    pub(crate) fn url_by(&self, password: &str) -> String {
        url_with(&self.server, Some(password))
    }

    fn log_of(&self, name: &str) -> PathBuf {
        self.folder.path().join(format!("{name}.log"))
    }

    /// All that has been noted so far.
    pub(crate) fn notes(&self) -> MutexGuard<'_, Vec<Note>> {
        let mut notes = self.notes.lock().unwrap();
        let new = self.ledger.notes(notes.len());
        notes.extend(new);
        notes
    }

    /// The jobs that have been done.
    pub(crate) fn done(&self) -> BTreeSet<JobId> {
        let done = |note: &Note| match note {
            Note::Ended { run, done: true } => Some(run.job),
            _ => None,
        };
        self.notes().iter().filter_map(done).collect()
    }

    /// The jobs that have begun and have not ended.
    pub(crate) fn running(&self) -> BTreeSet<JobId> {
        let mut running = BTreeSet::new();
        for note in self.notes().iter() {
            match note {
                Note::Started(run, _) => drop(running.insert(run.job)),
                Note::Ended { run, .. } => drop(running.remove(&run.job)),
                _ => {}
            }
        }
        running
    }

    /// The runs of a job that have begun, in their order.
    pub(crate) fn runs(&self, job: JobId) -> Vec<(Run, Start)> {
        let started = |note: &Note| match note {
            Note::Started(run, start) if run.job == job => Some((run.clone(), start.clone())),
            _ => None,
        };
        self.notes().iter().filter_map(started).collect()
    }

    /// The ticks whose jobs have begun.
    pub(crate) fn ticks(&self) -> BTreeSet<String> {
        let tick = |note: &Note| match note {
            Note::Started(_, start) => start.tick.clone(),
            _ => None,
        };
        self.notes().iter().filter_map(tick).collect()
    }

    /// Waits until a run of the job has ended undone: its handler was dropped.
    pub(crate) async fn until_dropped(&self, job: JobId) {
        let dropped =
            |note: &Note| matches!(note, Note::Ended { run, done: false } if run.job == job);
        until(&format!("the end of a run of {job}"), async || self.notes().iter().any(dropped))
            .await;
    }

    pub(crate) async fn until_started(&self, job: JobId, times: usize) -> Run {
        let what = format!("start {times} of {job}");
        until(&what, async || self.runs(job).len() >= times).await;
        self.runs(job).swap_remove(times - 1).0
    }

    /// Waits until so many more jobs are done than now.
    pub(crate) async fn until_more(&self, jobs: usize) {
        let goal = self.done().len() + jobs;
        until("progress", async || self.done().len() >= goal).await;
    }

    pub(crate) async fn until_done(&self, job: JobId) {
        until(&format!("the end of {job}"), async || self.done().contains(&job)).await;
    }

    pub(crate) async fn until_dead(&self, job: JobId) -> JobView {
        let is_dead = |view: &Option<JobView>| {
            view.as_ref().is_some_and(|view| view.state == jobq_core::JobState::Dead)
        };
        until(&format!("the death of {job}"), async || is_dead(&self.job(job).await)).await;
        self.job(job).await.unwrap()
    }

    /// What the store knows of a job of the mix's queue.
    pub(crate) async fn job(&self, id: JobId) -> Option<JobView> {
        self.backend.job(&queue(MIX), id).await.unwrap()
    }

    /// The counts of all queues.
    pub(crate) async fn stats(&self) -> Vec<QueueStats> {
        let mut all = Vec::new();
        for name in QUEUES {
            all.push(self.backend.queue(&queue(name)).await.unwrap());
        }
        all
    }

    /// Runs a command on the server of the jobs.
    pub(crate) async fn command(&self, words: &[&str]) -> String {
        self.command_with(&self.url(), words).await
    }

    pub(crate) async fn command_with(&self, url: &str, words: &[&str]) -> String {
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let answer: redis::Value = command.query_async(&mut connection).await.unwrap();
        redis::from_redis_value(answer).unwrap_or_default()
    }

    /// Lets everything be done that has been acknowledged, ends the workers by SIGTERM, and checks all invariants.
    pub(crate) async fn finish(&self, mix: Mix, workers: Vec<Process>, expected: Expected) {
        // Of one tick nothing can be told.
        until("a second tick", async || self.ticks().len() > 1).await;
        let book = mix.stop().await;
        self.until_all_done(&book, &expected, &workers).await;
        for worker in &workers {
            worker.ready();
            worker.signal("-TERM");
        }
        workers.into_iter().for_each(Process::finish);
        // What the schedulers have enqueued last.
        let finisher = self.worker("finisher").without_schedules().start();
        self.until_at_rest(&book, &finisher).await;
        finisher.finish();
        audit::check(self, &book, &expected).await;
    }

    async fn until_all_done(&self, book: &Book, expected: &Expected, workers: &[Process]) {
        let began = tokio::time::Instant::now();
        loop {
            let done = self.done();
            let owed = |job: &&JobId| !done.contains(job) && !expected.dead.contains(job);
            let left: Vec<_> = book
                .acknowledged
                .iter()
                .filter(owed)
                .filter(|job| !book.doomed.contains(job))
                .collect();
            if left.is_empty() {
                return;
            }
            let logs = || workers.iter().map(Process::log).collect::<String>();
            assert!(
                began.elapsed() < PATIENCE,
                "seed {}: {} are not done: {left:?} {:?} {}",
                book.seed,
                left.len(),
                self.stats().await,
                logs()
            );
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    async fn until_at_rest(&self, book: &Book, finisher: &Process) {
        let began = tokio::time::Instant::now();
        loop {
            let stats = self.stats().await;
            let sum = |count: fn(&QueueStats) -> u64| stats.iter().map(count).sum::<u64>();
            let busy = sum(|queue| queue.ready + queue.leased + queue.waiting);
            if busy == 0 && sum(|queue| queue.scheduled) == book.far.len() as u64 {
                return;
            }
            let (seed, log) = (book.seed, finisher.log());
            assert!(began.elapsed() < PATIENCE, "seed {seed}: no rest: {stats:?} {log}");
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }
}

fn url_with(server: &TestServer, password: Option<&str>) -> String {
    match password {
        Some(password) => format!("redis://:{password}@127.0.0.1:{}", server.port()),
        None => server.url(),
    }
}

pub(crate) fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}
