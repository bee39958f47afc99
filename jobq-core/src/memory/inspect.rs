//! What people do to jobs and queues.

use std::sync::Arc;

use async_trait::async_trait;

use super::MemoryBackend;
use super::queue_state::{Ending, QueueState};
use crate::backend::WorkerStatus;
use crate::batch::{BatchRef, BatchView};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::explain::Standing;
use crate::id::JobId;
use crate::inspect::{
    CancelOutcome, Deaths, DeleteOutcome, Inspect, JobView, LaneView, QueueStats, RequeueOutcome,
};
use crate::job_ref::JobRef;
use crate::lane::LaneKey;
use crate::limits::{LimitSetting, Limits};
use crate::name::QueueName;
use crate::state::JobState;
use crate::unique::UniqueKey;

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

    async fn queue_names(&self) -> Result<Vec<QueueName>> {
        let queues = self.all_queues().into_iter();
        Ok(queues
            .filter(|queue| queue.visit(|state| state.known))
            .map(|queue| queue.name.clone())
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

    async fn locate_all(&self, ids: &[JobId]) -> Result<Vec<Option<QueueName>>> {
        let queues = self.all_queues();
        let place = |id: &JobId| {
            let home = queues.iter().find(|queue| queue.visit(|it| it.jobs.contains_key(id)));
            home.map(|queue| queue.name.clone())
        };
        Ok(ids.iter().map(place).collect())
    }

    async fn job(&self, queue: &QueueName, id: JobId) -> Result<Option<JobView>> {
        Ok(self.queue_if_known(queue).and_then(|queue| queue.visit(|queue| queue.view(id))))
    }

    async fn look_up(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<JobView>> {
        let queue = self.queue_if_known(queue);
        let views = queue.map(|queue| {
            queue.visit(|queue| ids.iter().filter_map(|id| queue.view(*id)).collect())
        });
        Ok(views.unwrap_or_default())
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

    async fn deaths(&self, queue: &QueueName, offset: usize, limit: usize) -> Result<Deaths> {
        let Some(queue) = self.queue_if_known(queue) else {
            return Ok(Deaths::default());
        };
        Ok(queue.visit(|queue| {
            let dead = &queue.places.dead;
            let newest = dead.iter().rev().skip(offset).take(limit).copied().collect();
            Deaths::new(u64::try_from(dead.len()).unwrap_or(u64::MAX), newest)
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
        let now = self.now();
        Ok(match self.queue_if_known(queue) {
            Some(queue) => {
                queue.visit(|queue| ids.iter().map(|id| queue.requeue(*id, now)).collect())
            }
            None => vec![RequeueOutcome::NotFound; ids.len()],
        })
    }

    async fn delete(
        &self,
        queue: &QueueName,
        seen: JobState,
        ids: &[JobId],
    ) -> Result<Vec<DeleteOutcome>> {
        let now = self.now();
        Ok(match self.queue_if_known(queue) {
            Some(queue) => {
                queue.visit(|queue| ids.iter().map(|id| queue.delete(*id, seen, now)).collect())
            }
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
        queue: &QueueName,
        after: Option<&LaneKey>,
        limit: usize,
    ) -> Result<Vec<LaneView>> {
        let now = self.now();
        let Some(queue) = self.queue_if_known(queue) else {
            return Ok(Vec::new());
        };
        Ok(queue.visit(|queue| {
            let shown = queue.places.ready.shown(after).take(limit);
            shown.map(|lane| queue.lane_view(lane, now)).collect()
        }))
    }

    async fn lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<LaneView> {
        let now = self.now();
        Ok(match self.queue_if_known(queue) {
            Some(queue) => queue.visit(|queue| queue.lane_view(lane, now)),
            None => LaneView::new(lane.clone(), Limits::new()),
        })
    }

    async fn pause_lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<()> {
        let now = self.now();
        self.queue_of(queue).visit(|queue| queue.places.ready.pause(lane, now));
        Ok(())
    }

    async fn resume_lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<()> {
        let now = self.now();
        if let Some(queue) = self.queue_if_known(queue) {
            queue.visit(|queue| {
                queue.places.ready.resume(lane, now);
                queue.stirred += 1;
            });
        }
        Ok(())
    }

    async fn limits(&self, queue: &QueueName, limit: usize) -> Result<Vec<LimitSetting>> {
        Ok(match self.queue_if_known(queue) {
            Some(of) => of.visit(|state| state.limit_settings(queue, limit)),
            None => Vec::new(),
        })
    }

    async fn shared_limits(&self) -> Result<Vec<LimitSetting>> {
        Ok(self.store.commons.shared().settings())
    }

    async fn unique(&self, queue: &QueueName, key: UniqueKey) -> Result<Vec<JobRef>> {
        let now = self.now();
        Ok(match self.queue_if_known(queue) {
            Some(queue) => queue.visit(|queue| queue.key_holders(key, now)),
            None => self.store.commons.keys().holders(key, now).collect(),
        })
    }

    async fn batches(
        &self,
        queue: &QueueName,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<BatchView>> {
        let Some(queue) = self.queue_if_known(queue) else {
            return Ok(Vec::new());
        };
        Ok(queue.visit(|queue| queue.batch_views(offset, limit)))
    }

    async fn failed_of_batch(
        &self,
        batch: &BatchRef,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobRef>> {
        let Some(queue) = self.queue_if_known(&batch.queue) else {
            return Ok(Vec::new());
        };
        Ok(queue.visit(|queue| queue.failed_of_batch(batch.id, offset, limit)))
    }

    async fn call_off_batch(&self, batch: &BatchRef) -> Result<bool> {
        let now = self.now();
        Ok(self
            .queue_if_known(&batch.queue)
            .is_some_and(|queue| queue.visit(|queue| queue.call_off(batch.id, now))))
    }

    async fn standing(&self, queue: &QueueName, id: JobId) -> Result<Option<Standing>> {
        let now = self.now();
        Ok(self.queue_if_known(queue).and_then(|queue| queue.visit(|q| q.standing(id, now))))
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

    fn inspect_detached(&self) -> Arc<dyn Inspect> {
        Arc::new(self.clone())
    }
}

impl QueueState {
    fn cancel(&mut self, id: JobId, now: Timestamp) -> CancelOutcome {
        let Some(job) = self.jobs.get_mut(&id) else {
            return CancelOutcome::NotFound;
        };
        match job.place.state() {
            JobState::Waiting | JobState::Scheduled | JobState::Ready => {
                self.end(id, Ending::Cancelled, now);
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

    fn requeue(&mut self, id: JobId, now: Timestamp) -> RequeueOutcome {
        match self.jobs.get(&id).map(|job| job.place.state()) {
            None => return RequeueOutcome::NotFound,
            Some(JobState::Dead) => {}
            Some(_) => return RequeueOutcome::NotDead,
        }
        if let Err(holder) = self.take_key_again(id, now) {
            return RequeueOutcome::Conflict(holder);
        }
        if let Some(job) = self.jobs.get_mut(&id) {
            job.failed_attempts = 0;
            job.crashes = 0;
        }
        self.move_to(id, now, |places, record| places.push_back(record, now));
        self.tell_of_requeue(id, now);
        RequeueOutcome::Requeued
    }

    fn delete(&mut self, id: JobId, seen: JobState, now: Timestamp) -> DeleteOutcome {
        match self.jobs.get(&id).map(|job| job.place.state()) {
            None => DeleteOutcome::NotFound,
            Some(JobState::Leased) => DeleteOutcome::Running,
            Some(state) if state != seen => DeleteOutcome::MovedOn,
            Some(_) => {
                self.remove(id, now);
                DeleteOutcome::Deleted
            }
        }
    }

    fn lane_view(&self, lane: &LaneKey, now: Timestamp) -> LaneView {
        let lanes = &self.places.ready;
        let first = lanes.lane(lane).and_then(|lane| lane.line.first());
        let job = first.and_then(|(_, id)| self.jobs.get(&id));
        lanes.view(lane, job.map_or(1, |job| job.record().cost), now)
    }

    fn view(&self, id: JobId) -> Option<JobView> {
        self.jobs.get(&id).map(super::job::Job::view)
    }

    fn stats(&self, name: QueueName) -> QueueStats {
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let heads = self.places.ready.heads();
        QueueStats {
            paused: self.paused,
            waiting: count(self.places.waiting.len()),
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
