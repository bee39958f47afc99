//! What the chapters share: a job that does what its payload says, a clock that follows tokio's, and
//! waits that end with an event or fail.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]
#![allow(dead_code, reason = "no chapter needs all of it")]
#![allow(unreachable_pub, reason = "each chapter is a crate of its own")]

pub mod faulty;
// The tests inside of the scheduler read a log in the same way, and that crate comes first.
#[path = "../../../jobq-scheduler/src/log.rs"]
pub mod log;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jobq_core::inspect::JobView;
use jobq_core::{
    Clock, Inspect, Job, JobContext, JobError, JobId, JobResult, JobState, MemoryBackend, Queue,
    QueueName, Timestamp,
};
use jobq_worker::{State, Summary, Worker};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

pub const SECOND: Duration = Duration::from_secs(1);

/// Follows tokio's clock, so that paused time is the backend's time, too.
#[derive(Debug)]
pub struct TokioClock {
    began_at: Instant,
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000) + self.began_at.elapsed()
    }
}

/// A store whose time is tokio's.
pub fn backend() -> MemoryBackend {
    MemoryBackend::with_clock(TokioClock { began_at: Instant::now() })
}

/// A job that does what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    Succeed,
    Return(u32),
    Fail(String),
    RetryAfterMs(u64),
    SnoozeMs(u64),
    Discard,
    Die,
    CancelItself,
    Panic(String),
    /// Takes this long, whatever anybody asks.
    TakeMs(u64),
    /// Waits for a request to stop, and then succeeds.
    SucceedWhenAsked,
    /// Waits for a request to stop, and then fails.
    FailWhenAsked,
}

impl Job for Act {
    const KIND: &'static str = "act";
    const MAX_ATTEMPTS: u32 = 3;
}

/// What a handler has seen: the job, and its context.
pub type Seen = (Act, JobContext);

/// Tells a test what its handlers do.
#[derive(Clone)]
pub struct Witness {
    sender: mpsc::UnboundedSender<Seen>,
    seen: Arc<Mutex<Vec<(Instant, Seen)>>>,
}

/// What the test hears.
pub struct Report {
    receiver: mpsc::UnboundedReceiver<Seen>,
    seen: Arc<Mutex<Vec<(Instant, Seen)>>>,
}

pub fn witness() -> (Witness, Report) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let seen = Arc::<Mutex<Vec<(Instant, Seen)>>>::default();
    (Witness { sender, seen: Arc::clone(&seen) }, Report { receiver, seen })
}

impl Report {
    /// Waits for the next start of a handler.
    pub async fn started(&mut self) -> Seen {
        within(self.receiver.recv()).await.expect("the worker is gone")
    }

    /// All starts so far.
    pub fn all(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().iter().map(|(_, seen)| seen.clone()).collect()
    }

    /// When each of them was.
    pub fn times(&self) -> Vec<Instant> {
        self.seen.lock().unwrap().iter().map(|(at, _)| *at).collect()
    }
}

pub async fn act(
    job: Act,
    State(witness): State<Witness>,
    cx: JobContext,
) -> JobResult<Option<u32>> {
    witness.seen.lock().unwrap().push((Instant::now(), (job.clone(), cx.clone())));
    let _ = witness.sender.send((job.clone(), cx.clone()));
    let ms = Duration::from_millis;
    match job {
        Act::Succeed => Ok(None),
        Act::Return(value) => Ok(Some(value)),
        Act::Fail(message) => Err(JobError::retry(message)),
        Act::RetryAfterMs(after) => Err(JobError::retry_after(ms(after), "later")),
        Act::SnoozeMs(after) => Err(JobError::snooze(ms(after))),
        Act::Discard => Err(JobError::discard("gone")),
        Act::Die => Err(JobError::dead("hopeless")),
        Act::CancelItself => Err(JobError::cancelled()),
        Act::Panic(message) => panic!("{message}"),
        Act::TakeMs(time) => {
            tokio::time::sleep(ms(time)).await;
            Ok(None)
        }
        Act::SucceedWhenAsked => {
            cx.cancellation().requested().await;
            Ok(None)
        }
        Act::FailWhenAsked => {
            let reason = cx.cancellation().requested().await;
            Err(JobError::retry(format!("stopped: {reason:?}")))
        }
    }
}

/// A worker for [`Act`] whose time is the test's.
pub fn worker(backend: impl jobq_core::Backend, witness: Witness) -> Worker {
    Worker::new(backend).state(witness).handle(act).renew_without_thread()
}

/// Runs a worker until nothing is left to do.
pub async fn drain(worker: Worker) -> Summary {
    within(worker.stop_when_empty().run_until(std::future::pending())).await.unwrap()
}

/// Starts a worker that runs until it is told to stop, and gives how to tell it, and its end.
pub fn start(worker: Worker) -> (oneshot::Sender<()>, JoinHandle<jobq_core::Result<Summary>>) {
    let (stop, stopped) = oneshot::channel::<()>();
    (stop, tokio::spawn(worker.run_until(async { stopped.await.unwrap() })))
}

pub async fn enqueue(backend: &MemoryBackend, job: Act) -> JobId {
    backend.enqueue(job).await.unwrap().id()
}

pub async fn enqueue_on(backend: &MemoryBackend, queue: &str, job: Act) -> JobId {
    backend.enqueue(job).on(queue).await.unwrap().id()
}

pub fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

/// What the store knows of a job; `None` if nothing.
pub async fn find(backend: &MemoryBackend, id: JobId) -> Option<JobView> {
    let queue = backend.locate(id).await.unwrap()?;
    backend.job(&queue, id).await.unwrap()
}

pub async fn state(backend: &MemoryBackend, id: JobId) -> Option<JobState> {
    find(backend, id).await.map(|view| view.state)
}

/// How long it takes until the store has forgotten all of these jobs; they have completed then.
pub async fn until_done(backend: &MemoryBackend, ids: &[JobId]) -> Duration {
    let began_at = Instant::now();
    within(async {
        for id in ids {
            while state(backend, *id).await.is_some() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    })
    .await;
    began_at.elapsed()
}

/// A wait that fails the test after an hour, which is no time at all while time is paused; in real time
/// the test runner gives up earlier.
pub async fn within<T>(event: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(3600), event).await.expect("waited for an event that never came")
}
