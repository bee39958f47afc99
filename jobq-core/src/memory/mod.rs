//! The backend in memory: all jobs are kept in this process alone.
//!
//! It keeps the whole contract and is the reference for other backends. It writes nothing to disk: what
//! has not run when the process ends is lost.

mod admission;
mod batches;
mod checkpoint;
mod commons;
mod early;
mod guests;
mod holding;
mod inspect;
mod job;
mod lane;
mod lanes;
mod leasing;
mod limits;
mod maintenance;
mod notes;
mod pace;
mod parents;
mod places;
mod queue_state;
mod rate;
mod ready;
mod ring;
mod schedules;
mod shared;
mod sizes;
mod standing;
mod unique;
mod wake;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use async_trait::async_trait;

use self::commons::Commons;
use self::schedules::Groups;
use self::wake::Queue;
use crate::backend::{Backend, Maintained, Signals, WorkerStatus, check_checkpoint};
use crate::batch::{BatchRef, BatchView, NewBatch, unknown_batch};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::Result;
use crate::id::{JobId, WorkerId};
use crate::lane::LaneKey;
use crate::lease::{Exchanged, Extended, Held, LeaseRef, LeaseRequest, Settlement};
use crate::limits::{LimitScope, LimitSource, Limits};
use crate::name::QueueName;
use crate::parents::ParentOutcome;
use crate::progress::Report;
use crate::record::{Enqueued, NewJob};
use crate::retention::DeadRetention;
use crate::sighting::Sighting;

/// A backend in the memory of this process: for tests, and for programs that can afford to lose what
/// they have not run when they end. Clones are the same store.
///
/// ```
/// use jobq_core::{Backend, JobId, JobRecord, Kind, MemoryBackend, NewJob, Payload, QueueName, When};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let backend = MemoryBackend::new();
/// let id = JobId::generate(backend.clock());
/// let payload = Payload::encode("Ada")?;
/// let record = JobRecord::new(id, QueueName::new("mail")?, Kind::new("greet")?, payload);
/// backend.enqueue_jobs(&[NewJob::new(record, When::Now)]).await?;
/// # Ok::<(), jobq_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct MemoryBackend {
    store: Arc<Store>,
    dead_retention: DeadRetention,
}

struct Store {
    /// This store, for its queues.
    me: Weak<Self>,
    clock: Arc<dyn Clock>,
    queues: RwLock<BTreeMap<QueueName, Arc<Queue>>>,
    commons: Arc<Commons>,
    groups: Groups,
    workers: Mutex<Workers>,
}

#[derive(Default)]
struct Workers {
    /// Each with the time at which it is forgotten unless it is heard of again.
    living: BTreeMap<WorkerId, (WorkerStatus, Timestamp)>,
    signals: Signals,
}

