//! How fast a worker empties a queue.

use std::time::Instant;

use jobq_core::{Backend, Queue};
use jobq_worker::Worker;

use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::{Noop, QUEUE, noop};
use crate::server::{Counters, Server};

const JOBS: u64 = 200_000;
const SEQUENTIAL_JOBS: u64 = 30_000;
/// The concurrencies of which the best counts.
const CONCURRENCIES: [usize; 3] = [128, 512, 1024];

/// Rate and cost of one drain.
pub(crate) struct Drain {
    pub(crate) rate: f64,
    pub(crate) redis_cpu_us: f64,
    pub(crate) script_calls: f64,
}

/// Runs a worker until `jobs` jobs are done.
pub(crate) async fn drain<B: Backend + Clone>(
    backend: B,
    concurrency: usize,
    jobs: u64,
) -> AnyResult<f64> {
    let started = Instant::now();
    let summary = Worker::new(backend)
        .queues([QUEUE])
        .concurrency(concurrency)
        .handle(noop)
        .max_jobs(jobs)
        .run_until(std::future::pending::<()>())
        .await?;
    let seconds = started.elapsed().as_secs_f64();
    if summary.processed != jobs || summary.failed != 0 {
        return Err(format!("not all of {jobs} jobs were done: {summary:?}").into());
    }
    Ok(jobs as f64 / seconds)
}

pub(crate) async fn drain_measured(
    server: &Server,
    backend: jobq_redis::RedisBackend,
    concurrency: usize,
    jobs: u64,
) -> AnyResult<Drain> {
    let before = server.counters().await?;
    let rate = drain(backend, concurrency, jobs).await?;
    let Counters { cpu_us, script_calls, .. } = server.counters().await?;
    Ok(Drain {
        rate,
        redis_cpu_us: (cpu_us - before.cpu_us) / jobs as f64,
        script_calls: (script_calls - before.script_calls) / jobs as f64,
    })
}

pub(crate) async fn best(server: &Server) -> AnyResult<Vec<Figure>> {
    let mut drains = Vec::new();
    for concurrency in CONCURRENCIES {
        let queue = server.fresh().await?;
        queue.enqueue_all((0..JOBS).map(Noop::new)).await?;
        drains.push((concurrency, drain_measured(server, queue, concurrency, JOBS).await?));
    }
    let (concurrency, best) = drains
        .into_iter()
        .max_by(|(_, a), (_, b)| a.rate.total_cmp(&b.rate))
        .ok_or("no concurrency was tried")?;

    let mut figures = Figures::of("drain");
    figures.add("rate", best.rate, "jobs/s", Bar::AtLeast(80_000.0));
    figures.add("redis-cpu", best.redis_cpu_us, "us/job", Bar::AtMost(9.0));
    figures.add("script-calls", best.script_calls, "calls/job", Bar::AtMost(0.2));
    figures.add("best-concurrency", concurrency as f64, "jobs", Bar::None);
    Ok(figures.done())
}

pub(crate) async fn sequential(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    queue.enqueue_all((0..SEQUENTIAL_JOBS).map(Noop::new)).await?;
    let drain = drain_measured(server, queue, 1, SEQUENTIAL_JOBS).await?;

    let mut figures = Figures::of("drain-sequential");
    figures.add("rate", drain.rate, "jobs/s", Bar::AtLeast(8_000.0));
    figures.add("redis-cpu", drain.redis_cpu_us, "us/job", Bar::None);
    figures.add("script-calls", drain.script_calls, "calls/job", Bar::None);
    Ok(figures.done())
}
