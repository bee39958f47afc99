//! A batch of a million jobs: streamed in, run, and followed by its callback.

use std::time::Instant;

use jobq_core::{BatchState, Queue};

use super::drain::drain_measured;
use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::{Noop, QUEUE};
use crate::server::Server;

const JOBS: u64 = 1_000_000;
const CONCURRENCY: usize = 512;
const CALLBACKS: u64 = 1;

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    let callback = Noop::new(u64::MAX);
    let batch = queue.batch("a million").on(QUEUE).on_complete(callback).open().await?;

    let (started, before) = (Instant::now(), peak_memory()?);
    batch.enqueue_all((0..JOBS).map(Noop::new)).await?;
    let enqueued_in = started.elapsed().as_secs_f64();
    let grown = peak_memory()?.saturating_sub(before);
    batch.close().await?;

    // One that is enqueued twice, or never, would make it fail, or last for ever.
    let drain = drain_measured(server, queue.clone(), CONCURRENCY, JOBS + CALLBACKS).await?;
    let asked = Instant::now();
    let view = batch.view().await?;
    let view_ms = asked.elapsed().as_secs_f64() * 1_000.0;
    if (view.total, view.done, view.state) != (JOBS, JOBS, BatchState::Succeeded) {
        return Err(format!("the batch does not add up: {view:?}").into());
    }

    let mut figures = Figures::of("batch");
    figures.add("enqueue-rate", JOBS as f64 / enqueued_in, "jobs/s", Bar::None);
    figures.add("memory-while-enqueueing", grown as f64 / 1024.0, "MiB", Bar::AtMost(64.0));
    figures.add("drain-rate", drain.rate, "jobs/s", Bar::None);
    figures.add("redis-cpu", drain.redis_cpu_us, "us/job", Bar::None);
    figures.add("view", view_ms, "ms", Bar::AtMost(5.0));
    Ok(figures.done())
}

/// The most memory this process has had, in KiB.
fn peak_memory() -> AnyResult<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).ok_or("no VmHWM")?;
    Ok(kib.parse()?)
}