impl MemoryBackend {
    /// An empty store that goes by the machine's clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(SystemClock)
    }

    /// An empty store that goes by `clock`.
    #[must_use]
    pub fn with_clock(clock: impl Clock) -> Self {
        Self {
            store: Arc::new_cyclic(|me| Store {
                me: Weak::clone(me),
                clock: Arc::new(clock),
                queues: RwLock::default(),
                commons: Arc::default(),
                groups: Groups::default(),
                workers: Mutex::default(),
            }),
            dead_retention: DeadRetention::default(),
        }
    }

    /// Bounds the dead jobs, when this handle or a later clone of it does the maintenance.
    #[must_use]
    pub const fn dead_retention(mut self, dead_retention: DeadRetention) -> Self {
        self.dead_retention = dead_retention;
        self
    }

    /// What is kept of a queue beside its jobs and cannot be seen otherwise, each with its number. For
    /// tests: all of it is gone some time after the jobs are.
    #[cfg(any(test, feature = "test-util"))]
    #[doc(hidden)]
    #[must_use]
    pub fn leftovers(&self, queue: &QueueName) -> Vec<(&'static str, usize)> {
        let kept = self.queue_of(queue).step(|state| {
            [
                ("batches", state.batches.len()),
                ("batches of other queues", state.guests.len()),
                ("notes for other queues", state.notes.len()),
                ("notes for jobs to come", state.early.len()),
                ("watched jobs", state.watched.len()),
            ]
        });
        kept.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    fn now(&self) -> Timestamp {
        self.store.clock.now()
    }

    /// The queue, if anybody has used it yet.
    fn queue_if_known(&self, name: &QueueName) -> Option<Arc<Queue>> {
        self.store.queue_if_known(name)
    }

    /// The queue, made if need be.
    fn queue_of(&self, name: &QueueName) -> Arc<Queue> {
        self.store.queue_of(name)
    }

    /// All queues, by name.
    fn all_queues(&self) -> Vec<Arc<Queue>> {
        let queues = self.store.queues.read();
        let queues = queues.unwrap_or_else(PoisonError::into_inner);
        queues.values().cloned().collect()
    }

    fn workers_now(&self) -> MutexGuard<'_, Workers> {
        let now = self.now();
        let workers = self.store.workers.lock();
        let mut workers = workers.unwrap_or_else(PoisonError::into_inner);
        workers.living.retain(|_, (_, until)| now < *until);
        workers
    }
}

impl Store {
    fn queue_if_known(&self, name: &QueueName) -> Option<Arc<Queue>> {
        let queues = self.queues.read();
        let queues = queues.unwrap_or_else(PoisonError::into_inner);
        queues.get(name).cloned()
    }

