//! `cargo run --release -p jobq-benches -- all`
//!
//! Measures jobq against the bars it has set itself. Every figure is the median of several runs; wall
//! times vary up to twofold between machines and moments, Redis CPU and calls per job hardly do.

mod figure;
mod load;
mod scenario;
mod server;
mod soak;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use figure::{Figure, Report};
use server::Server;

/// Measures jobq against its bars.
#[derive(Debug, Parser)]
#[command(name = "jobq-bench", version)]
struct Arguments {
    /// What to measure.
    #[arg(required = true, value_enum)]
    scenarios: Vec<Scenario>,
    /// Print one line of JSON a figure.
    #[arg(long)]
    json: bool,
    /// Measure this server in place of a private one on a free port. Its database is EMPTIED.
    #[arg(long, value_name = "URL")]
    redis: Option<String>,
    /// How many runs a figure is the median of: 3 or more for one that is quoted.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    runs: u32,
    /// What chance follows from: when `crash` and `rate` kill. One of its own, which is printed, by default.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Plays the worker that is killed in the scenario `crash`.
    #[arg(long, hide = true)]
    crash_worker: bool,
    /// Plays a worker of the scenario `rate`.
    #[arg(long, hide = true)]
    rate_worker: bool,
    /// How long `soak` goes on until it drains and makes up the accounts.
    #[arg(long, value_name = "N", default_value_t = 60.0)]
    minutes: f64,
    /// How many jobs a second `soak` enqueues, about.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Plays a process of the soak.
    #[arg(long, hide = true, value_enum, requires = "observer")]
    soak_role: Option<soak::Role>,
    /// Where the processes of the soak note what they do.
    #[arg(long, hide = true)]
    observer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Many jobs through one streamed call.
    EnqueueBulk,
    /// Single enqueues by 50 callers at once.
    EnqueueConcurrent,
    /// Single enqueues, each awaited before the next, against a bare SET loop.
    EnqueueSequential,
    /// A worker empties a queue, at its best concurrency.
    Drain,
    /// A worker with concurrency 1 empties a queue.
    DrainSequential,
    /// From the enqueue call to the start of the handler, with an idle worker.
    Pickup,
    /// What an idle worker asks of the server.
    Idle,
    /// Bytes in Redis for each waiting job, and after success.
    Memory,
    /// Many jobs due at one instant.
    Due,
    /// The drain with millions of jobs behind it.
    Backlog,
    /// A worker is killed with jobs in flight.
    Crash,
    /// Drains with limits that are not reached, against drains without.
    Limits,
    /// Drains of 10 and of 100,000 lanes.
    Lanes,
    /// A batch of a million jobs.
    Batch,
    /// A thousand lanes with ten jobs beside one with a million.
    Crowd,
    /// A rate of 100 a minute for each of 3 stores, for 3 minutes, while workers are killed. Not among
    /// all of them.
    Rate,
    /// Ten thousand schedules, hourly, by three schedulers.
    Schedules,
    /// Each command of the program `jobq` beside a million jobs. Not among all of them: it needs that program.
    CliMillion,
    /// A worker empties a queue of the memory backend.
    MemoryBackend,
    /// Everything at once for an hour while everything goes wrong, then the accounts: nothing lost, nothing
    /// left. By itself only.
    Soak,
    /// All of them.
    All,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // The server runs on this machine, too, and gets a core: with a thread on every core, each wake-up of
    // a thread is one at the server's cost.
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.saturating_sub(1).max(1))
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    // On a thread of the runtime, where a service's callers are, and not beside it.
    match runtime.block_on(async { tokio::spawn(async move { run(&arguments).await }).await }) {
        Ok(Ok(true)) => ExitCode::SUCCESS,
        Ok(Ok(false)) => ExitCode::FAILURE,
        Ok(Err(error)) => fail(&*error),
        Err(error) => fail(&error),
    }
}

fn fail(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("jobq-bench: {error}");
    ExitCode::from(2)
}

pub(crate) type AnyResult<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

