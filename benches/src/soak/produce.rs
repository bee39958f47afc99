//! The producers: jobs of all kinds, each enqueued again and again under its id until it is acknowledged.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jobq_core::{
    Backend, BatchId, Enqueued, ErrorKind, Inspect, JobId, NewJob, Queue, QueueName, UniqueKey,
};
use jobq_redis::RedisBackend;

use super::RATED_A_SECOND;
use super::job::{Abort, BATCHES, DEADLY, Fate, LANES, PLAIN, RATED, Work};
use super::ledger::{Entry, Ledger};
use super::observer::Observer;
use crate::AnyResult;

pub(crate) const LANE_COUNT: u32 = 20;
const UNIQUE_KEYS: u32 = 40;
/// How long a producer waits until it asks again.
const AGAIN: Duration = Duration::from_millis(200);

pub(crate) struct Producer {
    /// Through a link that fails.
    pub(crate) backend: RedisBackend,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) observer: Observer,
    pub(crate) chance: fastrand::Rng,
    pub(crate) stop: Arc<AtomicBool>,
    /// How many jobs a second, about.
    pub(crate) rate: f64,
}

fn work(fate: Fate) -> Work {
    Work { fate, parents: Vec::new(), key: None }
}

impl Producer {
    pub(crate) async fn run(mut self) -> AnyResult {
        while !self.stop.load(Ordering::Relaxed) {
            let jobs = match self.chance.u32(..1_000) {
                0..558 => self.plain().await?,
                558..778 => self.laned().await?,
                778..780 => self.rated().await?,
                780..880 => self.unique().await?,
                880..940 => self.family().await?,
                940..965 => self.batch().await?,
                965..967 => self.deadly().await?,
                967..990 => self.cancel().await?,
                _ => self.many().await?,
            };
            let pause = f64::from(jobs) / self.rate * (0.5 + self.chance.f64());
            tokio::time::sleep(Duration::from_secs_f64(pause)).await;
        }
        Ok(())
    }

    fn fate(&mut self) -> Fate {
        match self.chance.u32(..1_000) {
            0..600 => Fate::Succeed,
            600..800 => Fate::Work(self.chance.u32(10..1_500)),
            800..810 => Fate::Work(self.chance.u32(8_000..20_000)),
            810..880 => Fate::FailFirst(self.chance.u32(1..=3)),
            880..900 => Fate::PanicFirst(self.chance.u32(1..=2)),
            900..940 => Fate::Snooze,
            940..960 => Fate::Discard,
            960..980 => Fate::FailAlways,
            980..990 => Fate::HangAlways,
            _ => Fate::DieAtOnce,
        }
    }

    fn id(&self) -> JobId {
        JobId::generate(self.backend.clock())
    }

    /// Until it is known. `None` if the job cannot be, since what it refers to is gone by now.
    async fn insist(&self, job: NewJob) -> AnyResult<Option<Enqueued>> {
        loop {
            match self.backend.enqueue_jobs(std::slice::from_ref(&job)).await {
                Ok(mut answers) => return Ok(answers.pop()),
                Err(error) if passes(error.kind()) => tokio::time::sleep(AGAIN).await,
                Err(error) if error.kind() == ErrorKind::NotFound && !job.parents.is_empty() => {
                    return Ok(None);
                }
                Err(error) => {
                    self.observer.violation(format!("an enqueue is refused: {error}")).await;
                    return Ok(None);
                }
            }
        }
    }

    async fn enter(&self, job: NewJob, queue: &'static str, fate: Fate) -> AnyResult<bool> {
        let is_member = job.record.batch.is_some();
        let id = job.record.id;
        let is_ours = match self.insist(job).await? {
            // The answer to an earlier try was lost.
            Some(Enqueued::Duplicate(other)) => other.id == id,
            Some(_) => true,
            None => false,
        };
        if is_ours {
            let entry = Entry::new(id, queue, fate);
            self.ledger.add(if is_member { entry.member() } else { entry });
        }
        Ok(is_ours)
    }

    async fn plain(&mut self) -> AnyResult<u32> {
        let fate = self.fate();
        let (id, priority) = (self.id(), self.chance.u8(..16));
        let mut job = self.backend.enqueue(work(fate)).id(id).priority(priority);
        if self.chance.u8(..5) == 0 {
            job = job.after(Duration::from_millis(self.chance.u64(1..15_000)));
        }
        let job = job.max_attempts(fate.max_attempts()).timeout(fate.timeout()).build()?;
        self.enter(job, PLAIN, fate).await?;
        Ok(1)
    }

    async fn laned(&mut self) -> AnyResult<u32> {
        let fate = match self.fate() {
            // Long enough that more than two would run at once if they could, and not so long that they pile up.
            Fate::Succeed | Fate::Work(_) => Fate::Work(self.chance.u32(100..1_500)),
            fate => fate,
        };
        let lane = self.chance.u32(..LANE_COUNT);
        let job = self.backend.enqueue(work(fate)).id(self.id()).on(LANES).lane(lane);
        let job = job.max_attempts(fate.max_attempts()).timeout(fate.timeout()).build()?;
        self.enter(job, LANES, fate).await?;
        Ok(1)
    }

    /// More at once than the rate lets through.
    async fn rated(&mut self) -> AnyResult<u32> {
        let count = RATED_A_SECOND + self.chance.u32(10..60);
        self.stream(RATED, count).await
    }

