//! What people do to jobs and queues.

use async_trait::async_trait;

use super::MemoryBackend;
use super::places::Places;
use super::queue_state::QueueState;
use crate::backend::WorkerStatus;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::JobId;
use crate::inspect::{CancelOutcome, DeleteOutcome, Inspect, JobView, QueueStats, RequeueOutcome};
use crate::name::QueueName;
use crate::state::JobState;

#[async_trait]
impl Inspect for MemoryBackend {
    async fn queues(&self) -> Result<Vec<QueueStats>> {
        let queues = self.all_queues().into_iter();
        Ok(queues
            .filter_map(|queue| {
                let name = queue.name.clone();
                queue.visit(|state| state.known.then(|| state.stats(name)))
            })
            .collect())
    }

    async fn queue(&self, queue: &QueueName) -> Result<QueueStats> {
        let name = queue.clone();
        Ok(match self.queue_if_known(queue) {
            Some(queue) => queue.visit(|queue| queue.stats(name)),
            None => QueueStats::empty(name),
        })
    }

    async fn locate(&self, id: JobId) -> Result<Option<QueueName>> {
        let mut queues = self.all_queues().into_iter();
        Ok(queues
            .find(|queue| queue.visit(|queue| queue.jobs.contains_key(&id)))
            .map(|queue| queue.name.clone()))
    }

    async fn job(&self, queue: &QueueName, id: JobId) -> Result<Option<JobView>> {
        Ok(self.queue_if_known(queue).and_then(|queue| queue.visit(|queue| queue.view(id))))
    }

