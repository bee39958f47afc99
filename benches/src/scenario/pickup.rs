//! How soon an idle worker starts a job.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobq_core::Queue;
use jobq_worker::{State, Worker};
use tokio::sync::oneshot;

use crate::AnyResult;
use crate::figure::{Bar, Figure, Figures};
use crate::load::{Noop, QUEUE};
use crate::server::Server;

const JOBS: u64 = 500;
const PAUSE: Duration = Duration::from_millis(20);

/// When each handler started, in the order of the jobs' numbers.
type Starts = Arc<Mutex<Vec<Option<Instant>>>>;

async fn note_start(job: Noop, State(starts): State<Starts>) {
    let now = Instant::now();
    if let Ok(number) = usize::try_from(job.number) {
        starts.lock().unwrap_or_else(PoisonError::into_inner)[number] = Some(now);
    }
}

pub(crate) async fn run(server: &Server) -> AnyResult<Vec<Figure>> {
    let queue = server.fresh().await?;
    let starts: Starts = Arc::new(Mutex::new(vec![None; usize::try_from(JOBS)?]));
    let (stop, stopped) = oneshot::channel::<()>();
    let worker = tokio::spawn(
        Worker::new(queue.clone())
            .queues([QUEUE])
            .concurrency(10)
            .state(Arc::clone(&starts))
            .handle(note_start)
            .run_until(async {
                let _ = stopped.await;
            }),
    );
    // The first look has been taken, and the wait has begun.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut calls = Vec::new();
    let mut ticks = tokio::time::interval(PAUSE);
    for number in 0..JOBS {
        ticks.tick().await;
        calls.push(Instant::now());
        queue.enqueue(Noop::new(number)).await?;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let _ = stop.send(());
    worker.await??;

    let starts = starts.lock().unwrap_or_else(PoisonError::into_inner);
    let mut delays: Vec<f64> = calls
        .iter()
        .zip(starts.iter())
        .map(|(call, start)| {
            start.map_or(f64::INFINITY, |start| (start - *call).as_secs_f64() * 1e3)
        })
        .collect();
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[(delays.len() as f64 * share) as usize];
    let mut figures = Figures::of("pickup");
    figures.add("p50", at(0.50), "ms", Bar::AtMost(0.8));
    figures.add("p99", at(0.99), "ms", Bar::AtMost(2.0));
    figures.add("max", delays[delays.len() - 1], "ms", Bar::None);
    Ok(figures.done())
}
