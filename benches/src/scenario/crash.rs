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
/// A worker's lease when nothing else is said.
const LEASE: Duration = Duration::from_secs(10);
/// Where handlers note their starts, `id ms`, beside jobq's own keys.
const STARTS: &str = "bench:starts";
/// Job id → when the handler that is killed was alive for the last time.
const BEATS: &str = "bench:beats";
const BEAT: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(60);

/// All times are the server's, so that those of two processes compare.
const NOTE_START: &str = "local t = redis.call('TIME')
    return redis.call('RPUSH', KEYS[1], ARGV[1] .. ' ' .. (t[1] * 1000 + math.floor(t[2] / 1000)))";
const NOTE_BEAT: &str = "local t = redis.call('TIME')
    return redis.call('HSET', KEYS[1], ARGV[1], t[1] * 1000 + math.floor(t[2] / 1000))";

/// In the worker that is killed, the handler never ends.
async fn hang(_: Noop, cx: JobContext, State(control): State<MultiplexedConnection>) {
    note(NOTE_START, STARTS, &cx, control.clone()).await;
    loop {
        note(NOTE_BEAT, BEATS, &cx, control.clone()).await;
        tokio::time::sleep(BEAT).await;
    }
}

async fn finish(_: Noop, cx: JobContext, State(control): State<MultiplexedConnection>) {
    note(NOTE_START, STARTS, &cx, control).await;
}

async fn note(script: &str, key: &str, cx: &JobContext, mut control: MultiplexedConnection) {
    let mut call = redis::cmd("EVAL");
    let call = call.arg(script).arg(1).arg(key).arg(cx.id().to_string());
    if let Err(error) = call.exec_async(&mut control).await {
        eprintln!("a handler was not noted: {error}");
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

/// When each job was started, by its id.
async fn starts(control: &mut MultiplexedConnection) -> AnyResult<HashMap<String, Vec<u64>>> {
    let lines: Vec<String> =
        redis::cmd("LRANGE").arg(STARTS).arg(0).arg(-1).query_async(control).await?;
    let mut starts: HashMap<String, Vec<u64>> = HashMap::new();
    for line in lines {
        let (id, at) = line.split_once(' ').ok_or("a start without a time")?;
        starts.entry(id.to_owned()).or_default().push(at.parse()?);
    }
    Ok(starts)
}

pub(crate) async fn run(server: &Server, seed: u64) -> AnyResult<Vec<Figure>> {
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
    // It is there before the other one is killed, so that it would also run what is still held.
    let rescuer = Worker::new(queue)
        .queues([QUEUE])
        .concurrency(usize::try_from(JOBS)?)
        .state(control.clone())
        .handle(finish)
        .max_jobs(JOBS)
        .run_until(tokio::time::sleep(2 * LEASE + PATIENCE));
    let rescuer = tokio::spawn(rescuer);
    let delay = kill_after(seed);
    eprintln!("Crash: killed after {} ms (--seed {})", delay.as_millis(), seed.wrapping_sub(1));
    tokio::time::sleep(delay).await;
    victim.kill().await?;

    let killed = Instant::now();
    let rescued = rescuer.await??;
    let seconds = killed.elapsed().as_secs_f64();

    let starts = starts(&mut control).await?;
    let beats: HashMap<String, u64> =
        redis::cmd("HGETALL").arg(BEATS).query_async(&mut control).await?;
    let again = starts.values().filter(|times| times.len() == 2).count();
    let at_once = starts.iter().filter(|(id, times)| {
        let last_beat = beats.get(*id).copied().unwrap_or(0);
        times.iter().skip(1).any(|start| *start < last_beat)
    });
    let mut figures = Figures::of("crash");
    figures.add("all-run-again-after", seconds, "s", Bar::AtMost(12.0));
    figures.add("run-again", rescued.processed as f64, "jobs", Bar::AtLeast(JOBS as f64));
    let lost = JOBS as f64 - again as f64;
    figures.add("lost-or-run-more-than-twice", lost, "jobs", Bar::AtMost(0.0));
    figures.add("twice-at-once", at_once.count() as f64, "jobs", Bar::AtMost(0.0));
    Ok(figures.done())
}

/// One to two leases: at any point between two renewals.
fn kill_after(seed: u64) -> Duration {
    // SplitMix64.
    let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    LEASE + LEASE.mul_f64(((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64)
}
