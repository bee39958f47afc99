//! The processes of the soak: workers and schedulers, each behind a link of its own, started again whenever
//! they end.

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use jobq_redis::{FaultProxy, RedisBackend};
use jobq_scheduler::{CatchUp, Schedule, Scheduler};
use jobq_worker::{StopSignals, Worker};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::job::{self, PANIC, QUEUES};
use super::observer::Observer;
use crate::AnyResult;

/// How long a lease of the workers lasts.
pub(crate) const LEASE: Duration = Duration::from_secs(10);

/// What a process of the soak is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
    /// A worker that is killed again and again.
    Worker,
    /// A worker that is frozen and cut off, but never killed: its memory is watched.
    Steady,
    /// One of the schedulers of the group `soak`.
    Scheduler,
}

impl Role {
    /// Whether it runs jobs that abort their process.
    const fn may_abort(self) -> bool {
        matches!(self, Self::Worker)
    }
}

/// What is done to a process.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Order {
    /// SIGKILL.
    Kill,
    /// SIGSTOP, and SIGCONT after this time.
    Stop(Duration),
    /// SIGTERM: it has to end well.
    Terminate,
    /// As `Terminate`, and it is not started again.
    Retire,
}

/// What happened to all processes.
#[derive(Debug, Default)]
pub(crate) struct Fates {
    pub(crate) kills: AtomicU64,
    pub(crate) stops: AtomicU64,
    pub(crate) terminations: AtomicU64,
    /// Ends that nobody ordered: aborts by jobs.
    pub(crate) aborts: AtomicU64,
    failures: std::sync::Mutex<Vec<String>>,
}

/// One process, and whoever takes its place.
pub(crate) struct Post {
    pub(crate) role: Role,
    pub(crate) link: FaultProxy,
    orders: mpsc::Sender<Order>,
    pid: Arc<AtomicU32>,
    keeping: JoinHandle<AnyResult>,
}

impl Post {
    pub(crate) async fn fill(
        role: Role,
        server_port: u16,
        observer: &str,
        fates: Arc<Fates>,
    ) -> AnyResult<Self> {
        let link = FaultProxy::before(server_port).await?;
        let (orders, incoming) = mpsc::channel(16);
        let pid = Arc::new(AtomicU32::new(0));
        let start = Start { role, redis: link.url(), observer: observer.to_owned() };
        let keeping = tokio::spawn(keep(start, incoming, Arc::clone(&pid), fates));
        Ok(Self { role, link, orders, pid, keeping })
    }

    /// Gives an order; one that comes while others wait is forgotten.
    pub(crate) fn order(&self, order: Order) {
        let _ = self.orders.try_send(order);
    }

    /// The resident memory of the present process, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid.load(Ordering::Relaxed));
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or(0) * 1_024
    }

    /// Has the process end well, for good.
    pub(crate) async fn retire(self) -> AnyResult {
        self.orders.send(Order::Retire).await?;
        self.keeping.await?
    }
}

struct Start {
    role: Role,
    redis: String,
    observer: String,
}

