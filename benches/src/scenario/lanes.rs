//! What the number of lanes costs.

use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::scenario::limits::drained;
use crate::server::Server;

const FEW: u64 = 10;
const MANY: u64 = 100_000;

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let few = drained(server, FEW, None).await?;
    let many = drained(server, MANY, None).await?;

    let mut figures = Figures::of("lanes");
    figures.add("rate-10", few.rate, "jobs/s", Bar::None);
    figures.add("redis-cpu-10", few.redis_cpu_us, "us/job", Bar::None);
    figures.add("rate-100k", many.rate, "jobs/s", Bar::None);
    figures.add("redis-cpu-100k", many.redis_cpu_us, "us/job", Bar::None);
    // The logarithm of the one is 3.3, of the other 16.6.
    figures.add(
        "redis-cpu-ratio",
        many.redis_cpu_us / few.redis_cpu_us,
        "of 10 lanes",
        Bar::AtMost(3.0),
    );
    Ok(figures.done())
}
