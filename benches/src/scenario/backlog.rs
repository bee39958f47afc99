//! Whether millions of jobs behind the first ones slow these down.

use std::time::Duration;

use jobq_core::{Backend, LeaseRequest, Queue, QueueName, WorkerId};

use super::drain::drain_measured;
use super::due::longest_script;
use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::{Noop, QUEUE};
use crate::server::Server;

const MEASURED: u64 = 100_000;
const FEW_WAITING: u64 = 10_000;
const MANY_WAITING: u64 = 5_000_000;
const SCHEDULED: u64 = 1_000_000;
const IN_FLIGHT: usize = 10_000;
const CONCURRENCY: usize = 512;

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let mut control = server.control();
    redis::cmd("CONFIG")
        .arg("SET")
        .arg("slowlog-log-slower-than")
        .arg(1_000)
        .exec_async(&mut control)
        .await?;
    let queue = server.fresh().await?;
    queue.enqueue_all((0..FEW_WAITING + MEASURED).map(Noop::new)).await?;
    let few = drain_measured(server, queue, CONCURRENCY, MEASURED).await?;

    let queue = server.fresh().await?;
    queue.enqueue_all((0..MANY_WAITING + MEASURED).map(Noop::new)).await?;
    let later = Duration::from_secs(24 * 60 * 60);
    queue.enqueue_all((0..SCHEDULED).map(Noop::new)).after(later).await?;
    let name = QueueName::new(QUEUE)?;
    let mut held = 0;
    while held < IN_FLIGHT {
        let request = LeaseRequest::new(WorkerId::generate(), IN_FLIGHT - held, later);
        held += queue.exchange(&name, &[], Some(request)).await?.leases.len();
    }
    redis::cmd("SLOWLOG").arg("RESET").exec_async(&mut control).await?;
    let many = drain_measured(server, queue, CONCURRENCY, MEASURED).await?;
    let longest = longest_script(server).await?;
    // Not left for the next measurement to carry.
    server.fresh().await?;

    let mut figures = Figures::of("backlog");
    figures.add("rate-at-10k", few.rate, "jobs/s", Bar::None);
    figures.add("rate-at-5m", many.rate, "jobs/s", Bar::None);
    figures.add("rate-kept", many.rate / few.rate, "ratio", Bar::AtLeast(0.75));
    figures.add("cpu-growth", many.redis_cpu_us / few.redis_cpu_us, "ratio", Bar::AtMost(1.25));
    figures.add("longest-script", longest, "ms", Bar::None);
    Ok(figures.done())
}
