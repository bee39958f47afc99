//! How fast jobs can be enqueued.

use std::time::Instant;

use jobq_core::Queue;

use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::Noop;
use crate::server::Server;

const BULK: u64 = 300_000;
const CONCURRENT: u64 = 100_000;
const CALLERS: u64 = 50;
const SEQUENTIAL: u64 = 20_000;

pub(crate) async fn bulk(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    let before = server.counters().await?;
    let started = Instant::now();
    let sum = queue.enqueue_all((0..BULK).map(Noop::new)).await?;
    let seconds = started.elapsed().as_secs_f64();
    let after = server.counters().await?;
    assert_eq!(sum.created, BULK);

    let jobs = BULK as f64;
    let mut figures = Figures::of("enqueue-bulk");
    figures.add("rate", jobs / seconds, "jobs/s", Bar::AtLeast(120_000.0));
    figures.add("redis-cpu", (after.cpu_us - before.cpu_us) / jobs, "us/job", Bar::AtMost(6.0));
    Ok(figures.done())
}

pub(crate) async fn concurrent(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    let before = server.counters().await?;
    let started = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let queue = queue.clone();
            tokio::spawn(async move {
                for number in 0..CONCURRENT / CALLERS {
                    queue.enqueue(Noop::new(caller * CONCURRENT + number)).await?;
                }
                Ok::<_, jobq_core::Error>(())
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    let seconds = started.elapsed().as_secs_f64();
    let after = server.counters().await?;

    let jobs = CONCURRENT as f64;
    let mut figures = Figures::of("enqueue-concurrent");
    figures.add("rate", jobs / seconds, "jobs/s", Bar::AtLeast(60_000.0));
    figures.add("redis-cpu", (after.cpu_us - before.cpu_us) / jobs, "us/job", Bar::None);
    Ok(figures.done())
}

pub(crate) async fn sequential(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    let mut control = server.control();
    let payload = vec![b'x'; Noop::payload_bytes()];
    let (mut set_seconds, mut enqueue_seconds) = (0.0, 0.0);
    let before = server.counters().await?;
    // In turns, so that both see the same machine.
    const TURNS: u64 = 20;
    for turn in 0..TURNS {
        let started = Instant::now();
        for number in 0..SEQUENTIAL / TURNS {
            redis::cmd("SET").arg(number).arg(&payload).exec_async(&mut control).await?;
        }
        set_seconds += started.elapsed().as_secs_f64();
        let started = Instant::now();
        for number in 0..SEQUENTIAL / TURNS {
            queue.enqueue(Noop::new(turn * SEQUENTIAL + number)).await?;
        }
        enqueue_seconds += started.elapsed().as_secs_f64();
    }
    let after = server.counters().await?;

    let jobs = SEQUENTIAL as f64;
    let mut figures = Figures::of("enqueue-sequential");
    figures.add("rate", jobs / enqueue_seconds, "jobs/s", Bar::None);
    figures.add("of-bare-set", set_seconds / enqueue_seconds, "ratio", Bar::AtLeast(0.8));
    let calls = (after.script_calls - before.script_calls) / jobs;
    figures.add("round-trips", calls, "calls/job", Bar::AtMost(1.001));
    Ok(figures.done())
}
