//! What a process tells of its health: over HTTP, on the memory backend.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod events;
#[path = "../support/http.rs"]
mod http;
mod listening;
mod liveness;
mod metrics;
#[path = "../support/openmetrics.rs"]
mod openmetrics;
mod readiness;
#[cfg(feature = "metrics")]
mod recorder;
mod redis;

use jobq_core::{Job, JobError, JobResult, MemoryBackend};
use jobq_worker::health::Listener;
use jobq_worker::{Health, Worker};
use serde::{Deserialize, Serialize};

/// A job that ends as it says.
#[derive(Serialize, Deserialize, Job)]
#[job(kind = "work", queue = "crm", max_attempts = 2, backoff = "fixed(1ms)", jitter = "none")]
pub(crate) struct Work {
    pub(crate) fails: bool,
}

pub(crate) async fn work(job: Work) -> JobResult {
    if job.fails { Err(JobError::retry("no luck")) } else { Ok(()) }
}

pub(crate) fn worker(store: &MemoryBackend) -> Worker {
    Worker::new(store.clone()).handle(work)
}

/// The health of a store, and where it is served.
pub(crate) fn served(store: &MemoryBackend) -> (Health, Listener) {
    let health = Health::new(store);
    let listener = health.listen("0").unwrap();
    (health, listener)
}
