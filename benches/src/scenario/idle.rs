//! What an idle worker costs.

use std::time::Duration;

use jobq_worker::Worker;
use tokio::sync::oneshot;

use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::{QUEUE, noop};
use crate::server::Server;

const WATCHED: Duration = Duration::from_secs(20);

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = tokio::spawn(
        Worker::new(queue).queues([QUEUE]).concurrency(50).handle(noop).run_until(async {
            let _ = stopped.await;
        }),
    );
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = server.counters().await?;
    tokio::time::sleep(WATCHED).await;
    let after = server.counters().await?;
    let _ = stop.send(());
    worker.await??;

    // A script's commands count as the server's work, not as the worker's requests; the INFO is ours.
    let mut figures = Figures::of("idle");
    let commands = (after.commands - before.commands - 1.0) / WATCHED.as_secs_f64();
    figures.add("commands", commands, "commands/s", Bar::AtMost(1.0));
    let cpu = (after.cpu_us - before.cpu_us) / 1e4 / WATCHED.as_secs_f64();
    figures.add("redis-cpu", cpu, "% of a core", Bar::None);
    Ok(figures.done())
}
