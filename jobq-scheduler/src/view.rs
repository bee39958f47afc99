//! What people see of a schedule.

use jobq_core::schedules::{Mark, TickOutcome};
use jobq_core::{Error, JobId, JobRef, Kind, QueueName, Result, ScheduleName, Timestamp};

use crate::definition::{Definition, Source};
use crate::entry::Entry;
use crate::policy::{CatchUp, Overlap};

/// What is known of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScheduleView {
    /// Its name in the group.
    pub name: ScheduleName,
    /// When it ticks, in plain English.
    pub description: String,
    /// The time zone whose clocks count; `None` for an interval.
    pub timezone: Option<String>,
    /// The queue of its jobs.
    pub queue: QueueName,
    /// The kind of its jobs.
    pub kind: Kind,
    /// Where it comes from.
    pub source: Source,
    /// Whether it is paused.
    pub paused: bool,
    /// Which missed ticks are made up for.
    pub catch_up: CatchUp,
    /// What a tick does while a job of it is live.
    pub overlap: Overlap,
    /// When it is to run next; `None` if it is paused or has come to its end.
    pub next_at: Option<Timestamp>,
    /// The last tick that was claimed, or when it was resumed.
    pub last_tick: Option<Timestamp>,
    /// When its job was last enqueued or left out, by a tick or by hand.
    pub acted_at: Option<Timestamp>,
    /// What became of it then.
    pub outcome: Option<TickOutcome>,
    /// The last job that it has enqueued, if that is known.
    pub last_job: Option<JobId>,
}

impl ScheduleView {
    /// A schedule with its mark, as they are now.
    pub(crate) fn of(name: ScheduleName, entry: &Entry, mark: Mark, now: Timestamp) -> Self {
        let (timing, record) = (entry.timing(), entry.record());
        let plan = &entry.definition.plan;
        let is_run = entry.definition.is_run() && !mark.paused;
        let next_at = if is_run { entry.next_runs(Some(&mark), now).next() } else { None };
        Self {
            name,
            description: timing.to_string(),
            timezone: timing.timezone().map(ToOwned::to_owned),
            queue: record.queue.clone(),
            kind: record.kind.clone(),
            source: entry.definition.source,
            paused: mark.paused,
            catch_up: plan.catch_up,
            overlap: plan.overlap,
            next_at,
            last_tick: mark.last,
            acted_at: mark.acted_at,
            outcome: mark.outcome,
            last_job: mark.jobs.last().copied(),
        }
    }

    /// A schedule that this machine cannot run, such as one whose time zone it does not know.
    ///
    /// # Errors
    ///
    /// `Corrupt` or `InvalidInput` when not even its job can be told.
    pub(crate) fn unusable(name: ScheduleName, known: &Definition, fault: &Error) -> Result<Self> {
        let (plan, record) = (&known.plan, known.plan.record()?);
        Ok(Self {
            name,
            description: format!("cannot be run here: {fault}"),
            timezone: plan.timezone.clone(),
            queue: record.queue,
            kind: record.kind,
            source: known.source,
            paused: false,
            catch_up: plan.catch_up,
            overlap: plan.overlap,
            next_at: None,
            last_tick: None,
            acted_at: None,
            outcome: None,
            last_job: None,
        })
    }
}

/// What became of a schedule that was run by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunNow {
    /// This job was enqueued.
    Enqueued(JobId),
    /// Another job stands for it, by its unique key.
    Duplicate(JobRef),
    /// Nothing was enqueued: a job of the schedule is live, and they must not overlap.
    LeftOut,
}