    fn queue_of(&self, name: &QueueName) -> Arc<Queue> {
        self.queue_if_known(name).unwrap_or_else(|| {
            let queues = self.queues.write();
            let mut queues = queues.unwrap_or_else(PoisonError::into_inner);
            let made = || {
                Arc::new(Queue::new(name.clone(), Arc::clone(&self.commons), Weak::clone(&self.me)))
            };
            Arc::clone(queues.entry(name.clone()).or_insert_with(made))
        })
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.all_queues().iter().map(|q| q.name.clone()).collect();
        f.debug_struct("MemoryBackend").field("queues", &names).finish_non_exhaustive()
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn enqueue_jobs(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        jobs.iter().try_for_each(NewJob::check)?;
        let now = self.now();
        let mut answers = Vec::with_capacity(jobs.len());
        self.check_sizes(jobs, now)?;
        for batch in jobs.chunk_by(|a, b| a.record.queue == b.record.queue) {
            answers.extend(self.admit(batch, now)?);
        }
        Ok(answers)
    }

    async fn exchange(
        &self,
        queue: &QueueName,
        settlements: &[Settlement],
        request: Option<LeaseRequest>,
    ) -> Result<Exchanged> {
        let now = self.now();
        Ok(match self.queue_if_known(queue) {
            Some(queue) => queue.visit(|queue| queue.exchange(settlements, request, now)),
            None => Exchanged::new(vec![Held::Lost; settlements.len()], Vec::new(), None),
        })
    }

    async fn extend(
        &self,
        queue: &QueueName,
        leases: &[LeaseRef],
        duration: Duration,
    ) -> Result<Vec<Extended>> {
        let now = self.now();
        Ok(match self.queue_if_known(queue) {
            Some(queue) => queue.visit(|queue| {
                let extend = |lease: &LeaseRef| queue.extend(*lease, duration, now);
                leases.iter().map(extend).collect()
            }),
            None => vec![Extended::Lost; leases.len()],
        })
    }

    async fn report(&self, queue: &QueueName, lease: LeaseRef, report: &Report) -> Result<Held> {
        Ok(match self.queue_if_known(queue) {
            Some(queue) => queue.visit(|queue| queue.report(lease, report)),
            None => Held::Lost,
        })
    }

    async fn forfeit(
        &self,
        queue: &QueueName,
        worker: WorkerId,
        keep: &[LeaseRef],
    ) -> Result<usize> {
        let now = self.now();
        Ok(match self.queue_if_known(queue) {
            Some(queue) => queue.visit(|queue| queue.forfeit(worker, keep, now)),
            None => 0,
        })
    }

    async fn maintain(&self, queue: &QueueName, limit: usize) -> Result<Maintained> {
        let (now, dead) = (self.now(), self.dead_retention);
        Ok(match self.queue_if_known(queue) {
            Some(queue) => queue.visit(|queue| queue.maintain(limit, dead, now)),
            None => Maintained::default(),
        })
    }

    async fn throttle_lane(&self, queue: &QueueName, lane: &LaneKey, rest: Duration) -> Result<()> {
        let now = self.now();
        self.queue_of(queue).visit(|queue| queue.places.ready.throttle(lane, rest, now));
        Ok(())
    }

    async fn set_limits(
        &self,
        scope: &LimitScope,
        source: LimitSource,
        limits: &Limits,
    ) -> Result<()> {
        limits.check(scope)?;
        let now = self.now();
        match scope {
            LimitScope::Queue(queue) | LimitScope::Lanes(queue) | LimitScope::Lane(queue, _) => {
                self.queue_of(queue).visit(|queue| queue.set_limits(scope, source, limits, now));
            }
            LimitScope::Shared(name) => {
                let members = self.store.commons.shared().set(name, source, limits);
                for member in members {
                    self.queue_of(&member).visit(|queue| queue.stirred += 1);
                }
            }
        }
        Ok(())
    }

    async fn checkpoint(&self, queue: &QueueName, lease: LeaseRef, cursor: &[u8]) -> Result<Held> {
        check_checkpoint(cursor)?;
        Ok(match self.queue_if_known(queue) {
            Some(queue) => queue.visit(|queue| queue.checkpoint(lease, cursor)),
            None => Held::Lost,
        })
    }

    async fn parents(&self, queue: &QueueName, id: JobId) -> Result<Vec<ParentOutcome>> {
        let Some(queue) = self.queue_if_known(queue) else {
            return Ok(Vec::new());
        };
        Ok(queue.visit(|queue| queue.ended_parents(id)))
    }

    async fn open_batch(&self, batch: &NewBatch) -> Result<bool> {
        batch.check()?;
        self.open(batch, self.now())
    }

    async fn close_batch(&self, batch: &BatchRef) -> Result<BatchView> {
        let now = self.now();
        let queue = self.queue_if_known(&batch.queue).ok_or_else(|| unknown_batch(batch))?;
        queue.visit(|queue| queue.close_batch(batch, now))
    }

    async fn batch_view(&self, batch: &BatchRef) -> Result<Option<BatchView>> {
        let queue = self.queue_if_known(&batch.queue);
        Ok(queue.and_then(|queue| queue.visit(|queue| queue.batch_view(batch.id))))
    }

    async fn watch(
        &self,
        queue: &QueueName,
        id: JobId,
        seen: Option<&Sighting>,
    ) -> Result<Sighting> {
        Ok(watch::sight(&self.queue_of(queue), id, seen).await)
    }

    async fn wait(&self, queues: &[QueueName]) -> Result<QueueName> {
        let queues: Vec<_> = queues.iter().map(|name| self.queue_of(name)).collect();
        Ok(wake::first_to_ring(&queues).await)
    }

    async fn heartbeat(&self, worker: &WorkerStatus, ttl: Duration) -> Result<Signals> {
        let until = self.now() + ttl;
        let mut workers = self.workers_now();
        workers.living.insert(worker.id, (worker.clone(), until));
        Ok(workers.signals)
    }

    async fn farewell(&self, worker: WorkerId) -> Result<()> {
        self.workers_now().living.remove(&worker);
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    fn detached(&self) -> Arc<dyn Backend> {
        Arc::new(self.clone())
    }

    fn clock(&self) -> &dyn Clock {
        &*self.store.clock
    }
}
