//! One tick of one schedule: what its overlap policy makes of it, and the claim.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jobq_core::inspect::CancelOutcome;
use jobq_core::schedules::{Claim, Claimed, ScheduleRef, Tick};
use jobq_core::{
    Backend, Clock, Inspect, JobId, JobRecord, JobRef, NewJob, OnParentFailure, Parent, QueueName,
    Result, Schedules, Timestamp, When,
};

use crate::policy::Overlap;

/// How often a claim is made anew because the jobs of the schedule have changed meanwhile.
const MOST_TRIES: usize = 10;

/// All that a scheduler needs of a store.
#[async_trait]
pub(crate) trait ScheduleStore: Schedules {
    /// What ids are made by.
    fn clock(&self) -> &dyn Clock;

    /// Calls jobs off.
    async fn call_off(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<CancelOutcome>>;
}

#[async_trait]
impl<T: Backend + Inspect + Schedules> ScheduleStore for T {
    fn clock(&self) -> &dyn Clock {
        Backend::clock(self)
    }

    async fn call_off(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<CancelOutcome>> {
        self.cancel(queue, ids).await
    }
}

/// What is needed to enqueue jobs of a schedule.
#[derive(Clone)]
pub(crate) struct Firing {
    pub(crate) store: Arc<dyn ScheduleStore>,
    pub(crate) schedule: ScheduleRef,
    pub(crate) record: JobRecord,
    pub(crate) overlap: Overlap,
    pub(crate) revision: u64,
    pub(crate) good_until: Timestamp,
    pub(crate) since: Timestamp,
}

impl fmt::Debug for Firing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Firing").field("schedule", &self.schedule).finish_non_exhaustive()
    }
}

impl Firing {
    /// Claims a tick, or runs the schedule by hand, as its overlap policy says.
    ///
    /// [`Overlap`](Claimed::Overlap) if the jobs of the schedule change faster than that.
    pub(crate) async fn fire(&self, tick: Option<Tick>) -> Result<Claimed> {
        let id = match tick {
            Some(tick) => self.schedule.job_of(tick.at),
            None => JobId::generate(self.store.clock()),
        };
        let mut live = Vec::new();
        for _ in 0..MOST_TRIES {
            let (live_then, job) = self.decide(id, tick, &live).await?;
            let mut claim = Claim::new(self.schedule.clone(), self.queue().clone(), job);
            claim.revision = self.revision;
            claim.good_until = self.good_until;
            claim.since = self.since;
            claim.tick = tick;
            claim.live = live_then;
            match self.store.claim(&claim).await? {
                Claimed::Overlap(others) => live = others,
                claimed => return Ok(claimed),
            }
        }
        Ok(Claimed::Overlap(live))
    }

    const fn queue(&self) -> &QueueName {
        &self.record.queue
    }

    /// Which jobs will be live when this is claimed, and the job to enqueue if these are.
    async fn decide(
        &self,
        id: JobId,
        tick: Option<Tick>,
        live: &[JobId],
    ) -> Result<(Option<Vec<JobId>>, Option<NewJob>)> {
        let job = self.job(id, tick);
        Ok(match self.overlap {
            Overlap::Allow => (None, Some(job)),
            _ if live.is_empty() => (Some(Vec::new()), Some(job)),
            Overlap::Queue if live.len() == 1 => (Some(live.to_vec()), Some(self.after(job, live))),
            Overlap::Skip | Overlap::Queue => (Some(live.to_vec()), None),
            Overlap::Cancel => {
                let ending = self.call_off(live).await?;
                let job = self.after(job, &ending);
                (Some(ending), Some(job))
            }
        })
    }

    /// Calls jobs off, and gives those that take time to end.
    async fn call_off(&self, live: &[JobId]) -> Result<Vec<JobId>> {
        let outcomes = self.store.call_off(self.queue(), live).await?;
        let asked = |(id, outcome): (&JobId, CancelOutcome)| {
            (outcome == CancelOutcome::Requested).then_some(*id)
        };
        Ok(live.iter().zip(outcomes).filter_map(asked).collect())
    }

    fn job(&self, id: JobId, tick: Option<Tick>) -> NewJob {
        let mut record = self.record.clone();
        record.id = id;
        record.metadata.insert("schedule", self.schedule.to_string());
        if let Some(tick) = tick {
            record.metadata.insert("tick", tick.at.to_string());
        }
        NewJob::new(record, When::Now)
    }

    /// The job, to come when others have ended.
    fn after(&self, mut job: NewJob, others: &[JobId]) -> NewJob {
        let parent = |id: &JobId| Parent::known(JobRef::new(self.queue().clone(), *id));
        job.parents = others.iter().map(parent).collect();
        job.on_parent_failure = OnParentFailure::Continue;
        job
    }
}
