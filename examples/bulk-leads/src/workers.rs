//! The workers of a process: one for leads, and one for the messages at their ends.
//!
//! They are two so that neither has a place that the other one could take: a message mostly waits for its
//! receiver, and leads must not wait for it.

use std::sync::Arc;

use jobq_core::{Backend, Limits};
use jobq_worker::Worker;

use crate::app::App;
use crate::change_chunk::change_chunk;
use crate::finish_job::finish_job;
use crate::forget_ended::forget_ended;
use crate::jobs::{BULK_QUEUE, UPKEEP_QUEUE, WEBHOOK_QUEUE};
use crate::send_webhook::send_webhook;
use crate::split_job::split_job;

/// How many messages a process delivers at once. They cost next to nothing while they wait.
const MESSAGES_AT_ONCE: usize = 16;
/// How many of them to one user, over all processes: a receiver that does not answer holds up its own.
const MESSAGES_TO_A_USER: u32 = 2;

/// A worker for everything that changes leads, and for upkeep, to be run.
pub fn lead_worker(backend: Arc<dyn Backend>, app: App) -> Worker {
    Worker::new(backend)
        // Upkeep is rare and short, and would wait for ever behind leads that keep coming.
        .queues([UPKEEP_QUEUE, BULK_QUEUE])
        .state(app)
        .handle(split_job)
        .handle(change_chunk)
        .handle(finish_job)
        .handle(forget_ended)
}

/// A worker for the messages to callers, to be run.
pub fn webhook_worker(backend: Arc<dyn Backend>, app: App) -> Worker {
    Worker::new(backend)
        .queues([WEBHOOK_QUEUE])
        .concurrency(MESSAGES_AT_ONCE)
        .limit_lanes(WEBHOOK_QUEUE, Limits::new().concurrency(MESSAGES_TO_A_USER))
        .state(app)
        .handle(send_webhook)
}
