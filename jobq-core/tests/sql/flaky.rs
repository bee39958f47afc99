//! A queue whose enqueues go wrong on demand.

use std::collections::VecDeque;
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

/// How an enqueue goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Nothing is written.
    Refuse(ErrorKind),
    /// The jobs are added, and the answer is lost.
    LoseAnswer,
    /// The jobs are added, and no answer ever comes.
    Hang,
}

#[derive(Clone, Debug)]
pub(crate) struct Flaky {
    pub(crate) inner: MemoryBackend,
    faults: Arc<Mutex<VecDeque<Fault>>>,
}

impl Flaky {
    /// The first enqueues go wrong in this way, those after them well.
    pub(crate) fn new(inner: MemoryBackend, faults: impl IntoIterator<Item = Fault>) -> Self {
        Self { inner, faults: Arc::new(Mutex::new(faults.into_iter().collect())) }
    }
}

#[async_trait]
impl Backend for Flaky {
    async fn enqueue_jobs(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        let fault = self.faults.lock().unwrap().pop_front();
        match fault {
            None => self.inner.enqueue_jobs(jobs).await,
            Some(Fault::Refuse(kind)) => Err(Error::new(kind, format!("the queue is {kind}"))),
            Some(Fault::LoseAnswer) => {
                self.inner.enqueue_jobs(jobs).await?;
                Err(Error::new(ErrorKind::Unavailable, "the answer was lost"))
            }
            Some(Fault::Hang) => {
                self.inner.enqueue_jobs(jobs).await?;
                std::future::pending().await
            }
        }
    }

    async fn exchange(
        &self,
        queue: &QueueName,
        settlements: &[Settlement],
        request: Option<LeaseRequest>,
    ) -> Result<Exchanged> {
        self.inner.exchange(queue, settlements, request).await
    }

    async fn extend(
        &self,
        queue: &QueueName,
        leases: &[LeaseRef],
        duration: Duration,
    ) -> Result<Vec<Extended>> {
        self.inner.extend(queue, leases, duration).await
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
        self.inner.forfeit(queue, worker, keep).await
    }

    async fn maintain(&self, queue: &QueueName, limit: usize) -> Result<Maintained> {
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
        self.inner.set_limits(scope, source, limits).await
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
        self.inner.wait(queues).await
    }

    async fn heartbeat(&self, worker: &WorkerStatus, ttl: Duration) -> Result<Signals> {
        self.inner.heartbeat(worker, ttl).await
    }

    async fn farewell(&self, worker: WorkerId) -> Result<()> {
        self.inner.farewell(worker).await
    }

    async fn ping(&self) -> Result<()> {
        self.inner.ping().await
    }

    fn detached(&self) -> Arc<dyn Backend> {
        Arc::new(self.clone())
    }

    fn clock(&self) -> &dyn Clock {
        self.inner.clock()
    }
}
