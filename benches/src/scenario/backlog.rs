//! Whether millions of jobs behind the first ones slow these down.

use std::time::Duration;

use jobq_core::{Backend, LeaseRequest, Queue, QueueName, WorkerId};
use jobq_redis::{RedisBackend, RedisConfig};

use super::drain::drain_measured;
use super::due::{begin_slow_log, longest_script};
use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::{Noop, QUEUE};
use crate::server::Server;

/// Each drain leaves what stands behind it as it was.
const ROUND: u64 = 10_000;
const ROUNDS: u64 = 20;
const FEW_WAITING: u64 = 10_000;
const MANY_WAITING: u64 = 5_000_000;
const SCHEDULED: u64 = 1_000_000;
const IN_FLIGHT: usize = 10_000;
const CONCURRENCY: usize = 512;

/// The sums of all rounds.
#[derive(Default)]
struct Sum {
    jobs: f64,
    seconds: f64,
    redis_cpu_us: f64,
}

impl Sum {
    /// Drains as many jobs as were added, and counts the drain only.
    async fn add_round(&mut self, server: &Server, queue: &RedisBackend) -> AnyResult {
        queue.enqueue_all((0..ROUND).map(Noop::new)).await?;
        let jobs = ROUND as f64;
        let drain = drain_measured(server, queue.clone(), CONCURRENCY, ROUND).await?;
        self.jobs += jobs;
        self.seconds += jobs / drain.rate;
        self.redis_cpu_us += jobs * drain.redis_cpu_us;
        Ok(())
    }

    fn rate(&self) -> f64 {
        self.jobs / self.seconds
    }

    fn cpu_per_job(&self) -> f64 {
        self.redis_cpu_us / self.jobs
    }
}

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue_of_many = server.fresh().await?;
    // A second queue of the same server, under another prefix.
    let config = RedisConfig::new(server.url())?.prefix("few")?;
    let queue_of_few = RedisBackend::connect_with(config).await?;
    queue_of_few.enqueue_all((0..FEW_WAITING).map(Noop::new)).await?;
    fill(&queue_of_many).await?;

    begin_slow_log(server).await?;
    let (mut few, mut many) = (Sum::default(), Sum::default());
    // In turns, so that both see the same machine.
    for round in 0..ROUNDS {
        if round % 2 == 0 {
            few.add_round(server, &queue_of_few).await?;
            many.add_round(server, &queue_of_many).await?;
        } else {
            many.add_round(server, &queue_of_many).await?;
            few.add_round(server, &queue_of_few).await?;
        }
    }
    let longest = longest_script(server).await?;
    // Not left for the next measurement to carry.
    server.fresh().await?;

    let mut figures = Figures::of("backlog");
    figures.add("rate-at-10k", few.rate(), "jobs/s", Bar::None);
    figures.add("rate-at-5m", many.rate(), "jobs/s", Bar::None);
    figures.add("rate-kept", many.rate() / few.rate(), "ratio", Bar::AtLeast(0.75));
    let growth = many.cpu_per_job() / few.cpu_per_job();
    figures.add("cpu-growth", growth, "ratio", Bar::AtMost(1.25));
    figures.add("longest-script", longest, "ms", Bar::AtMost(5.0));
    Ok(figures.done())
}

/// Millions waiting, a million scheduled, and ten thousand held by workers.
async fn fill(queue: &RedisBackend) -> AnyResult {
    queue.enqueue_all((0..MANY_WAITING + IN_FLIGHT as u64).map(Noop::new)).await?;
    let later = Duration::from_secs(24 * 60 * 60);
    queue.enqueue_all((0..SCHEDULED).map(Noop::new)).after(later).await?;
    let name = QueueName::new(QUEUE)?;
    let mut held = 0;
    while held < IN_FLIGHT {
        let request = LeaseRequest::new(WorkerId::generate(), IN_FLIGHT - held, later);
        held += queue.exchange(&name, &[], Some(request)).await?.leases.len();
    }
    Ok(())
}
