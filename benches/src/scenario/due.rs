//! Many jobs due at one instant.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jobq_core::{Queue, Timestamp};
use jobq_worker::{State, Worker};
use tokio::sync::Notify;

use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::{Noop, QUEUE};
use crate::server::Server;

const JOBS: u64 = 100_000;
/// Long enough to enqueue them all before.
const LEAD: Duration = Duration::from_secs(6);

#[derive(Clone)]
struct Count {
    done: Arc<AtomicU64>,
    all: Arc<Notify>,
}

async fn count(_: Noop, State(count): State<Count>) {
    if count.done.fetch_add(1, Ordering::Relaxed) + 1 == JOBS {
        count.all.notify_one();
    }
}

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    let mut control = server.control();
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut control).await?;
    let due = Timestamp::from_millis(seconds * 1_000 + micros / 1_000) + LEAD;
    let due_here = Instant::now() + LEAD;
    queue.enqueue_all((0..JOBS).map(Noop::new)).at(due).await?;
    if Instant::now() > due_here {
        return Err("enqueueing took longer than the lead".into());
    }
    begin_slow_log(server).await?;
    let count_of = Count { done: Arc::default(), all: Arc::default() };
    let all = Arc::clone(&count_of.all);
    Worker::new(queue)
        .queues([QUEUE])
        .concurrency(512)
        .state(count_of)
        .handle(count)
        .run_until(async move { all.notified().await })
        .await?;
    let seconds = (Instant::now() - due_here).as_secs_f64();

    let mut figures = Figures::of("due");
    figures.add("all-run-after", seconds, "s", Bar::AtMost(3.0));
    figures.add("longest-script", longest_script(server).await?, "ms", Bar::AtMost(5.0));
    Ok(figures.done())
}

/// How many slow calls the server keeps: more than there are in any measurement.
const SLOW_LOG: u32 = 100_000;

/// From now on the server logs what takes 1 ms or longer.
pub(crate) async fn begin_slow_log(server: &Server) -> AnyResult {
    let mut control = server.control();
    let mut config = redis::cmd("CONFIG");
    config.arg("SET").arg("slowlog-log-slower-than").arg(1_000).exec_async(&mut control).await?;
    let mut config = redis::cmd("CONFIG");
    config.arg("SET").arg("slowlog-max-len").arg(SLOW_LOG).exec_async(&mut control).await?;
    redis::cmd("SLOWLOG").arg("RESET").exec_async(&mut control).await?;
    Ok(())
}

/// The longest script call since the slow log was begun, in ms; 1 at least, for shorter ones are not
/// logged.
pub(crate) async fn longest_script(server: &Server) -> AnyResult<f64> {
    type Entry = (u64, u64, u64, Vec<Vec<u8>>, Vec<u8>, Vec<u8>);
    let entries: Vec<Entry> =
        redis::cmd("SLOWLOG").arg("GET").arg(SLOW_LOG).query_async(&mut server.control()).await?;
    let longest = entries
        .iter()
        .filter(|entry| {
            entry.3.first().is_some_and(|command| command.to_ascii_uppercase().starts_with(b"EVAL"))
        })
        .map(|entry| entry.2)
        .max()
        .unwrap_or(1_000);
    Ok(longest as f64 / 1e3)
}
