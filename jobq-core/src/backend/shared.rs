//! An `Arc` of a backend is one.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Backend, Maintained, Signals, WorkerStatus};
use crate::batch::{BatchRef, BatchView, NewBatch};
use crate::clock::Clock;
use crate::error::Result;
use crate::id::{JobId, WorkerId};
use crate::lane::LaneKey;
use crate::lease::{Exchanged, Extended, Held, LeaseRef, LeaseRequest, Settlement};
use crate::limits::{LimitScope, LimitSource, Limits};
use crate::name::QueueName;
use crate::parents::ParentOutcome;
use crate::progress::Report;
use crate::record::{Enqueued, NewJob};
use crate::sighting::Sighting;

#[async_trait]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    async fn enqueue_jobs(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        (**self).enqueue_jobs(jobs).await
    }

    async fn exchange(
        &self,
        queue: &QueueName,
        settlements: &[Settlement],
        request: Option<LeaseRequest>,
    ) -> Result<Exchanged> {
        (**self).exchange(queue, settlements, request).await
    }

    async fn extend(
        &self,
        queue: &QueueName,
        leases: &[LeaseRef],
        duration: Duration,
    ) -> Result<Vec<Extended>> {
        (**self).extend(queue, leases, duration).await
    }

    async fn report(&self, queue: &QueueName, lease: LeaseRef, report: &Report) -> Result<Held> {
        (**self).report(queue, lease, report).await
    }

    async fn forfeit(
        &self,
        queue: &QueueName,
        worker: WorkerId,
        keep: &[LeaseRef],
    ) -> Result<usize> {
        (**self).forfeit(queue, worker, keep).await
    }

    async fn maintain(&self, queue: &QueueName, limit: usize) -> Result<Maintained> {
        (**self).maintain(queue, limit).await
    }

    async fn throttle_lane(&self, queue: &QueueName, lane: &LaneKey, rest: Duration) -> Result<()> {
        (**self).throttle_lane(queue, lane, rest).await
    }

    async fn set_limits(
        &self,
        scope: &LimitScope,
        source: LimitSource,
        limits: &Limits,
    ) -> Result<()> {
        (**self).set_limits(scope, source, limits).await
    }

    async fn checkpoint(&self, queue: &QueueName, lease: LeaseRef, cursor: &[u8]) -> Result<Held> {
        (**self).checkpoint(queue, lease, cursor).await
    }

    async fn parents(&self, queue: &QueueName, id: JobId) -> Result<Vec<ParentOutcome>> {
        (**self).parents(queue, id).await
    }

    async fn open_batch(&self, batch: &NewBatch) -> Result<bool> {
        (**self).open_batch(batch).await
    }

    async fn close_batch(&self, batch: &BatchRef) -> Result<BatchView> {
        (**self).close_batch(batch).await
    }

    async fn batch_view(&self, batch: &BatchRef) -> Result<Option<BatchView>> {
        (**self).batch_view(batch).await
    }

    async fn watch(
        &self,
        queue: &QueueName,
        id: JobId,
        seen: Option<&Sighting>,
    ) -> Result<Sighting> {
        (**self).watch(queue, id, seen).await
    }

    async fn wait(&self, queues: &[QueueName]) -> Result<QueueName> {
        (**self).wait(queues).await
    }

    async fn heartbeat(&self, worker: &WorkerStatus, ttl: Duration) -> Result<Signals> {
        (**self).heartbeat(worker, ttl).await
    }

    async fn farewell(&self, worker: WorkerId) -> Result<()> {
        (**self).farewell(worker).await
    }

    async fn ping(&self) -> Result<()> {
        (**self).ping().await
    }

    fn detached(&self) -> Arc<dyn Backend> {
        (**self).detached()
    }

    fn clock(&self) -> &dyn Clock {
        (**self).clock()
    }
}
