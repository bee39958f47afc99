//! How fast a worker empties a queue of the memory backend.

use jobq_core::{MemoryBackend, Queue};

use super::drain::drain;
use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::Noop;

const JOBS: u64 = 500_000;

pub(crate) async fn run() -> AnyResult<Vec<Figure>> {
    let mut best = 0.0_f64;
    for concurrency in [128, 512] {
        let queue = MemoryBackend::new();
        queue.enqueue_all((0..JOBS).map(Noop::new)).await?;
        best = best.max(drain(queue, concurrency, JOBS).await?);
    }
    let mut figures = Figures::of("memory-backend");
    figures.add("rate", best, "jobs/s", Bar::AtLeast(300_000.0));
    Ok(figures.done())
}
