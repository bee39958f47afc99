//! `impl Inspect`: what people and their tools ask of Redis.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jobq_core::backend::WorkerStatus;
use jobq_core::inspect::{
    CancelOutcome, Deaths, DeleteOutcome, JobView, LaneView, QueueStats, RequeueOutcome,
};
use jobq_core::{
    BatchRef, BatchView, Error, ErrorKind, Inspect, JobId, JobRef, JobState, LaneKey, LimitSetting,
    QueueName, Result, Standing, UniqueKey,
};
use redis::{Cmd, Value};

use crate::backend::{RedisBackend, Store};
use crate::error::malformed;
use crate::record;
use crate::reply;
use crate::scripts::{CANCEL, DELETE, PAUSE, REQUEUE, STATS, Script};

/// The most jobs that one script looks at or changes.
const STEP: usize = 500;

/// How often it is told that one queue cannot be counted: metrics are asked for every few seconds.
const TELL_EVERY: Duration = Duration::from_secs(60);

impl Store {
    /// Runs a script over ids in bounded steps; the answers are in their order.
    async fn over_ids<T>(
        &self,
        script: &'static Script,
        queue: &QueueName,
        seen: Option<JobState>,
        ids: &[JobId],
        decode: impl Fn(Value) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut answers = Vec::with_capacity(ids.len());
        for step in ids.chunks(STEP) {
            let mut call = self.call(script, queue);
            call.arg(self.now());
            if let Some(seen) = seen {
                call.arg(seen.as_str());
            }
            step.iter().for_each(|id| {
                call.arg(id.as_bytes().as_slice());
            });
            for answer in reply::list(self.link.run(script, &call).await?)? {
                answers.push(decode(answer)?);
            }
            self.relay(queue).await?;
        }
        Ok(answers)
    }

    async fn set_paused(&self, queue: &QueueName, paused: bool) -> Result<()> {
        // A queue that is resumed was paused before; and a full server, which refuses this, must be able
        // to go on.
        if paused {
            self.register(queue).await?;
        }
        let mut call = self.call(&PAUSE, queue);
        call.arg(if paused { "1" } else { "0" });
        self.link.run(&PAUSE, &call).await.map(drop)
    }

