//! The embedded backend: all jobs in the memory of this process.
//!
//! It keeps the whole contract and is the reference for other backends. It writes nothing to disk: what
//! has not run when the process ends is lost.

mod inspect;
mod job;
mod maintenance;
mod places;
mod queue_state;
mod ready;
mod wake;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;

use self::wake::Queue;
use crate::backend::{Backend, Maintained, Signals, WorkerStatus};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::error::Result;
use crate::id::WorkerId;
use crate::lease::{Exchanged, Extended, Held, LeaseRef, LeaseRequest, Settlement};
use crate::name::QueueName;
use crate::progress::Report;
use crate::record::{Enqueued, NewJob};
use crate::retention::DeadRetention;

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
/// backend.enqueue_batch(&[NewJob::new(record, When::Now)]).await?;
/// # Ok::<(), jobq_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct MemoryBackend {
    store: Arc<Store>,
    dead_retention: DeadRetention,
}

struct Store {
    clock: Arc<dyn Clock>,
    queues: RwLock<BTreeMap<QueueName, Arc<Queue>>>,
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
            store: Arc::new(Store {
                clock: Arc::new(clock),
                queues: RwLock::default(),
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

    fn now(&self) -> Timestamp {
        self.store.clock.now()
    }

    /// The queue, if anybody has used it yet.
    fn queue_if_known(&self, name: &QueueName) -> Option<Arc<Queue>> {
        let queues = self.store.queues.read();
        let queues = queues.unwrap_or_else(PoisonError::into_inner);
        queues.get(name).cloned()
    }

    /// The queue, made if need be.
    fn queue_of(&self, name: &QueueName) -> Arc<Queue> {
        self.queue_if_known(name).unwrap_or_else(|| {
            let queues = self.store.queues.write();
            let mut queues = queues.unwrap_or_else(PoisonError::into_inner);
            let made = || Arc::new(Queue::new(name.clone()));
            Arc::clone(queues.entry(name.clone()).or_insert_with(made))
        })
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
    async fn enqueue_batch(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        jobs.iter().try_for_each(|job| job.record.check())?;
        let now = self.now();
        let mut answers = Vec::with_capacity(jobs.len());
        for batch in jobs.chunk_by(|a, b| a.record.queue == b.record.queue) {
            self.queue_of(&batch[0].record.queue)
                .visit(|queue| answers.extend(batch.iter().map(|job| queue.enqueue(job, now))));
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

    async fn throttle_lane(
        &self,
        _queue: &QueueName,
        _lane: &jobq_core::LaneKey,
        _rest: Duration,
    ) -> Result<()> {
        Err(not_yet())
    }

    async fn set_limits(
        &self,
        _scope: &jobq_core::LimitScope,
        _source: jobq_core::LimitSource,
        _limits: &jobq_core::Limits,
    ) -> Result<()> {
        Err(not_yet())
    }

    async fn checkpoint(
        &self,
        _queue: &QueueName,
        _lease: LeaseRef,
        _cursor: &[u8],
    ) -> Result<Held> {
        Err(not_yet())
    }

    async fn parents(
        &self,
        _queue: &QueueName,
        _id: jobq_core::JobId,
    ) -> Result<Vec<jobq_core::ParentOutcome>> {
        Err(not_yet())
    }

    async fn open_batch(&self, _batch: &jobq_core::NewBatch) -> Result<bool> {
        Err(not_yet())
    }

    async fn close_batch(&self, _batch: &jobq_core::BatchRef) -> Result<jobq_core::BatchView> {
        Err(not_yet())
    }

    async fn batch(&self, _batch: &jobq_core::BatchRef) -> Result<Option<jobq_core::BatchView>> {
        Err(not_yet())
    }

    async fn watch(
        &self,
        _queue: &QueueName,
        _id: jobq_core::JobId,
        _seen: Option<&jobq_core::Sighting>,
    ) -> Result<jobq_core::Sighting> {
        Err(not_yet())
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

fn not_yet() -> jobq_core::Error {
    jobq_core::Error::new(jobq_core::ErrorKind::Refused, "this backend cannot do that yet")
}