impl Start {
    fn spawn(&self) -> AnyResult<Child> {
        let role = self.role.to_possible_value().ok_or("a role without a name")?;
        Ok(Command::new(std::env::current_exe()?)
            .args(["soak", "--soak-role", role.get_name()])
            .args(["--redis", &self.redis, "--observer", &self.observer])
            // It ends when this pipe does, so that none is left if this process is killed.
            .stdin(Stdio::piped())
            // It tells there when it hears signals.
            .stdout(Stdio::piped())
            // Panics are told there.
            .stderr(Stdio::piped())
            // A Ctrl+C is for us: they are told when it is time.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?)
    }
}

const TOO_MANY: usize = 20;

/// Longer than a worker takes to drain: its grace period is 30 s.
const ENDS_WITHIN: Duration = Duration::from_secs(60);

async fn keep(
    start: Start,
    mut orders: mpsc::Receiver<Order>,
    pid: Arc<AtomicU32>,
    fates: Arc<Fates>,
) -> AnyResult {
    loop {
        let mut child = start.spawn()?;
        // Waiting for a process closes the pipe that keeps it running, unless it is ours.
        let _pipe = child.stdin.take();
        if let Some(told) = child.stderr.take() {
            tokio::spawn(listen(told, start.role, Arc::clone(&fates)));
        }
        let id = child.id().unwrap_or(0);
        pid.store(id, Ordering::Relaxed);
        if let Some(told) = child.stdout.take() {
            // A process that is told to end before it can hear it ends by the signal, and that is no fault of ours.
            let _ = BufReader::new(told).read_line(&mut String::new()).await;
        }
        loop {
            let order = tokio::select! {
                ended = child.wait() => {
                    match ended? {
                        status if start.role.may_abort() && is_abort(status) => {
                            fates.aborts.fetch_add(1, Ordering::Relaxed);
                        }
                        status => fates.fail(format!("a {:?} ended by itself, {status}", start.role)),
                    }
                    break;
                }
                order = orders.recv() => order.unwrap_or(Order::Retire),
            };
            match order {
                Order::Kill => {
                    fates.kills.fetch_add(1, Ordering::Relaxed);
                    child.kill().await?;
                    break;
                }
                Order::Stop(time) => {
                    fates.stops.fetch_add(1, Ordering::Relaxed);
                    signal(id, "-STOP").await;
                    tokio::time::sleep(time).await;
                    signal(id, "-CONT").await;
                }
                Order::Terminate | Order::Retire => {
                    fates.terminations.fetch_add(1, Ordering::Relaxed);
                    match end(&mut child, id).await {
                        Some(status) if status.success() => {}
                        // By a job, while it ends.
                        Some(status) if start.role.may_abort() && is_abort(status) => {}
                        Some(status) => {
                            fates.fail(format!("a {:?} was told to end: {status}", start.role));
                        }
                        None => {
                            let role = start.role;
                            fates.fail(format!("a {role:?} did not end within {ENDS_WITHIN:?}"));
                        }
                    }
                    if matches!(order, Order::Retire) {
                        return Ok(());
                    }
                    break;
                }
            }
        }
        // As a supervisor would wait a moment.
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Reads what a process says of panics: those of jobs that are meant to are no fault, all others are ours.
async fn listen(told: ChildStderr, role: Role, fates: Arc<Fates>) {
    let mut lines = BufReader::new(told).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if !line.contains("panicked at") {
            continue;
        }
        let Ok(Some(message)) = lines.next_line().await else { return };
        if message != PANIC {
            fates.fail(format!("a {role:?} panicked: {line} {message}"));
        }
    }
}

impl Fates {
    /// What went wrong with processes themselves.
    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Waits until processes fail again and again: going on would show nothing more.
    pub(crate) async fn too_many_failures(&self) -> String {
        loop {
            let failures = self.failures();
            if failures.len() >= TOO_MANY {
                return failures.join("; ");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    fn fail(&self, what: String) {
        self.failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(what);
    }
}

fn is_abort(status: ExitStatus) -> bool {
    const SIGABRT: i32 = 6;
    status.signal() == Some(SIGABRT)
}

async fn signal(pid: u32, signal: &str) {
    // It may have ended by itself.
    let _ =
        Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status().await;
}

async fn end(child: &mut Child, pid: u32) -> Option<ExitStatus> {
    signal(pid, "-TERM").await;
    match tokio::time::timeout(ENDS_WITHIN, child.wait()).await {
        Ok(status) => status.ok(),
        Err(_) => {
            let _ = child.kill().await;
            None
        }
    }
}

/// Plays a role until it is told to end.
pub(crate) async fn play(role: Role, redis: &str, observer: &str) -> AnyResult {
    // On a thread of its own: the runtime would wait for one of its threads that reads.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        // Whoever started us is gone.
        std::process::exit(71);
    });
    let mut signals = StopSignals::listen()?;
    std::io::stdout().write_all(b"ready\n")?;
    let backend = patiently(redis).await;
    match role {
        Role::Worker | Role::Steady => {
            let queues =
                QUEUES.iter().filter(|queue| role == Role::Worker || **queue != job::DEADLY);
            let worker = Worker::new(backend)
                .queues(queues.copied())
                .concurrency(40)
                .lease(LEASE)
                .state(Observer::connect(observer).await?)
                .handle(job::work)
                .handle(job::abort)
                .handle(job::tick);
            worker.run_with(signals).await?;
        }
        Role::Scheduler => {
            let scheduler = Scheduler::new(backend).group("soak").schedules(schedules());
            scheduler.run_until(async move { signals.next().await }).await?;
        }
    }
    Ok(())
}

/// Schedules and the distances of their ticks in ms.
pub(crate) const SCHEDULES: [(&str, u64); 3] =
    [("second", 1_000), ("third", 3_000), ("seventh", 7_000)];

fn schedules() -> impl Iterator<Item = (String, Schedule)> {
    SCHEDULES.iter().map(|(name, every_ms)| {
        let schedule =
            Schedule::every(Duration::from_millis(*every_ms)).catch_up(CatchUp::all(1_000));
        ((*name).to_owned(), schedule.job(job::Tick))
    })
}

/// A worker that finds no server at its start ends, and would be started again: the same comes of it.
async fn patiently(url: &str) -> RedisBackend {
    loop {
        match RedisBackend::connect(url).await {
            Ok(backend) => return backend,
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}
