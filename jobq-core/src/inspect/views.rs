//! What people see of jobs, queues and lanes, and what becomes of what they ask for.

use crate::clock::Timestamp;
use crate::history::History;
use crate::id::{JobId, Token, WorkerId};
use crate::lane::LaneKey;
use crate::limits::Limits;
use crate::name::QueueName;
use crate::progress::Report;
use crate::record::JobRecord;
use crate::state::JobState;

/// How many jobs of a queue are in each state.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueueStats {
    /// The queue.
    pub queue: QueueName,
    /// Whether it is paused.
    pub paused: bool,
    /// Jobs that wait for other jobs to end.
    pub waiting: u64,
    /// Jobs that wait for a worker.
    pub ready: u64,
    /// Jobs that wait for their time, those due but not yet promoted among them.
    pub scheduled: u64,
    /// Jobs held by workers.
    pub leased: u64,
    /// Completed jobs that are kept.
    pub completed: u64,
    /// Cancelled jobs that are kept.
    pub cancelled: u64,
    /// Jobs put aside for people.
    pub dead: u64,
    /// When the job that has waited longest at the head of a priority was enqueued.
    pub oldest_ready_at: Option<Timestamp>,
}

/// The dead jobs of a queue, without what is stored of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deaths {
    /// How many jobs of the queue are dead.
    pub total: u64,
    /// When those asked for died, and which they are: the newest first, and the highest id of those that died at once.
    pub newest: Vec<(Timestamp, JobId)>,
}

impl Deaths {
    /// These jobs, of so many.
    #[must_use]
    pub const fn new(total: u64, newest: Vec<(Timestamp, JobId)>) -> Self {
        Self { total, newest }
    }
}

impl QueueStats {
    /// The counts of an empty queue.
    #[must_use]
    pub const fn empty(queue: QueueName) -> Self {
        Self {
            queue,
            paused: false,
            waiting: 0,
            ready: 0,
            scheduled: 0,
            leased: 0,
            completed: 0,
            cancelled: 0,
            dead: 0,
            oldest_ready_at: None,
        }
    }

    /// The count of one state.
    #[must_use]
    pub const fn count(&self, state: JobState) -> u64 {
        match state {
            JobState::Waiting => self.waiting,
            JobState::Scheduled => self.scheduled,
            JobState::Ready => self.ready,
            JobState::Leased => self.leased,
            JobState::Completed => self.completed,
            JobState::Cancelled => self.cancelled,
            JobState::Dead => self.dead,
        }
    }
}

/// What is known of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LaneView {
    /// The lane.
    pub lane: LaneKey,
    /// Whether it is paused.
    pub paused: bool,
    /// Jobs of it that wait for a worker.
    pub ready: u64,
    /// Jobs of it held by workers.
    pub leased: u64,
    /// What limits it, from all sources and scopes.
    pub limits: Limits,
    /// When it next may have a job leased, if that is a matter of time: it rests, or its rate is used up.
    pub until: Option<Timestamp>,
    /// Failed attempts in a row.
    pub failures: u32,
}

impl LaneView {
    /// The view of a lane that nothing is known of.
    #[must_use]
    pub const fn new(lane: LaneKey, limits: Limits) -> Self {
        Self { lane, paused: false, ready: 0, leased: 0, limits, until: None, failures: 0 }
    }
}

/// All that is known of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobView {
    /// What was enqueued.
    pub record: JobRecord,
    /// Where it is in its life.
    pub state: JobState,
    /// Attempts that have failed so far.
    pub failed_attempts: u32,
    /// Leases that have expired so far.
    pub crashes: u32,
    /// What went wrong so far.
    pub history: History,
    /// What its newest attempt has said of itself.
    pub report: Report,
    /// Whether somebody has asked for the running job to be cancelled.
    pub cancel_requested: bool,
    /// When it is due (scheduled), its lease expires (leased), it died (dead), or it will be deleted
    /// (completed, cancelled); `None` for waiting and ready jobs.
    pub at: Option<Timestamp>,
    /// Who runs it under which token (leased).
    pub held_by: Option<(WorkerId, Token)>,
    /// What the handler returned, encoded (completed).
    pub result: Option<Vec<u8>>,
    /// Why what is stored of it cannot be read, if so. Something has overwritten it, or a newer version wrote it:
    /// then of `record` only the id and the queue are true, and what else is known is not shown. It can be
    /// deleted as any other.
    pub unreadable: Option<String>,
}

impl JobView {
    /// The view of a job that nothing has happened to yet.
    #[must_use]
    pub fn new(record: JobRecord, state: JobState) -> Self {
        Self {
            record,
            state,
            failed_attempts: 0,
            crashes: 0,
            history: History::new(),
            report: Report::default(),
            cancel_requested: false,
            at: None,
            held_by: None,
            result: None,
            unreadable: None,
        }
    }
}

/// What became of a request to cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelOutcome {
    /// The job was waiting, and is cancelled.
    Cancelled,
    /// The job is running, and was asked to end.
    Requested,
    /// The job had ended before.
    AlreadyEnded,
    /// The queue does not know the job.
    NotFound,
}

/// What became of a request to requeue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequeueOutcome {
    /// The job is ready again.
    Requeued,
    /// This job holds the unique key now, so the dead one stays where it is.
    Conflict(JobId),
    /// The job is known but not dead.
    NotDead,
    /// The queue does not know the job.
    NotFound,
}

/// What became of a request to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeleteOutcome {
    /// The job is gone.
    Deleted,
    /// The job is running: cancel it instead.
    Running,
    /// The job is in another state than it was seen in.
    MovedOn,
    /// The queue does not know the job.
    NotFound,
}