    async fn queue_names(&self) -> Result<Vec<QueueName>> {
        let names = self.link.send(redis::cmd("SMEMBERS").arg(self.keys.queues())).await?;
        let mut names = set(names)?
            .into_iter()
            .map(|name| QueueName::new(reply::text(name)?))
            .collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    /// Whether it is time to tell that a queue cannot be counted, which counts as done then.
    fn is_news_of_uncounted(&self, queue: &QueueName) -> bool {
        let mut told_at = self.uncounted_told_at.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_news = told_at.get(queue).is_none_or(|at| now >= *at + TELL_EVERY);
        if is_news {
            told_at.insert(queue.clone(), now);
        }
        is_news
    }

    /// The records of those of these jobs that a queue knows: one command, where a question for each would be many.
    fn records(&self, queue: &QueueName, ids: &[JobId]) -> Cmd {
        let mut command = redis::cmd("HMGET").arg(self.keys.of(queue).jobs()).take();
        for id in ids {
            command.arg(id.as_bytes().as_slice());
        }
        command
    }

    pub(crate) fn known_in(&self, queue: &QueueName, id: JobId) -> Cmd {
        redis::cmd("HEXISTS").arg(self.keys.of(queue).jobs()).arg(id.as_bytes().as_slice()).take()
    }
}

#[async_trait]
impl Inspect for RedisBackend {
    async fn queues(&self) -> Result<Vec<QueueStats>> {
        let names = self.store.queue_names().await?;
        // Sent together: as many trips as fit, not one for each queue.
        let all = futures_util::future::join_all(names.iter().map(|name| self.queue(name))).await;
        let mut queues = Vec::with_capacity(all.len());
        for (name, stats) in names.iter().zip(all) {
            match stats {
                Ok(stats) => queues.push(stats),
                // Something else is where the queue's keys should be. The others can be counted.
                Err(error) if error.kind() == ErrorKind::Corrupt => {
                    if self.store.is_news_of_uncounted(name) {
                        tracing::error!(target: "jobq", queue = %name, %error, "queue cannot be counted");
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(queues)
    }

    async fn queue_names(&self) -> Result<Vec<QueueName>> {
        self.store.queue_names().await
    }

    async fn queue(&self, queue: &QueueName) -> Result<QueueStats> {
        let call = self.store.call(&STATS, queue);
        let answer = self.store.link.run(&STATS, &call).await;
        let answer = answer.map_err(|error| {
            Error::new(error.kind(), format!("queue {queue} cannot be counted: {error}"))
        })?;
        let mut parts = reply::list(answer)?.into_iter();
        let mut next = || parts.next().unwrap_or(Value::Nil);
        let mut stats = QueueStats::empty(queue.clone());
        stats.ready = reply::count(next())?;
        stats.scheduled = reply::count(next())?;
        stats.leased = reply::count(next())?;
        stats.completed = reply::count(next())?;
        stats.cancelled = reply::count(next())?;
        stats.dead = reply::count(next())?;
        stats.paused = !reply::bytes(next())?.is_empty();
        for head in reply::list(next())? {
            let enqueued_at = record::enqueued_at(&reply::bytes(head)?)?;
            stats.oldest_ready_at =
                Some(stats.oldest_ready_at.map_or(enqueued_at, |oldest| oldest.min(enqueued_at)));
        }
        stats.waiting = reply::count(next())?;
        Ok(stats)
    }

    async fn locate(&self, id: JobId) -> Result<Option<QueueName>> {
        let names = self.store.queue_names().await?;
        let questions: Vec<_> = names.iter().map(|name| self.store.known_in(name, id)).collect();
        let answers = futures_util::future::try_join_all(
            questions.iter().map(|ask| self.store.link.send(ask)),
        )
        .await?;
        for (name, known) in names.into_iter().zip(answers) {
            if reply::count(known)? > 0 {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    async fn locate_all(&self, ids: &[JobId]) -> Result<Vec<Option<QueueName>>> {
        let names = self.store.queue_names().await?;
        let mut places = vec![None; ids.len()];
        for (ids, places) in ids.chunks(STEP).zip(places.chunks_mut(STEP)) {
            let questions: Vec<_> =
                names.iter().map(|name| self.store.records(name, ids)).collect();
            let answers = futures_util::future::try_join_all(
                questions.iter().map(|ask| self.store.link.send(ask)),
            )
            .await?;
            for (name, records) in names.iter().zip(answers) {
                for (record, place) in reply::list(records)?.into_iter().zip(&mut *places) {
                    if place.is_none() && record != Value::Nil {
                        *place = Some(name.clone());
                    }
                }
            }
        }
        Ok(places)
    }

    async fn job(&self, queue: &QueueName, id: JobId) -> Result<Option<JobView>> {
        Ok(self.store.views(queue, &[id]).await?.into_iter().next())
    }

    async fn look_up(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<JobView>> {
        self.store.views(queue, ids).await
    }

    async fn jobs(
        &self,
        queue: &QueueName,
        state: JobState,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobView>> {
        let ids = self.store.listed(queue, state, offset, limit).await?;
        let views = self.store.views(queue, &ids).await?;
        Ok(views.into_iter().filter(|view| view.state == state).collect())
    }

    async fn deaths(&self, queue: &QueueName, offset: usize, limit: usize) -> Result<Deaths> {
        self.store.deaths(queue, offset, limit).await
    }

    async fn cancel(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<CancelOutcome>> {
        self.store
            .over_ids(&CANCEL, queue, None, ids, |answer| match reply::bytes(answer)?.as_slice() {
                b"cancelled" => Ok(CancelOutcome::Cancelled),
                b"requested" => Ok(CancelOutcome::Requested),
                b"ended" => Ok(CancelOutcome::AlreadyEnded),
                b"unknown" => Ok(CancelOutcome::NotFound),
                _ => Err(malformed("an unknown outcome of a cancel")),
            })
            .await
    }

    async fn requeue(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<RequeueOutcome>> {
        self.store
            .over_ids(&REQUEUE, queue, None, ids, |answer| match reply::bytes(answer)?.as_slice() {
                b"requeued" => Ok(RequeueOutcome::Requeued),
                b"not dead" => Ok(RequeueOutcome::NotDead),
                b"unknown" => Ok(RequeueOutcome::NotFound),
                holder => reply::id_from(holder).map(RequeueOutcome::Conflict),
            })
            .await
    }

    async fn delete(
        &self,
        queue: &QueueName,
        seen: JobState,
        ids: &[JobId],
    ) -> Result<Vec<DeleteOutcome>> {
        let outcome = |answer| match reply::bytes(answer)?.as_slice() {
            b"deleted" => Ok(DeleteOutcome::Deleted),
            b"running" => Ok(DeleteOutcome::Running),
            b"moved" => Ok(DeleteOutcome::MovedOn),
            b"unknown" => Ok(DeleteOutcome::NotFound),
            _ => Err(malformed("an unknown outcome of a delete")),
        };
        self.store.over_ids(&DELETE, queue, Some(seen), ids, outcome).await
    }

    async fn pause(&self, queue: &QueueName) -> Result<()> {
        self.store.set_paused(queue, true).await
    }

    async fn resume(&self, queue: &QueueName) -> Result<()> {
        self.store.set_paused(queue, false).await
    }

    async fn lanes(
        &self,
        queue: &QueueName,
        after: Option<&LaneKey>,
        limit: usize,
    ) -> Result<Vec<LaneView>> {
        self.store.lanes(queue, after, limit).await
    }

    async fn lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<LaneView> {
        self.store.lane(queue, lane).await
    }

    async fn pause_lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<()> {
        self.store.limit(queue, "pause", lane.as_str(), "", b"").await.map(drop)
    }

    async fn resume_lane(&self, queue: &QueueName, lane: &LaneKey) -> Result<()> {
        self.store.limit(queue, "resume", lane.as_str(), "", b"").await.map(drop)
    }

    async fn limits(&self, queue: &QueueName, limit: usize) -> Result<Vec<LimitSetting>> {
        self.store.limits(queue, limit).await
    }

    async fn shared_limits(&self) -> Result<Vec<LimitSetting>> {
        self.store.shared_limits().await
    }

    async fn unique(&self, queue: &QueueName, key: UniqueKey) -> Result<Vec<JobRef>> {
        self.store.holders(queue, key).await
    }

    async fn batches(
        &self,
        queue: &QueueName,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<BatchView>> {
        self.store.batches(queue, offset, limit).await
    }

    async fn failed_of_batch(
        &self,
        batch: &BatchRef,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<JobRef>> {
        self.store.failed_of_batch(batch, offset, limit).await
    }

    async fn call_off_batch(&self, batch: &BatchRef) -> Result<bool> {
        self.store.call_off_batch(batch).await
    }

    async fn standing(&self, queue: &QueueName, id: JobId) -> Result<Option<Standing>> {
        self.store.standing(queue, id).await
    }

    async fn restart_workers(&self) -> Result<()> {
        let command = redis::cmd("INCR").arg(self.store.keys.restart()).take();
        self.store.link.send(&command).await.map(drop)
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>> {
        let all = redis::cmd("HGETALL").arg(self.store.keys.workers()).take();
        let now = self.store.clock().now();
        let mut workers = Vec::new();
        for (_, noted) in reply::text_pairs(self.store.link.send(&all).await?)? {
            let (forgotten_at, status) = noted.split_once(' ').unwrap_or(("0", &noted));
            if forgotten_at.parse::<u64>().is_ok_and(|at| at <= now.as_millis()) {
                continue;
            }
            // One that cannot be read, because a newer program wrote it, must not hide the others.
            workers.extend(serde_json::from_str::<WorkerStatus>(status));
        }
        workers.sort_by_key(|worker| (worker.started_at, worker.id));
        Ok(workers)
    }

    fn inspect_detached(&self) -> Arc<dyn Inspect> {
        Arc::new(self.apart())
    }
}

/// A set, which is a list or, in newer protocols, a set.
fn set(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Set(items) => Ok(items),
        other => reply::list(other),
    }
}