async fn run(arguments: &Arguments) -> AnyResult<bool> {
    if arguments.crash_worker {
        let url = arguments.redis.as_deref().ok_or("--crash-worker needs --redis")?;
        return scenario::crash::worker(url).await.map(|()| true);
    }
    if arguments.rate_worker {
        let url = arguments.redis.as_deref().ok_or("--rate-worker needs --redis")?;
        return scenario::rate::worker(url).await.map(|()| true);
    }
    if let (Some(role), Some(observer)) = (arguments.soak_role, &arguments.observer) {
        let url = arguments.redis.as_deref().ok_or("--soak-role needs --redis")?;
        return soak::play(role, url, observer).await.map(|()| true);
    }
    if arguments.scenarios.contains(&Scenario::Soak) {
        return soak(arguments).await;
    }
    let server = match &arguments.redis {
        Some(url) => Server::at(url).await?,
        None => Server::private().await?,
    };
    let all = [
        Scenario::EnqueueBulk,
        Scenario::EnqueueConcurrent,
        Scenario::EnqueueSequential,
        Scenario::Drain,
        Scenario::DrainSequential,
        Scenario::Pickup,
        Scenario::Idle,
        Scenario::Memory,
        Scenario::Due,
        Scenario::Backlog,
        Scenario::Crash,
        Scenario::Limits,
        Scenario::Lanes,
        Scenario::Crowd,
        Scenario::Batch,
        Scenario::Schedules,
        Scenario::MemoryBackend,
    ];
    let chosen: &[Scenario] =
        if arguments.scenarios.contains(&Scenario::All) { &all } else { &arguments.scenarios };
    let mut report = Report::new(arguments.json);
    for scenario in chosen {
        let mut figures = Vec::new();
        for run in 1..=arguments.runs {
            if !arguments.json {
                eprintln!("{scenario:?}: run {run} of {}", arguments.runs);
            }
            let seed = arguments.seed.unwrap_or_else(random).wrapping_add(u64::from(run));
            figures.push(measure(*scenario, &server, seed).await?);
        }
        report.add(&figures);
    }
    report.print();
    Ok(report.all_met())
}

async fn soak(arguments: &Arguments) -> AnyResult<bool> {
    if arguments.scenarios.len() > 1 || arguments.redis.is_some() {
        return Err("soak is run by itself, with a Redis of its own".into());
    }
    if !(0.1..=10_000.0).contains(&arguments.minutes) {
        return Err("--minutes must be 0.1 to 10000".into());
    }
    let seed = arguments.seed.unwrap_or_else(random);
    soak::run(soak::Plan { minutes: arguments.minutes, seed, rate: arguments.rate }).await
}

/// A number nobody knows before.
fn random() -> u64 {
    RandomState::new().build_hasher().finish() >> 32
}

async fn measure(scenario: Scenario, server: &Server, seed: u64) -> AnyResult<Vec<Figure>> {
    match scenario {
        Scenario::EnqueueBulk => scenario::enqueue::bulk(server).await,
        Scenario::EnqueueConcurrent => scenario::enqueue::concurrent(server).await,
        Scenario::EnqueueSequential => scenario::enqueue::sequential(server).await,
        Scenario::Drain => scenario::drain::best(server).await,
        Scenario::DrainSequential => scenario::drain::sequential(server).await,
        Scenario::Pickup => scenario::pickup::run(server).await,
        Scenario::Idle => scenario::idle::run(server).await,
        Scenario::Memory => scenario::memory::run(server).await,
        Scenario::Due => scenario::due::run(server).await,
        Scenario::Backlog => scenario::backlog::run(server).await,
        Scenario::Crash => scenario::crash::run(server, seed).await,
        Scenario::Rate => scenario::rate::run(server, seed).await,
        Scenario::Limits => scenario::limits::run(server).await,
        Scenario::Lanes => scenario::lanes::run(server).await,
        Scenario::Batch => scenario::batch::run(server).await,
        Scenario::Crowd => scenario::crowd::run(server).await,
        Scenario::Schedules => scenario::schedules::run(server).await,
        Scenario::CliMillion => scenario::cli_million::run(server).await,
        Scenario::MemoryBackend => scenario::memory_backend::run().await,
        Scenario::All | Scenario::Soak => Ok(Vec::new()),
    }
}
