//! The program that the tests start as processes of its own: a worker for all kinds, with a scheduler beside it.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use jobq_core::{Clock, Limits, Rate, SystemClock, Timestamp};
use jobq_redis::{RedisBackend, RedisConfig};
use jobq_scheduler::{CatchUp, Schedule, Scheduler, TimeUnits};
use jobq_worker::Worker;
use tokio::sync::oneshot;

use crate::jobs::{self, LANE_LIMIT, LANES, QUEUES, RATE, Tick};
use crate::ledger::Ledger;

/// How the program is set up. Each name is a variable of its environment.
pub(crate) const NAME: &str = "FAULTS_NAME";
pub(crate) const SERVER: &str = "FAULTS_SERVER";
pub(crate) const LEDGER: &str = "FAULTS_LEDGER";
pub(crate) const LEASE_MS: &str = "FAULTS_LEASE_MS";
pub(crate) const GRACE_MS: &str = "FAULTS_GRACE_MS";
pub(crate) const VERSION: &str = "FAULTS_VERSION";
pub(crate) const CLOCK: &str = "FAULTS_CLOCK";
pub(crate) const SCHEDULES: &str = "FAULTS_SCHEDULES";

/// No test but a part of the others, which start it with its variables set.
#[test]
#[ignore = "the program that the other tests start"]
fn worker() {
    let Ok(name) = env::var(NAME) else { return };
    tracing_subscriber::fmt().with_ansi(false).with_writer(std::io::stderr).init();
    // One thread: a handler that blocks it blocks the whole worker but for its renewals.
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Err(error) = tokio.block_on(run(&name)) {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

async fn run(name: &str) -> jobq_core::Result<()> {
    let ledger = Ledger::open(&env::var(LEDGER).unwrap(), name);
    let mut config = connection(&env::var(SERVER).unwrap());
    if let Some(path) = env::var_os(CLOCK) {
        config = config.clock(FileClock { path: path.into() });
    }
    let backend = RedisBackend::connect_with(config).await?;
    let scheduler = Scheduler::new(backend.clone())
        .group("faults")
        .deploy_stamp(1)
        .schedule("tick", Schedule::every(1.seconds()).catch_up(CatchUp::all(20)).job(Tick));
    let (stop, stopped) = oneshot::channel::<()>();
    let scheduler = env::var_os(SCHEDULES).map(|_| {
        tokio::spawn(scheduler.run_until(async {
            let _ = stopped.await;
        }))
    });
    let worker = Worker::with_registry(backend, jobs::registry(number(VERSION) as u32, ledger))
        .queues(QUEUES)
        .concurrency(8)
        .lease(Duration::from_millis(number(LEASE_MS)))
        .grace(Duration::from_millis(number(GRACE_MS)))
        .unknown_delay(Duration::from_millis(300))
        .limit_lanes(LANES, Limits::new().concurrency(LANE_LIMIT))
        .limit_queue(LANES, Limits::new().rate(Rate::sliding(RATE, Duration::from_secs(1))))
        .name(name);
    let summary = worker.run().await?;
    eprintln!("{summary}; ended: {}", summary.reason);
    drop(stop);
    if let Some(scheduler) = scheduler {
        scheduler.await.unwrap()?;
    }
    Ok(())
}

/// Answers are not waited for as long as by default, so that faults show soon.
pub(crate) fn connection(url: &str) -> RedisConfig {
    let timeout = Duration::from_secs(1);
    RedisConfig::new(url).unwrap().response_timeout(timeout).connect_timeout(timeout)
}

fn number(variable: &str) -> u64 {
    env::var(variable).unwrap().parse().unwrap()
}

/// The machine's clock, put forward or back by the milliseconds that are in a file: one clock for all processes, as
/// the server's is.
#[derive(Clone, Debug)]
pub(crate) struct FileClock {
    pub(crate) path: PathBuf,
}

impl FileClock {
    /// Puts it so far off the machine's.
    pub(crate) fn set(&self, offset_ms: i64) {
        // A file that is moved into its place is read as the old one or as the new one.
        let next = self.path.with_extension("next");
        std::fs::write(&next, offset_ms.to_string()).unwrap();
        std::fs::rename(&next, &self.path).unwrap();
    }
}

impl Clock for FileClock {
    fn now(&self) -> Timestamp {
        let offset: i64 = std::fs::read_to_string(&self.path).unwrap().parse().unwrap();
        let now = SystemClock::default().now().as_millis();
        Timestamp::from_millis(now.saturating_add_signed(offset))
    }
}
