//! What a waiting job takes, and what it leaves.

use jobq_core::Queue;

use super::drain::drain;
use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::Noop;
use crate::server::Server;

const JOBS: u64 = 200_000;

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    // What a queue takes once, whatever goes through it, is no part of a job.
    queue.enqueue_all((0..100).map(Noop::new)).await?;
    drain(queue.clone(), 50, 100).await?;
    let before = server.counters().await?;
    queue.enqueue_all((0..JOBS).map(Noop::new)).await?;
    let full = server.counters().await?;
    drain(queue, 512, JOBS).await?;
    let keys_left: u64 = {
        let mut control = server.control();
        let left: u64 =
            redis::cmd("HLEN").arg("{jobq:bench}:jobs").query_async(&mut control).await?;
        let facts: u64 =
            redis::cmd("HLEN").arg("{jobq:bench}:facts").query_async(&mut control).await?;
        left + facts
    };

    let jobs = JOBS as f64;
    let payload = Noop::payload_bytes() as f64;
    let mut figures = Figures::of("memory");
    let waiting = (full.memory - before.memory) / jobs;
    figures.add("waiting-job", waiting, "bytes", Bar::AtMost(payload + 150.0));
    figures.add("payload", payload, "bytes", Bar::None);
    figures.add("entries-left", keys_left as f64, "entries", Bar::AtMost(0.0));
    Ok(figures.done())
}
