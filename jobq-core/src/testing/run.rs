//! Running jobs when a test says so, and letting time pass between them.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;

use super::{Fault, Handlers, TestQueue};
use crate::backend::Backend;
use crate::cancellation::{Cancellation, StopReason};
use crate::clock::Timestamp;
use crate::context::JobContext;
use crate::id::{JobId, WorkerId};
use crate::inspect::Inspect;
use crate::lease::{Lease, LeaseRequest, Next, Settlement};
use crate::name::{Kind, QueueName};
use crate::outcome::Outcome;
use crate::verdict::{Ending, Judge};

/// How long leases last here: as those of a worker that is told nothing else.
const LEASE: Duration = Duration::from_secs(10);
/// More attempts than any test means to make: a job that comes back at once for ever is a mistake.
const MOST_ATTEMPTS: usize = 100_000;
const WORKER: WorkerId = WorkerId::from_u64(1);
/// How much maintenance one call does.
const AT_ONCE: usize = 1_000;

/// An attempt that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ran {
    /// Whose it was.
    pub id: JobId,
    /// What it ran.
    pub kind: Kind,
    /// In which queue.
    pub queue: QueueName,
    /// Its number, from 1.
    pub attempt: u32,
    /// When, by the queue's time.
    pub at: Timestamp,
    /// What became of the job.
    pub end: End,
}

/// What became of a job after an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// It is done.
    Completed,
    /// The attempt failed, and another one follows.
    Retries {
        /// After so long.
        after: Duration,
        /// What the failed one said.
        error: String,
    },
    /// It comes back, and no attempt was used.
    Snoozed {
        /// After so long.
        after: Duration,
    },
    /// It was put aside for people.
    Dead {
        /// What the last attempt said.
        error: String,
    },
    /// It was cancelled.
    Cancelled,
    /// The worker was killed, as the test [asked for](TestQueue::inject): the job runs again when its lease has
    /// expired, after 10 seconds.
    Crashed,
}

impl TestQueue {
    /// Runs the next job that is ready, if there is one: the first queue's by name, and in it the one that a worker would
    /// lease first. Time stands still.
    ///
    /// Panics of a handler are caught, and fail the attempt, as in a worker. Time-outs of jobs are not watched:
    /// the time of a handler's own waiting is the machine's. [`Fault::TimeOut`] stands in for it.
    ///
    /// # Panics
    ///
    /// When the handlers do not know the job's kind.
    pub async fn run_one(&self, handlers: &impl Handlers) -> Option<Ran> {
        let lease = self.lease().await?;
        Some(self.attempt(lease, handlers).await)
    }

    /// Runs jobs until none is ready, those that they enqueue among them. Time stands still, so what is to
    /// run later, such as a second attempt after its backoff, stays.
    ///
    /// # Panics
    ///
    /// As [`run_one`](Self::run_one), and after 100,000 attempts.
    pub async fn drain(&self, handlers: &impl Handlers) -> Vec<Ran> {
        let mut ran = Vec::new();
        while let Some(attempt) = self.run_one(handlers).await {
            ran.push(attempt);
            assert!(
                ran.len() < MOST_ATTEMPTS,
                "{MOST_ATTEMPTS} attempts, and still jobs are ready"
            );
        }
        ran
    }

    /// Lets so much time pass, and runs jobs as they become due in it, each at its time. Takes no longer than the
    /// handlers do.
    ///
    /// # Panics
    ///
    /// As [`drain`](Self::drain).
    pub async fn run_for(&self, handlers: &impl Handlers, time: Duration) -> Vec<Ran> {
        let until = self.now() + time;
        let mut ran = self.drain(handlers).await;
        while let Some(next_at) = self.next_at().await.filter(|next_at| *next_at <= until) {
            // Never by nothing: a time that has come and brings no job would hold us for ever.
            self.advance(next_at.since(self.now()).max(Duration::from_millis(1)));
            ran.extend(self.drain(handlers).await);
            assert!(
                ran.len() < MOST_ATTEMPTS,
                "{MOST_ATTEMPTS} attempts, and still jobs become due"
            );
        }
        self.advance(until.since(self.now()));
        ran
    }