    async fn jobs(
        &self,
        queue: &QueueName,
        state: JobState,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobView>> {
        let Some(queue) = self.queue_if_known(queue) else {
            return Ok(Vec::new());
        };
        Ok(queue.visit(|queue| {
            let ids = queue.places.ids(state).skip(offset).take(limit);
            ids.filter_map(|id| queue.view(id)).collect()
        }))
    }

    async fn cancel(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<CancelOutcome>> {
        let now = self.now();
        Ok(match self.queue_if_known(queue) {
            Some(queue) => {
                queue.visit(|queue| ids.iter().map(|id| queue.cancel(*id, now)).collect())
            }
            None => vec![CancelOutcome::NotFound; ids.len()],
        })
    }

    async fn requeue(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<RequeueOutcome>> {
        Ok(match self.queue_if_known(queue) {
            Some(queue) => queue.visit(|queue| ids.iter().map(|id| queue.requeue(*id)).collect()),
            None => vec![RequeueOutcome::NotFound; ids.len()],
        })
    }

    async fn delete(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<DeleteOutcome>> {
        Ok(match self.queue_if_known(queue) {
            Some(queue) => queue.visit(|queue| ids.iter().map(|id| queue.delete(*id)).collect()),
            None => vec![DeleteOutcome::NotFound; ids.len()],
        })
    }

    async fn pause(&self, queue: &QueueName) -> Result<()> {
        self.queue_of(queue).visit(|queue| {
            queue.paused = true;
            queue.known = true;
        });
        Ok(())
    }

    async fn resume(&self, queue: &QueueName) -> Result<()> {
        if let Some(queue) = self.queue_if_known(queue) {
            queue.visit(|queue| queue.paused = false);
        }
        Ok(())
    }

    async fn lanes(
        &self,
        _queue: &QueueName,
        _offset: usize,
        _limit: usize,
    ) -> Result<Vec<jobq_core::inspect::LaneView>> {
        Err(not_yet())
    }

    async fn lane(
        &self,
        _queue: &QueueName,
        _lane: &jobq_core::LaneKey,
    ) -> Result<jobq_core::inspect::LaneView> {
        Err(not_yet())
    }

    async fn pause_lane(&self, _queue: &QueueName, _lane: &jobq_core::LaneKey) -> Result<()> {
        Err(not_yet())
    }

    async fn resume_lane(&self, _queue: &QueueName, _lane: &jobq_core::LaneKey) -> Result<()> {
        Err(not_yet())
    }

    async fn limits(
        &self,
        _queue: &QueueName,
        _limit: usize,
    ) -> Result<Vec<jobq_core::LimitSetting>> {
        Err(not_yet())
    }

    async fn shared_limits(&self) -> Result<Vec<jobq_core::LimitSetting>> {
        Err(not_yet())
    }

    async fn unique(
        &self,
        _queue: &QueueName,
        _key: jobq_core::UniqueKey,
    ) -> Result<Vec<jobq_core::JobRef>> {
        Err(not_yet())
    }

    async fn batches(
        &self,
        _queue: &QueueName,
        _offset: usize,
        _limit: usize,
    ) -> Result<Vec<jobq_core::BatchView>> {
        Err(not_yet())
    }

    async fn failed_of_batch(
        &self,
        _batch: &jobq_core::BatchRef,
        _offset: usize,
        _limit: usize,
    ) -> Result<Vec<jobq_core::JobRef>> {
        Err(not_yet())
    }

    async fn cancel_batch(&self, _batch: &jobq_core::BatchRef) -> Result<bool> {
        Err(not_yet())
    }

    async fn standing(
        &self,
        _queue: &QueueName,
        _id: jobq_core::JobId,
    ) -> Result<Option<jobq_core::Standing>> {
        Err(not_yet())
    }

    async fn restart_workers(&self) -> Result<()> {
        self.workers_now().signals.restart += 1;
        Ok(())
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        let workers = self.workers_now();
        let mut living: Vec<_> = workers.living.values().map(|(w, _)| w.clone()).collect();
        living.sort_by_key(|worker| (worker.started_at, worker.id));
        Ok(living)
    }
}

impl QueueState {
    fn cancel(&mut self, id: JobId, now: Timestamp) -> CancelOutcome {
        let Some(job) = self.jobs.get_mut(&id) else {
            return CancelOutcome::NotFound;
        };
        match job.place.state() {
            JobState::Waiting | JobState::Scheduled | JobState::Ready => {
                self.end(id, now, Places::cancel);
                CancelOutcome::Cancelled
            }
            JobState::Leased => {
                job.ask_to_cancel();
                CancelOutcome::Requested
            }
            JobState::Completed | JobState::Cancelled | JobState::Dead => {
                CancelOutcome::AlreadyEnded
            }
        }
    }

    fn requeue(&mut self, id: JobId) -> RequeueOutcome {
        let Some(job) = self.jobs.get_mut(&id) else {
            return RequeueOutcome::NotFound;
        };
        if job.place.state() != JobState::Dead {
            return RequeueOutcome::NotDead;
        }
        if let Some(key) = job.record().unique {
            let holder = *self.unique.entry(key.key).or_insert(id);
            if holder != id {
                return RequeueOutcome::Conflict(holder);
            }
        }
        job.failed_attempts = 0;
        job.crashes = 0;
        self.move_to(id, |places, record| places.push_back(record.priority, id));
        RequeueOutcome::Requeued
    }

    fn delete(&mut self, id: JobId) -> DeleteOutcome {
        match self.jobs.get(&id).map(|job| job.place.state()) {
            None => DeleteOutcome::NotFound,
            Some(JobState::Leased) => DeleteOutcome::Running,
            Some(_) => {
                self.forget(id);
                DeleteOutcome::Deleted
            }
        }
    }

    fn view(&self, id: JobId) -> Option<JobView> {
        self.jobs.get(&id).map(super::job::Job::view)
    }

    fn stats(&self, name: QueueName) -> QueueStats {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let heads = self.places.ready.heads();
        QueueStats {
            paused: self.paused,
            ready: count(self.places.ready.len()),
            scheduled: count(self.places.scheduled.len()),
            leased: count(self.places.leased.len()),
            completed: count(self.places.completed.len()),
            cancelled: count(self.places.cancelled.len()),
            dead: count(self.places.dead.len()),
            oldest_ready_at: heads
                .filter_map(|id| self.jobs.get(&id))
                .map(|job| job.record().enqueued_at)
                .min(),
            ..QueueStats::empty(name)
        }
    }
}

fn not_yet() -> jobq_core::Error {
    jobq_core::Error::new(jobq_core::ErrorKind::Refused, "this backend cannot do that yet")
}
