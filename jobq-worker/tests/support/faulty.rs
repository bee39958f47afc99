//! A backend that fails on demand, and counts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jobq_core::backend::{Maintained, Signals, WorkerStatus};
use jobq_core::progress::Report;
use jobq_core::{
    Backend, BatchRef, BatchView, Clock, Enqueued, Error, ErrorKind, Exchanged, Extended, Held,
    JobId, LaneKey, LeaseRef, LeaseRequest, LimitScope, LimitSource, Limits, MemoryBackend,
    NewBatch, NewJob, ParentOutcome, QueueName, Result, Settlement, Sighting, WorkerId,
};

/// How calls go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Nothing reaches the store.
    Refuse,
    /// The store does it, and the answer is lost.
    LoseReply,
    /// The store does it, and no answer ever comes.
    Hang,
    /// The store does it, and the answer takes this long.
    LateMs(u64),
    /// Nothing reaches the store, and this is what it says.
    Answer(ErrorKind),
    /// The client has a defect.
    Panic,
}

#[derive(Clone, Debug)]
pub struct Faulty {
    inner: MemoryBackend,
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub struct Shared {
    exchange: Mutex<Fault>,
    /// Instead of that, for calls about these queues.
    by_queue: Mutex<HashMap<QueueName, Fault>>,
    /// How many exchanges and forfeits were made about each queue.
    about: Mutex<HashMap<QueueName, usize>>,
    extend: Mutex<Fault>,
    wait: Mutex<Fault>,
    heartbeat: Mutex<Fault>,
    set_limits: Mutex<Fault>,
    /// How many lease requests more come upon nothing but jobs that cannot be read.
    unreadable: AtomicUsize,
    /// Settlements of this job are never taken.
    poison: Mutex<Option<(JobId, ErrorKind)>>,
    /// Every call, by name.
    calls: Mutex<Vec<&'static str>>,
    /// The limits of all lease requests.
    asked: Mutex<Vec<usize>>,
    forfeited: AtomicUsize,
    /// What the store says of restarts, instead of the truth.
    restart: Mutex<Option<u64>>,
}

impl Faulty {
    pub fn new(inner: MemoryBackend) -> Self {
        let shared = Shared {
            exchange: Mutex::new(Fault::None),
            by_queue: Mutex::default(),
            about: Mutex::default(),
            extend: Mutex::new(Fault::None),
            wait: Mutex::new(Fault::None),
            heartbeat: Mutex::new(Fault::None),
            set_limits: Mutex::new(Fault::None),
            unreadable: AtomicUsize::new(0),
            poison: Mutex::default(),
            calls: Mutex::default(),
            asked: Mutex::default(),
            forfeited: AtomicUsize::new(0),
            restart: Mutex::default(),
        };
        Self { inner, shared: Arc::new(shared) }
    }

    pub fn fail_exchange(&self, fault: Fault) {
        *self.shared.exchange.lock().unwrap() = fault;
    }

    /// As if a node of a cluster were away: calls about this queue fail, all others do as before.
    pub fn fail_queue(&self, queue: &str, fault: Fault) {
        let queue = QueueName::new(queue).unwrap();
        self.shared.by_queue.lock().unwrap().insert(queue, fault);
    }

    /// How many exchanges and forfeits were made about a queue.
    pub fn count_about(&self, queue: &str) -> usize {
        let queue = QueueName::new(queue).unwrap();
        self.shared.about.lock().unwrap().get(&queue).copied().unwrap_or(0)
    }

    fn fault_of(&self, queue: &QueueName) -> Fault {
        *self.shared.about.lock().unwrap().entry(queue.clone()).or_default() += 1;
        let by_queue = self.shared.by_queue.lock().unwrap().get(queue).copied();
        by_queue.unwrap_or_else(|| *self.shared.exchange.lock().unwrap())
    }

    pub fn fail_wait(&self, fault: Fault) {
        *self.shared.wait.lock().unwrap() = fault;
    }

    pub fn fail_extend(&self, fault: Fault) {
        *self.shared.extend.lock().unwrap() = fault;
    }

    pub fn fail_heartbeat(&self, fault: Fault) {
        *self.shared.heartbeat.lock().unwrap() = fault;
    }

    /// So many lease requests come upon nothing but jobs that cannot be read, which the store puts aside: they bring
    /// none, and there may be more at once.
    pub fn put_aside(&self, requests: usize) {
        self.shared.unreadable.store(requests, Ordering::SeqCst);
    }

    fn comes_upon_unreadable(&self) -> bool {
        let left = |left: usize| left.checked_sub(1);
        self.shared.unreadable.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok()
    }

    pub fn fail_set_limits(&self, fault: Fault) {
        *self.shared.set_limits.lock().unwrap() = fault;
    }

    /// Answers so when this job is to be settled, and does nothing.
    pub fn never_settle_with(&self, job: JobId, kind: ErrorKind) {
        *self.shared.poison.lock().unwrap() = Some((job, kind));
    }

    pub fn tell_restart(&self, count: u64) {
        *self.shared.restart.lock().unwrap() = Some(count);
    }

    pub fn calls(&self) -> Vec<&'static str> {
        self.shared.calls.lock().unwrap().clone()
    }

    pub fn forget_calls(&self) {
        self.shared.calls.lock().unwrap().clear();
    }

    pub fn count(&self, name: &str) -> usize {
        self.calls().into_iter().filter(|call| *call == name).count()
    }

    pub fn asked(&self) -> Vec<usize> {
        self.shared.asked.lock().unwrap().clone()
    }

    pub fn forfeited(&self) -> usize {
        self.shared.forfeited.load(Ordering::SeqCst)
    }

