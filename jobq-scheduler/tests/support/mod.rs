//! What the chapters share: a store whose time is tokio's, and schedules of jobs that say when.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(dead_code, reason = "no chapter needs all of it")]
#![allow(unreachable_pub, reason = "each chapter is a crate of its own")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jobq_core::{
    Backend, Clock, Held, Inspect, Job, JobId, JobState, Lease, LeaseRequest, MemoryBackend, Next,
    QueueName, Settlement, Timestamp, WorkerId,
};
use jobq_scheduler::{Scheduler, Summary};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A Monday at midnight.
pub const MONDAY: Timestamp = Timestamp::from_millis(1_800_230_400_000);

/// Follows tokio's clock, and can be put forward and back.
#[derive(Clone, Debug)]
pub struct StepClock {
    began_at: Instant,
    step_ms: Arc<AtomicI64>,
}

impl StepClock {
    pub fn new() -> Self {
        Self { began_at: Instant::now(), step_ms: Arc::default() }
    }

    pub fn step(&self, ms: i64) {
        self.step_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for StepClock {
    fn now(&self) -> Timestamp {
        let step = self.step_ms.load(Ordering::SeqCst);
        let size = Duration::from_millis(step.unsigned_abs());
        let now = MONDAY + self.began_at.elapsed();
        if step < 0 { now - size } else { now + size }
    }
}

/// The job of most schedules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(kind = "prune", queue = "maintenance")]
pub struct Prune {
    pub hours: u32,
}

pub fn prune() -> Prune {
    Prune { hours: 168 }
}

pub fn backend() -> MemoryBackend {
    MemoryBackend::with_clock(StepClock::new())
}

pub fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

/// A scheduler that runs until it is stopped, or killed by dropping this.
pub struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<jobq_core::Result<Summary>>,
}

impl Running {
    pub fn start(scheduler: Scheduler) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        Self { stop: Some(stop), task: tokio::spawn(scheduler.run_until(stopped)) }
    }

    pub async fn stop(mut self) -> Summary {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.task).await.unwrap().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub async fn sleep_until(backend: &MemoryBackend, instant: Timestamp) {
    let now = backend.clock().now();
    assert!(now <= instant, "it is {now} already");
    tokio::time::sleep(instant.since(now)).await;
}

/// Leases all ready jobs of a queue.
pub async fn lease(backend: &MemoryBackend, queue: &QueueName) -> Vec<Arc<Lease>> {
    let request = LeaseRequest::new(WorkerId::from_u64(1), 1_000, Duration::from_secs(86_400));
    backend.exchange(queue, &[], Some(request)).await.unwrap().leases
}

pub async fn ack(backend: &MemoryBackend, queue: &QueueName, lease: &Arc<Lease>) {
    let done = Settlement::new(Arc::clone(lease), Next::Complete { result: None });
    let held = backend.exchange(queue, &[done], None).await.unwrap().held;
    assert_eq!(held, [Held::Yes]);
}

/// Takes all jobs out of a queue, and gives their ticks, each as the time since [`MONDAY`] in seconds.
pub async fn ticks(backend: &MemoryBackend, name: &str) -> Vec<u64> {
    let queue = queue(name);
    let mut ticks = Vec::new();
    for lease in lease(backend, &queue).await {
        ack(backend, &queue, &lease).await;
        ticks.push(tick_of(&lease));
    }
    ticks
}

pub fn tick_of(lease: &Lease) -> u64 {
    let text = lease.job.metadata.get("tick").unwrap();
    let ms: jiff::Timestamp = text.parse().unwrap();
    (u64::try_from(ms.as_millisecond()).unwrap() - MONDAY.as_millis()) / 1_000
}

pub async fn state(backend: &MemoryBackend, queue: &QueueName, id: JobId) -> Option<JobState> {
    backend.job(queue, id).await.unwrap().map(|view| view.state)
}
