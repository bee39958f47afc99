//! An `Arc` of a backend can be looked into as well.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    CancelOutcome, Deaths, DeleteOutcome, Inspect, JobView, LaneView, QueueStats, RequeueOutcome,
};
use crate::backend::WorkerStatus;
use crate::batch::{BatchRef, BatchView};
use crate::error::Result;
use crate::explain::Standing;
use crate::id::JobId;
use crate::job_ref::JobRef;
use crate::lane::LaneKey;
use crate::limits::LimitSetting;
use crate::name::QueueName;
use crate::state::JobState;
use crate::unique::UniqueKey;

#[async_trait]
impl<I: Inspect + ?Sized> Inspect for Arc<I> {
    async fn queues(&self) -> Result<Vec<QueueStats>> {
        (**self).queues().await
    }

    async fn queue_names(&self) -> Result<Vec<QueueName>> {
        (**self).queue_names().await
    }

    async fn queue(&self, queue: &QueueName) -> Result<QueueStats> {
        (**self).queue(queue).await
    }

    async fn locate(&self, id: JobId) -> Result<Option<QueueName>> {
        (**self).locate(id).await
    }

    async fn locate_all(&self, ids: &[JobId]) -> Result<Vec<Option<QueueName>>> {
        (**self).locate_all(ids).await
    }

    async fn job(&self, queue: &QueueName, id: JobId) -> Result<Option<JobView>> {
        (**self).job(queue, id).await
    }

    async fn look_up(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<JobView>> {
        (**self).look_up(queue, ids).await
    }

    async fn jobs(
        &self,
        queue: &QueueName,
        state: JobState,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobView>> {
        (**self).jobs(queue, state, offset, limit).await
    }

    async fn deaths(&self, queue: &QueueName, offset: usize, limit: usize) -> Result<Deaths> {
        (**self).deaths(queue, offset, limit).await
    }

    async fn cancel(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<CancelOutcome>> {
        (**self).cancel(queue, ids).await
    }

    async fn requeue(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<RequeueOutcome>> {
        (**self).requeue(queue, ids).await
    }

    async fn delete(
        &self,
        queue: &QueueName,
        seen: JobState,
        ids: &[JobId],
    ) -> Result<Vec<DeleteOutcome>> {
        (**self).delete(queue, seen, ids).await
    }

    async fn pause(&self, queue: &QueueName) -> Result<()> {
        (**self).pause(queue).await
    }

    async fn resume(&self, queue: &QueueName) -> Result<()> {
        (**self).resume(queue).await
    }

    async fn lanes(
        &self,
        queue: &QueueName,
        after: Option<&LaneKey>,
        limit: usize,
    ) -> Result<Vec<LaneView>> {
        (**self).lanes(queue, after, limit).await
    }

    async fn lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<LaneView> {
        (**self).lane(queue, lane).await
    }

    async fn pause_lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<()> {
        (**self).pause_lane(queue, lane).await
    }

    async fn resume_lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<()> {
        (**self).resume_lane(queue, lane).await
    }

    async fn limits(&self, queue: &QueueName, limit: usize) -> Result<Vec<LimitSetting>> {
        (**self).limits(queue, limit).await
    }

    async fn shared_limits(&self) -> Result<Vec<LimitSetting>> {
        (**self).shared_limits().await
    }

    async fn unique(&self, queue: &QueueName, key: UniqueKey) -> Result<Vec<JobRef>> {
        (**self).unique(queue, key).await
    }

    async fn batches(
        &self,
        queue: &QueueName,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<BatchView>> {
        (**self).batches(queue, offset, limit).await
    }

    async fn failed_of_batch(
        &self,
        batch: &BatchRef,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobRef>> {
        (**self).failed_of_batch(batch, offset, limit).await
    }

    async fn call_off_batch(&self, batch: &BatchRef) -> Result<bool> {
        (**self).call_off_batch(batch).await
    }

    async fn standing(&self, queue: &QueueName, id: JobId) -> Result<Option<Standing>> {
        (**self).standing(queue, id).await
    }

    async fn restart_workers(&self) -> Result<()> {
        (**self).restart_workers().await
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        (**self).workers().await
    }

    fn inspect_detached(&self) -> Arc<dyn Inspect> {
        (**self).inspect_detached()
    }
}
