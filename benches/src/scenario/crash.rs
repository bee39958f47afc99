//! A worker is killed with jobs in flight; another one runs them again.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use jobq_core::{JobContext, Queue};
use jobq_redis::RedisBackend;
use jobq_worker::{State, Worker};
use redis::aio::MultiplexedConnection;
use tokio::process::Command;

use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::{Noop, QUEUE};
use crate::server::Server;

const JOBS: u64 = 50;
/// Where handlers note their starts, beside jobq's own keys.
const STARTS: &str = "bench:starts";
const PATIENCE: Duration = Duration::from_secs(60);

/// In the worker that is killed, the handler never ends.
async fn hang(_: Noop, cx: JobContext, State(control): State<MultiplexedConnection>) {
    note_start(&cx, control).await;
    std::future::pending::<()>().await;
}

async fn finish(_: Noop, cx: JobContext, State(control): State<MultiplexedConnection>) {
    note_start(&cx, control).await;
}

async fn note_start(cx: &JobContext, mut control: MultiplexedConnection) {
    let noted: Result<(), _> =
        redis::cmd("RPUSH").arg(STARTS).arg(cx.id().to_string()).exec_async(&mut control).await;
    if let Err(error) = noted {
        eprintln!("a start was not noted: {error}");
    }
}

/// The worker that is killed.
pub(crate) async fn worker(url: &str) -> AnyResult {
    let control = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    Worker::new(RedisBackend::connect(url).await?)
        .queues([QUEUE])
        .concurrency(usize::try_from(JOBS)?)
        .state(control)
        .handle(hang)
        .run()
        .await?;
    Ok(())
}

async fn starts(control: &mut MultiplexedConnection) -> AnyResult<HashMap<String, u64>> {
    let ids: Vec<String> =
        redis::cmd("LRANGE").arg(STARTS).arg(0).arg(-1).query_async(control).await?;
    let mut starts = HashMap::new();
    for id in ids {
        *starts.entry(id).or_default() += 1;
    }
    Ok(starts)
}

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    let mut control = server.control();
    queue.enqueue_all((0..JOBS).map(Noop::new)).await?;
    let mut victim = Command::new(std::env::current_exe()?)
        .args(["crash", "--crash-worker", "--redis", server.url()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let waiting = Instant::now();
    while starts(&mut control).await?.len() < usize::try_from(JOBS)? {
        if waiting.elapsed() > PATIENCE {
            return Err("the worker did not start all jobs".into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Killed right after a renewal or right before one: wherever it happens to be.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    victim.kill().await?;

    let killed = Instant::now();
    let rescuer = Worker::new(queue)
        .queues([QUEUE])
        .concurrency(usize::try_from(JOBS)?)
        .state(control.clone())
        .handle(finish)
        .max_jobs(JOBS)
        .run_until(tokio::time::sleep(PATIENCE))
        .await?;
    let seconds = killed.elapsed().as_secs_f64();

    let starts = starts(&mut control).await?;
    let twice = starts.values().filter(|count| **count == 2).count();
    let mut figures = Figures::of("crash");
    figures.add("all-run-again-after", seconds, "s", Bar::AtMost(12.0));
    figures.add("run-again", rescuer.processed as f64, "jobs", Bar::AtLeast(JOBS as f64));
    let lost = JOBS as f64 - twice as f64;
    figures.add("lost-or-run-more-than-twice", lost, "jobs", Bar::AtMost(0.0));
    Ok(figures.done())
}
