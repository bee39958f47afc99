//! Which queue an address means, and who works on it.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::{Backend, Inspect, Limits, MemoryBackend};
use jobq_redis::RedisBackend;
use jobq_scheduler::{Schedule, Scheduler};
use jobq_worker::Worker;
use program::Failure;

use crate::app::App;
use crate::deliver::deliver_message;
use crate::jobs::{INBOX_QUEUE, OUTBOX_QUEUE, PruneMessages, UPKEEP_QUEUE};
use crate::process::process_message;
use crate::upkeep::prune_messages;

/// How many deliveries to one destination run at once, over all processes: one that does not answer holds
/// up its own.
const DELIVERIES_TO_ONE: u32 = 4;
/// Of so many places in a worker one is kept from deliveries, which mostly wait for others.
const SHARE: usize = 4;

/// An open queue. Clones are the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OpenQueue {
    /// For those who enqueue and work.
    pub backend: Arc<dyn Backend>,
    /// For those who look.
    pub inspect: Arc<dyn Inspect>,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Memory(MemoryBackend),
    Redis(RedisBackend),
}

impl OpenQueue {
    /// A queue in the memory of this process.
    #[must_use]
    pub fn memory(backend: MemoryBackend) -> Self {
        let shared = Arc::new(backend.clone());
        Self { inspect: Arc::clone(&shared) as _, backend: shared, place: Place::Memory(backend) }
    }

    /// A queue in Redis.
    #[must_use]
    pub fn redis(backend: RedisBackend) -> Self {
        let shared = Arc::new(backend.clone());
        Self { inspect: Arc::clone(&shared) as _, backend: shared, place: Place::Redis(backend) }
    }

    /// The queue at an address: `memory:`, or `redis://HOST:PORT`.
    ///
    /// # Errors
    ///
    /// When it is no address of a queue, or the server cannot be reached.
    pub async fn open(url: &str) -> Result<Self, Failure> {
        Self::check(url)?;
        if is_memory(url) {
            return Ok(Self::memory(MemoryBackend::new()));
        }
        Ok(Self::redis(RedisBackend::connect(url).await?))
    }

    /// Whether this can be an address of a queue, without asking anybody.
    pub(crate) fn check(url: &str) -> Result<(), Failure> {
        let is_redis =
            ["redis://", "rediss://", "unix://"].iter().any(|scheme| url.starts_with(scheme));
        if is_memory(url) || (is_redis && reqwest::Url::parse(url).is_ok()) {
            return Ok(());
        }
        let message = "the queue must be memory: or redis://HOST:PORT";
        Err(Failure::usage(message))
    }

    /// Whether it ends with this process, and nobody else sees it.
    #[must_use]
    pub const fn is_memory(&self) -> bool {
        matches!(self.place, Place::Memory(_))
    }

    /// A worker for messages, to be run.
    pub fn message_worker(&self, app: App, concurrency: usize, lease: Duration) -> Worker {
        let deliveries = (concurrency - concurrency / SHARE).max(1);
        Worker::new(Arc::clone(&self.backend))
            .weighted_queues([(INBOX_QUEUE, 1), (OUTBOX_QUEUE, 1)])
            .concurrency(concurrency)
            .queue_concurrency(OUTBOX_QUEUE, deliveries)
            .limit_lanes(OUTBOX_QUEUE, Limits::new().concurrency(DELIVERIES_TO_ONE))
            .lease(lease)
            .state(app)
            .handle(process_message)
            .handle(deliver_message)
    }

    /// A worker for what keeps the tables small. One of its own, so that its jobs are no messages of a pass.
    pub(crate) fn upkeep_worker(&self, app: App) -> Worker {
        Worker::new(Arc::clone(&self.backend))
            .queues([UPKEEP_QUEUE])
            .concurrency(1)
            .state(app)
            .handle(prune_messages)
    }

    /// A scheduler that has the tables pruned: each tick once, in however many processes it runs.
    pub(crate) fn scheduler(&self, upkeep: &Upkeep) -> Scheduler {
        let prune = Schedule::daily_at(&upkeep.prune_at)
            .timezone(&upkeep.timezone)
            .without_overlapping()
            .job(PruneMessages { days: upkeep.keep_days });
        match &self.place {
            Place::Memory(backend) => Scheduler::new(backend.clone()),
            Place::Redis(backend) => Scheduler::new(backend.clone()),
        }
        .group("crm-relay")
        .schedule("prune", prune)
    }
}

fn is_memory(url: &str) -> bool {
    matches!(url, "memory:" | "memory" | "memory://")
}

/// When the tables are pruned, and what is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Upkeep {
    /// The time of day, such as `03:30`.
    pub prune_at: String,
    /// Where it is that time, such as `Europe/Warsaw`.
    pub timezone: String,
    /// For how many days messages are kept that were processed or sent.
    pub keep_days: u32,
}

impl Default for Upkeep {
    fn default() -> Self {
        Self { prune_at: "03:30".to_owned(), timezone: "UTC".to_owned(), keep_days: 30 }
    }
}