    async fn queues(&self) -> Vec<QueueName> {
        let queues = self.backend.queues().await.unwrap_or_default();
        queues.into_iter().map(|stats| stats.queue).collect()
    }

    /// Leases the next job that is ready now.
    async fn lease(&self) -> Option<Arc<Lease>> {
        for queue in self.queues().await {
            self.maintain_all(&queue).await;
            let request = LeaseRequest::new(WORKER, 1, LEASE);
            let leased = self.backend.exchange(&queue, &[], Some(request)).await.ok()?;
            if let Some(lease) = leased.leases.into_iter().next() {
                return Some(lease);
            }
        }
        None
    }

    /// When there may be something to run next, as far as anybody can say now, when nothing is ready.
    async fn next_at(&self) -> Option<Timestamp> {
        let mut next_in: Option<Duration> = None;
        for queue in self.queues().await {
            let request = LeaseRequest::new(WORKER, 1, LEASE);
            let asked = self.backend.exchange(&queue, &[], Some(request)).await.ok()?;
            debug_assert!(asked.leases.is_empty(), "what is ready was run before");
            next_in = [next_in, asked.next_in].into_iter().flatten().min();
        }
        Some(self.now() + next_in?)
    }

    async fn maintain_all(&self, queue: &QueueName) {
        // It fails in no case in memory, and says whether there is more.
        while let Ok(done) = self.backend.maintain(queue, AT_ONCE).await
            && done.more
        {}
    }

    async fn attempt(&self, lease: Arc<Lease>, handlers: &impl Handlers) -> Ran {
        let kind = lease.job.kind.clone();
        let Some(backoff) = handlers.backoff(&kind) else {
            panic!("a job of kind {:?} is ready, and no handler runs this kind", kind.as_str());
        };
        let fault = self.fault_of(&lease);
        let cancellation = Cancellation::new();
        let ending = match &fault {
            Some(Fault::CrashBefore) => Ending::Abandoned,
            Some(Fault::Error(message)) => {
                let message = message.clone();
                Ending::Returned(Outcome::Retry { after: None, message })
            }
            Some(Fault::TimeOut) => {
                cancellation.request(StopReason::Timeout);
                Ending::Abandoned
            }
            Some(Fault::CrashAfter) | None => {
                let deadline = lease.job.timeout.map(|timeout| self.now() + timeout);
                let backend = Arc::new(self.backend.clone());
                let context =
                    JobContext::new(Arc::clone(&lease), deadline, cancellation.clone(), backend);
                match AssertUnwindSafe(handlers.run(context)).catch_unwind().await {
                    Ok(ending) => ending,
                    Err(panic) => Ending::Panicked(message(&*panic)),
                }
            }
        };
        let end = if matches!(fault, Some(Fault::CrashBefore | Fault::CrashAfter)) {
            End::Crashed
        } else {
            let stop = cancellation.reason();
            let next = Judge { lease: &lease, backoff, stop, clock: &self.clock }.decide(ending);
            let end = End::of(&next);
            let settled = Settlement::new(Arc::clone(&lease), next);
            // It fails in no case in memory; a handler that let time pass may have lost its lease.
            let _ = self.backend.exchange(&lease.job.queue, &[settled], None).await;
            end
        };
        Ran {
            id: lease.job.id,
            kind,
            queue: lease.job.queue.clone(),
            attempt: lease.attempt(),
            at: self.now(),
            end,
        }
    }
}

impl End {
    fn of(next: &Next) -> Self {
        match next {
            Next::Complete { .. } => Self::Completed,
            Next::Retry { after, failure } => {
                Self::Retries { after: *after, error: failure.message.clone() }
            }
            Next::Snooze { after } => Self::Snoozed { after: *after },
            Next::Release => Self::Snoozed { after: Duration::ZERO },
            Next::Dead { failure } => Self::Dead { error: failure.message.clone() },
            Next::Cancel => Self::Cancelled,
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}
