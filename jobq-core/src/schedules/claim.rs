//! The right to a tick, asked for and given in the step that enqueues its job.

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::JobId;
use crate::name::QueueName;
use crate::record::{Enqueued, NewJob};

use super::mark::ScheduleRef;

/// The most jobs by which overlapping is judged. More of one schedule are live only when each was let
/// run beside the others.
pub(crate) const MOST_LIVE: usize = 64;

/// An instant at which a schedule is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// The tick itself, by which it is known.
    pub at: Timestamp,
    /// Before this it is not enqueued: the tick and its jitter.
    pub runs_at: Timestamp,
}

impl Tick {
    /// A tick that runs at `runs_at`.
    #[must_use]
    pub const fn new(at: Timestamp, runs_at: Timestamp) -> Self {
        Self { at, runs_at }
    }
}

/// What a scheduler asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The schedule.
    pub schedule: ScheduleRef,
    /// The queue of its jobs, which has its mark.
    pub queue: QueueName,
    /// The revision of the definition by which this is asked.
    pub revision: u64,
    /// Until when what the caller knows of the group can be relied upon.
    pub good_until: Timestamp,
    /// The time from which the definition holds: earlier ticks are not owed.
    pub since: Timestamp,
    /// The tick; `None` to run the schedule by hand, which asks for nothing but `live`.
    pub tick: Option<Tick>,
    /// The jobs of the schedule that the caller takes to be live; `None` if it does not matter.
    pub live: Option<Vec<JobId>>,
    /// The job to enqueue; `None` to leave the tick out.
    pub job: Option<NewJob>,
}

impl Claim {
    /// A claim to run a schedule by hand, of jobs that may overlap; all else is to be set.
    #[must_use]
    pub const fn new(schedule: ScheduleRef, queue: QueueName, job: Option<NewJob>) -> Self {
        Self {
            schedule,
            queue,
            revision: 0,
            good_until: Timestamp::EPOCH,
            since: Timestamp::EPOCH,
            tick: None,
            live: None,
            job,
        }
    }

    /// Refuses what cannot be enqueued in the step of the claim: a job that concerns other queues.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput).
    pub fn check(&self) -> Result<()> {
        let Some(job) = &self.job else {
            return Ok(());
        };
        job.check()?;
        let wrong =
            |what: &str| Error::invalid_input(format!("schedule {}: {what}", self.schedule));
        if job.record.queue != self.queue {
            return Err(wrong("its job goes to another queue than its mark"));
        }
        if job.record.batch.is_some() || !job.children.is_empty() {
            return Err(wrong("its job cannot be counted by a batch nor be waited for"));
        }
        if job.parents.iter().any(|parent| parent.job.queue != self.queue || parent.is_to_come) {
            return Err(wrong("its job can only wait for jobs of its own queue"));
        }
        Ok(())
    }
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claimed {
    /// The tick is the caller's, and its job is enqueued, or another one stands for it.
    Enqueued(Enqueued),
    /// The tick is the caller's, and was left out.
    LeftOut,
    /// Nothing was done: what the caller knows is too old.
    Stale,
    /// Nothing was done: a tick was claimed by a newer definition.
    Superseded,
    /// Nothing was done: the schedule is paused.
    Paused,
    /// Nothing was done: this tick or a later one was claimed before, or it is from before the definition.
    Taken {
        /// The last tick of the mark; `None` if the definition is what is later.
        last: Option<Timestamp>,
    },
    /// Nothing was done: it is not time yet.
    Early {
        /// The store's time.
        now: Timestamp,
    },
    /// Nothing was done: these jobs of the schedule are live, and not those that the caller knew of.
    Overlap(Vec<JobId>),
}
