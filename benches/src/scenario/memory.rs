//! What a waiting job takes, and what it leaves.

use std::time::Duration;

use jobq_core::Queue;

use super::drain::drain;
use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::Noop;
use crate::server::Server;

const JOBS: u64 = 200_000;
const WARM_UP: u64 = 20_000;
const CONCURRENCY: usize = 512;

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    // What a queue and its connections take once, whatever goes through them, is no part of a job.
    queue.enqueue_all((0..WARM_UP).map(Noop::new)).await?;
    drain(queue.clone(), CONCURRENCY, WARM_UP).await?;
    let before = settled_memory(server).await?;
    queue.enqueue_all((0..JOBS).map(Noop::new)).await?;
    let full = server.counters().await?.memory;
    drain(queue, CONCURRENCY, JOBS).await?;
    let after = settled_memory(server).await?;
    let entries = entries_left(server).await?;

    let jobs = JOBS as f64;
    let payload = Noop::payload_bytes() as f64;
    let mut figures = Figures::of("memory");
    let waiting = (full - before) / jobs;
    figures.add("waiting-job", waiting, "bytes", Bar::AtMost(payload + 150.0));
    figures.add("payload", payload, "bytes", Bar::None);
    // A page or two more or less for the server's own affairs is less than one byte of each job.
    figures.add("left-per-job", (after - before) / jobs, "bytes", Bar::AtMost(1.0));
    figures.add("entries-left", entries as f64, "entries", Bar::AtMost(0.0));
    Ok(figures.done())
}

/// The memory in use once the server has freed what it frees in the background, and shrunk the buffers
/// of its connections: the least of some seconds.
async fn settled_memory(server: &Server) -> AnyResult<f64> {
    // Not every allocator knows it, and none has to.
    let _: Result<(), _> =
        redis::cmd("MEMORY").arg("PURGE").exec_async(&mut server.control()).await;
    let mut least = f64::INFINITY;
    for _ in 0..15 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        least = least.min(server.counters().await?.memory);
    }
    Ok(least)
}

/// The entries in all keys of the queue, but for those that it has once whatever went through it.
async fn entries_left(server: &Server) -> AnyResult<u64> {
    const PREFIX: &str = "{jobq:bench}:";
    let mut control = server.control();
    // The database holds nothing else, so there are few.
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("{PREFIX}*")).query_async(&mut control).await?;
    let mut left = 0;
    for key in keys {
        let part = key.strip_prefix(PREFIX).unwrap_or_default();
        if matches!(part, "meta" | "levels" | "wake") {
            continue;
        }
        let kind: String = redis::cmd("TYPE").arg(&key).query_async(&mut control).await?;
        let size = match kind.as_str() {
            "list" => "LLEN",
            "hash" => "HLEN",
            "zset" => "ZCARD",
            "set" => "SCARD",
            _ => "STRLEN",
        };
        let entries: u64 = redis::cmd(size).arg(&key).query_async(&mut control).await?;
        // The leases end with a sentinel.
        left += if part == "leased" { entries.saturating_sub(1) } else { entries };
    }
    Ok(left)
}
