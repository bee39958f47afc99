//! `work`: the worker alone.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::{Clock, Job, SystemClock};
use jobq_worker::{Summary, Worker};
use program::{Failure, report};
use serde_json::json;

use super::open;
use crate::app::App;
use crate::cli::WorkArgs;
use crate::condense::condense_context;
use crate::dispatch::Dispatcher;
use crate::job::CondenseContext;
use crate::model::Model;
use crate::patrol::Patrol;
use crate::queue::Opened;

/// A worker for the one job of this system, to be run.
pub fn worker(queue: &Opened, app: App, concurrency: usize, lease: Duration) -> Worker {
    Worker::new(Arc::clone(&queue.backend))
        .queues([CondenseContext::QUEUE])
        .concurrency(concurrency)
        .lease(lease)
        .state(app)
        .handle(condense_context)
}

pub(super) async fn work(args: WorkArgs) -> Result<(), Failure> {
    let key = args.model.model_key.as_deref();
    let model = Model::new(&args.model.model, key, args.model.timeout())?;
    let queue = Opened::redis(&args.redis.redis).await?;
    let store = open(&args.database.url()).await?;
    let app = App { store: store.clone(), model };
    let lease = Duration::from_secs(args.manner.lease);
    let worker = worker(&queue, app, args.manner.concurrency, lease);
    let mut patrol = Patrol::new(store, Dispatcher::Queue(queue));
    let done = if args.once || args.stop_when_empty {
        // Nobody comes by later.
        let now = SystemClock::default().now();
        while patrol.round(now).await?.lost > 0 {}
        let worker = if args.once { worker.once() } else { worker.stop_when_empty() };
        worker.run().await
    } else {
        tokio::select! {
            done = worker.run() => done,
            never = patrol.run() => never,
        }
    };
    print(&done.map_err(Failure::of_worker)?, args.json);
    Ok(())
}

pub(super) fn print(done: &Summary, as_json: bool) {
    if !as_json {
        return report::line(&done.to_string());
    }
    report::json(&json!({
        "completed": done.completed,
        "retried": done.retried,
        "failed": done.dead,
        "cancelled": done.cancelled,
        "seconds": (done.elapsed.as_secs_f64() * 10.0).round() / 10.0,
    }));
}
