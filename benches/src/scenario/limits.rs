//! What a limit costs that is not reached: drains with and without one, in turns.

use std::time::Duration;

use jobq_core::{Backend, LaneKey, LimitScope, LimitSource, Limits, Queue, QueueName, Rate};

use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::{Noop, QUEUE};
use crate::scenario::drain::{Drain, drain_measured};
use crate::server::Server;

const JOBS: u64 = 100_000;
const CONCURRENCY: usize = 512;
const LANES: u64 = 100;

/// More than any drain leases in a minute.
fn out_of_reach() -> Limits {
    let rate = Rate::fixed(1_000_000_000, Duration::from_secs(60));
    Limits::new().rate(rate).concurrency(1_000_000)
}

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = QueueName::new(QUEUE)?;
    let of_queue = LimitScope::Queue(queue.clone());
    let of_lanes = LimitScope::Lanes(queue);

    let free = drained(server, 0, None).await?;
    let limited = drained(server, 0, Some(&of_queue)).await?;
    let free_lanes = drained(server, LANES, None).await?;
    let limited_lanes = drained(server, LANES, Some(&of_lanes)).await?;

    let mut figures = Figures::of("limits");
    figures.add("queue-rate", limited.rate, "jobs/s", Bar::None);
    figures.add("queue-ratio", limited.rate / free.rate, "of no limit", Bar::AtLeast(0.9));
    figures.add("queue-redis-cpu", limited.redis_cpu_us, "us/job", Bar::None);
    figures.add("lanes-rate", limited_lanes.rate, "jobs/s", Bar::None);
    figures.add(
        "lanes-ratio",
        limited_lanes.rate / free_lanes.rate,
        "of no limit",
        Bar::AtLeast(0.9),
    );
    figures.add("lanes-redis-cpu", limited_lanes.redis_cpu_us, "us/job", Bar::None);
    Ok(figures.done())
}

/// A drain of jobs in so many lanes, or in none.
pub(crate) async fn drained(
    server: &Server,
    lanes: u64,
    limited: Option<&LimitScope>,
) -> AnyResult<Drain> {
    let backend = server.fresh().await?;
    if let Some(scope) = limited {
        backend.set_limits(scope, LimitSource::Code, &out_of_reach()).await?;
    }
    match JOBS.checked_div(lanes) {
        None => drop(backend.enqueue_all((0..JOBS).map(Noop::new)).await?),
        Some(per_lane) => {
            for lane in 0..lanes {
                let jobs = (0..per_lane).map(Noop::new);
                backend.enqueue_all(jobs).lane(LaneKey::new(lane)?).await?;
            }
        }
    }
    drain_measured(server, backend, CONCURRENCY, JOBS).await
}
