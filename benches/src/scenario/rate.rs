//! A rate of 100 a minute for each of three stores, over four workers of which one is killed every few
//! seconds: never more in any minute, and no less while there is work.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use jobq_core::{
    Backend, JobContext, LaneKey, LimitScope, LimitSource, Limits, Queue, QueueName, Rate,
};
use jobq_redis::RedisBackend;
use jobq_worker::{State, Worker};
use redis::aio::MultiplexedConnection;
use tokio::process::{Child, Command};

use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::{Noop, QUEUE};
use crate::server::Server;

const STORES: u64 = 3;
const WORKERS: usize = 4;
const A_MINUTE: u32 = 100;
const MINUTES: u64 = 3;
/// Where handlers note their starts, `lane ms`, beside jobq's own keys. By the server's clock, which is
/// also the limit's.
const STARTS: &str = "bench:starts";
const NOTE: &str = "local t = redis.call('TIME')
    return redis.call('RPUSH', KEYS[1], ARGV[1] .. ' ' .. (t[1] * 1000 + math.floor(t[2] / 1000)))";
/// Long enough for kills to hit running jobs.
const WORK: Duration = Duration::from_secs(2);

async fn note(_: Noop, cx: JobContext, State(mut control): State<MultiplexedConnection>) {
    let lane = cx.lane().map_or_else(String::new, ToString::to_string);
    let mut call = redis::cmd("EVAL");
    let call = call.arg(NOTE).arg(1).arg(STARTS).arg(lane);
    if let Err(error) = call.exec_async(&mut control).await {
        eprintln!("a handler was not noted: {error}");
    }
    tokio::time::sleep(WORK).await;
}

/// One of the workers that are killed.
pub(crate) async fn worker(url: &str) -> AnyResult {
    let control = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    Worker::new(RedisBackend::connect(url).await?)
        .queues([QUEUE])
        .concurrency(100)
        .state(control)
        .handle(note)
        .run()
        .await?;
    Ok(())
}

fn spawn(server: &Server) -> AnyResult<Child> {
    Ok(Command::new(std::env::current_exe()?)
        .args(["rate", "--rate-worker", "--redis", server.url()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()?)
}

pub(crate) async fn run(server: &Server, seed: u64) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    let scope = LimitScope::Lanes(QueueName::new(QUEUE)?);
    let rate = Rate::fixed(A_MINUTE, Duration::from_secs(60));
    queue.set_limits(&scope, LimitSource::Code, &Limits::new().rate(rate)).await?;
    for store in 1..=STORES {
        let jobs = (0..u64::from(A_MINUTE) * (MINUTES + 3)).map(Noop::new);
        queue.enqueue_all(jobs).lane(LaneKey::new(store)?).await?;
    }
    let mut workers = (0..WORKERS).map(|_| spawn(server)).collect::<AnyResult<Vec<Child>>>()?;
    let mut chance = fastrand::Rng::with_seed(seed);
    eprintln!("Rate: kills by --seed {}", seed.wrapping_sub(1));
    let (started, mut kills) = (Instant::now(), 0);
    while started.elapsed() < Duration::from_secs(60 * MINUTES + 5) {
        tokio::time::sleep(Duration::from_millis(chance.u64(500..6_000))).await;
        let victim = chance.usize(..WORKERS);
        workers[victim].kill().await?;
        workers[victim] = spawn(server)?;
        kills += 1;
    }
    for worker in &mut workers {
        worker.kill().await?;
    }

    let windows = windows(&mut server.control()).await?;
    let most = windows.values().max().copied().unwrap_or(0);
    // The first and the last window are not whole.
    let whole = |minute: &u64| {
        let (first, last) = (windows.keys().next(), windows.keys().next_back());
        first.is_some_and(|(first, _)| minute > first)
            && last.is_some_and(|(last, _)| minute < last)
    };
    let least = windows.iter().filter(|((minute, _), _)| whole(minute)).map(|(_, count)| *count);
    let least = least.min().unwrap_or(0);

    let mut figures = Figures::of("rate");
    figures.add("most-in-a-minute", most as f64, "jobs", Bar::AtMost(A_MINUTE.into()));
    figures.add("least-in-a-minute", least as f64, "jobs", Bar::AtLeast(99.0));
    figures.add("kills", f64::from(kills), "workers", Bar::None);
    Ok(figures.done())
}

/// How many jobs of each lane were started in each minute.
async fn windows(control: &mut MultiplexedConnection) -> AnyResult<BTreeMap<(u64, String), u64>> {
    let lines: Vec<String> =
        redis::cmd("LRANGE").arg(STARTS).arg(0).arg(-1).query_async(control).await?;
    let mut windows = BTreeMap::new();
    for line in lines {
        let (lane, at) = line.split_once(' ').ok_or("a start without a time")?;
        let minute = at.parse::<u64>()? / 60_000;
        *windows.entry((minute, lane.to_owned())).or_default() += 1;
    }
    Ok(windows)
}