    async fn unique(&mut self) -> AnyResult<u32> {
        let key = self.chance.u32(..UNIQUE_KEYS);
        let fate = match self.chance.u8(..4) {
            0 => Fate::FailFirst(1),
            1 => Fate::Snooze,
            _ => Fate::Succeed,
        };
        let unique = UniqueKey::new("soak", &key)?;
        let job = Work { key: Some(key), ..work(fate) };
        let job = self.backend.enqueue(job).id(self.id()).unique(unique).build()?;
        self.enter(job, PLAIN, fate).await?;
        Ok(1)
    }

    /// Parents, and a job that waits for them in another queue or in the same.
    async fn family(&mut self) -> AnyResult<u32> {
        let count = self.chance.u32(1..4);
        let mut parents = Vec::new();
        for _ in 0..count {
            let fate = match self.chance.u8(..4) {
                0 => Fate::FailFirst(1),
                1 => Fate::PanicFirst(1),
                2 => Fate::Snooze,
                _ => Fate::Succeed,
            };
            let job = self.backend.enqueue(work(fate)).id(self.id()).build()?;
            let id = job.record.id;
            if self.enter(job, PLAIN, fate).await? {
                parents.push(jobq_core::JobRef::new(QueueName::new(PLAIN)?, id));
            }
        }
        let names = parents.iter().map(|parent| parent.id.to_string()).collect();
        let child = Work { parents: names, ..work(Fate::Succeed) };
        let queue = *self.chance.choice(&[PLAIN, BATCHES]).unwrap_or(&PLAIN);
        let child = self.backend.enqueue(child).id(self.id()).on(queue).after(parents).build()?;
        self.enter(child, queue, Fate::Succeed).await?;
        Ok(count + 1)
    }

    async fn batch(&mut self) -> AnyResult<u32> {
        let (id, callback_id) = (BatchId::generate(self.backend.clock()), self.id());
        let callback =
            self.backend.enqueue(work(Fate::Succeed)).id(callback_id).on(BATCHES).build()?;
        let batch = loop {
            let opening = self.backend.batch("soak").id(id).on(BATCHES);
            let opening = opening.retention(Duration::from_secs(20)).on_complete(callback.clone());
            match opening.open().await {
                Ok(batch) => break batch.reference().clone(),
                Err(error) if passes(error.kind()) => tokio::time::sleep(AGAIN).await,
                Err(error) => return Err(error.into()),
            }
        };
        let count = self.chance.u32(1..12);
        for _ in 0..count {
            let fate = match self.fate() {
                // A batch is not to take long.
                Fate::Work(ms) if ms > 2_000 => Fate::Succeed,
                fate => fate,
            };
            let queue = *self.chance.choice(&[PLAIN, BATCHES]).unwrap_or(&PLAIN);
            let job = self.backend.enqueue(work(fate)).id(self.id()).on(queue).batch(batch.clone());
            let job = job.max_attempts(fate.max_attempts()).timeout(fate.timeout()).build()?;
            self.enter(job, queue, fate).await?;
        }
        let mut may_be_closed = false;
        let view = loop {
            match self.backend.batch_of(batch.clone()).close().await {
                Ok(view) => break view,
                Err(error) if passes(error.kind()) => {
                    may_be_closed = true;
                    tokio::time::sleep(AGAIN).await;
                }
                // By the call before, whose answer was lost.
                Err(error) if may_be_closed && error.kind() == ErrorKind::Conflict => {
                    match self.backend.batch_view(&batch).await {
                        Ok(Some(view)) => break view,
                        Err(error) if passes(error.kind()) => tokio::time::sleep(AGAIN).await,
                        other => return Err(format!("batch {batch} is gone: {other:?}").into()),
                    }
                }
                Err(error) => {
                    self.observer.violation(format!("a batch cannot be closed: {error}")).await;
                    return Ok(count);
                }
            }
        };
        if view.total != u64::from(count) {
            let said = format!("batch {batch} counts {} of {count} jobs", view.total);
            self.observer.violation(said).await;
        }
        self.ledger.add(Entry::new(callback_id, BATCHES, Fate::Succeed).calling_back(batch));
        Ok(count)
    }

    async fn deadly(&mut self) -> AnyResult<u32> {
        let job = self.backend.enqueue(Abort).id(self.id()).build()?;
        self.enter(job, DEADLY, Fate::Abort).await?;
        Ok(1)
    }

    async fn cancel(&mut self) -> AnyResult<u32> {
        let Some((id, queue)) = self.ledger.cancel_one(self.chance.usize(..20)) else {
            return Ok(1);
        };
        // Whether it worked or not, both ends are fine now.
        let _ = self.backend.cancel(&QueueName::new(queue)?, &[id]).await;
        Ok(1)
    }

    async fn many(&mut self) -> AnyResult<u32> {
        let count = self.chance.u32(20..200);
        self.stream(PLAIN, count).await
    }

    /// So many by one call.
    async fn stream(&mut self, queue: &'static str, count: u32) -> AnyResult<u32> {
        let ids: Vec<JobId> = (0..count).map(|_| self.id()).collect();
        loop {
            let jobs = ids.iter().map(|id| {
                let job = self.backend.enqueue(work(Fate::Succeed)).id(*id).on(queue).build();
                job.map_err(Into::into)
            });
            let jobs = jobs.collect::<AnyResult<Vec<NewJob>>>()?;
            match self.backend.enqueue_jobs(&jobs).await {
                Ok(_) => break,
                Err(error) if passes(error.kind()) => tokio::time::sleep(AGAIN).await,
                Err(error) => return Err(error.into()),
            }
        }
        for id in ids {
            self.ledger.add(Entry::new(id, queue, Fate::Succeed));
        }
        Ok(count)
    }
}

/// Whether it may work when it is tried again.
fn passes(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Unavailable | ErrorKind::TimedOut)
}