    /// How many handles there are.
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.shared)
    }

    fn note(&self, call: &'static str) {
        self.shared.calls.lock().unwrap().push(call);
    }
}

async fn spoil<T>(fault: Fault, call: impl Future<Output = Result<T>>) -> Result<T> {
    let broken = || Err(Error::new(ErrorKind::Unavailable, "the cable is cut"));
    match fault {
        Fault::None => call.await,
        Fault::Refuse => broken(),
        Fault::LoseReply => {
            call.await?;
            broken()
        }
        Fault::Hang => {
            call.await?;
            std::future::pending().await
        }
        Fault::LateMs(time) => {
            let answer = call.await;
            tokio::time::sleep(Duration::from_millis(time)).await;
            answer
        }
        Fault::Answer(kind) => Err(Error::new(kind, format!("the store says {kind}"))),
        Fault::Panic => panic!("a defect of the client"),
    }
}

#[async_trait]
impl Backend for Faulty {
    async fn enqueue_jobs(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        self.inner.enqueue_jobs(jobs).await
    }

    async fn exchange(
        &self,
        queue: &QueueName,
        settlements: &[Settlement],
        request: Option<LeaseRequest>,
    ) -> Result<Exchanged> {
        self.note("exchange");
        self.shared.asked.lock().unwrap().extend(request.map(|request| request.limit));
        let poison = *self.shared.poison.lock().unwrap();
        if let Some((job, kind)) = poison
            && settlements.iter().any(|settlement| settlement.lease.job.id == job)
        {
            return spoil(Fault::Answer(kind), std::future::pending()).await;
        }
        let fault = self.fault_of(queue);
        if request.is_some() && self.comes_upon_unreadable() {
            let settled = spoil(fault, self.inner.exchange(queue, settlements, None)).await?;
            return Ok(Exchanged::new(settled.held, Vec::new(), Some(Duration::ZERO)));
        }
        spoil(fault, self.inner.exchange(queue, settlements, request)).await
    }

    async fn extend(
        &self,
        queue: &QueueName,
        leases: &[LeaseRef],
        duration: Duration,
    ) -> Result<Vec<Extended>> {
        self.note("extend");
        let fault = *self.shared.extend.lock().unwrap();
        spoil(fault, self.inner.extend(queue, leases, duration)).await
    }

    async fn report(&self, queue: &QueueName, lease: LeaseRef, report: &Report) -> Result<Held> {
        self.inner.report(queue, lease, report).await
    }

    async fn forfeit(
        &self,
        queue: &QueueName,
        worker: WorkerId,
        keep: &[LeaseRef],
    ) -> Result<usize> {
        self.note("forfeit");
        let fault = self.fault_of(queue);
        let count = spoil(fault, self.inner.forfeit(queue, worker, keep)).await?;
        self.shared.forfeited.fetch_add(count, Ordering::SeqCst);
        Ok(count)
    }

    async fn maintain(&self, queue: &QueueName, limit: usize) -> Result<Maintained> {
        self.note("maintain");
        self.inner.maintain(queue, limit).await
    }

    async fn throttle_lane(&self, queue: &QueueName, lane: &LaneKey, rest: Duration) -> Result<()> {
        self.inner.throttle_lane(queue, lane, rest).await
    }

    async fn set_limits(
        &self,
        scope: &LimitScope,
        source: LimitSource,
        limits: &Limits,
    ) -> Result<()> {
        self.note("set_limits");
        let fault = *self.shared.set_limits.lock().unwrap();
        spoil(fault, self.inner.set_limits(scope, source, limits)).await
    }

    async fn checkpoint(&self, queue: &QueueName, lease: LeaseRef, cursor: &[u8]) -> Result<Held> {
        self.inner.checkpoint(queue, lease, cursor).await
    }

    async fn parents(&self, queue: &QueueName, id: JobId) -> Result<Vec<ParentOutcome>> {
        self.inner.parents(queue, id).await
    }

    async fn open_batch(&self, batch: &NewBatch) -> Result<bool> {
        self.inner.open_batch(batch).await
    }

    async fn close_batch(&self, batch: &BatchRef) -> Result<BatchView> {
        self.inner.close_batch(batch).await
    }

    async fn batch_view(&self, batch: &BatchRef) -> Result<Option<BatchView>> {
        self.inner.batch_view(batch).await
    }

    async fn watch(
        &self,
        queue: &QueueName,
        id: JobId,
        seen: Option<&Sighting>,
    ) -> Result<Sighting> {
        self.inner.watch(queue, id, seen).await
    }

    async fn wait(&self, queues: &[QueueName]) -> Result<QueueName> {
        self.note("wait");
        let fault = *self.shared.wait.lock().unwrap();
        spoil(fault, self.inner.wait(queues)).await
    }

    async fn heartbeat(&self, worker: &WorkerStatus, ttl: Duration) -> Result<Signals> {
        self.note("heartbeat");
        let fault = *self.shared.heartbeat.lock().unwrap();
        let mut signals = spoil(fault, self.inner.heartbeat(worker, ttl)).await?;
        signals.restart = self.shared.restart.lock().unwrap().unwrap_or(signals.restart);
        Ok(signals)
    }

    async fn farewell(&self, worker: WorkerId) -> Result<()> {
        self.note("farewell");
        self.inner.farewell(worker).await
    }

    async fn ping(&self) -> Result<()> {
        self.note("ping");
        let fault = *self.shared.exchange.lock().unwrap();
        spoil(fault, self.inner.ping()).await
    }

    fn detached(&self) -> Arc<dyn Backend> {
        Arc::new(self.clone())
    }

    fn clock(&self) -> &dyn Clock {
        self.inner.clock()
    }
}
