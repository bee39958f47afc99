//! What a backend knows of why a job is not running.

use crate::batch::BatchRef;
use crate::clock::Timestamp;
use crate::id::JobId;
use crate::inspect::JobView;
use crate::job_ref::JobRef;
use crate::lane::LaneKey;
use crate::limits::Rate;
use crate::name::LimitName;

/// One thing that keeps a job from being leased right now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Block {
    /// It is not due: enqueued for later, snoozed, or backing off after a failed attempt.
    NotDue {
        /// When it is.
        at: Timestamp,
    },
    /// Parents of it have not ended.
    Parents(Vec<JobRef>),
    /// The queue is paused.
    QueuePaused,
    /// As many jobs of the queue are leased as may be.
    QueueConcurrency {
        /// How many may be.
        limit: u32,
    },
    /// The queue's rate is used up.
    QueueRate {
        /// The rate.
        rate: Rate,
        /// When there is room again.
        until: Timestamp,
    },
    /// Its lane is paused.
    LanePaused,
    /// Its lane was told to rest, or rests because its jobs keep failing.
    LaneRests {
        /// Until when.
        until: Timestamp,
        /// How many failures in a row led to it; 0 if somebody told it to.
        failures: u32,
    },
    /// As many jobs of its lane are leased as may be.
    LaneConcurrency {
        /// How many may be.
        limit: u32,
        /// Some of those that are: ten at most.
        holders: Vec<JobId>,
    },
    /// Its lane's rate is used up.
    LaneRate {
        /// The rate.
        rate: Rate,
        /// When there is room again.
        until: Timestamp,
    },
    /// A limit that the queue shares with others is reached.
    Shared {
        /// Which.
        name: LimitName,
        /// When there is room again, if that is a matter of time.
        until: Option<Timestamp>,
    },
    /// The batch that counts it was called off, and it has not started: it ends as cancelled instead of
    /// being leased.
    CalledOff {
        /// Which.
        batch: BatchRef,
    },
    /// Another job with its unique key is running.
    UniqueKey {
        /// Which.
        holder: JobId,
    },
}

/// What a backend knows of why a job is not running. An explanation makes sentences of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Standing {
    /// The job.
    pub job: JobView,
    /// The lane it is counted in.
    pub lane: Option<LaneKey>,
    /// What keeps it from being leased. A ready job without any is leased once a worker has taken those
    /// [ahead](Self::ahead) of it.
    pub blocks: Vec<Block>,
    /// How many ready jobs go before it: exact in a queue without lanes; with lanes, those ahead in its
    /// own lane.
    pub ahead: u64,
    /// How many other lanes have a ready job, so that its own takes turns with them: 0 in a queue without
    /// lanes, or if it is alone. The jobs without a lane are one lane.
    pub lanes: u64,
    /// Leases per second of this queue of late; `None` while unknown.
    pub rate: Option<f64>,
}

impl Standing {
    /// A job that nothing keeps from being leased next.
    #[must_use]
    pub const fn new(job: JobView) -> Self {
        Self { job, lane: None, blocks: Vec::new(), ahead: 0, lanes: 0, rate: None }
    }

    /// How long until the last of its blocks that is a matter of time is gone; `None` if there is none
    /// such.
    #[must_use]
    pub fn blocked_until(&self) -> Option<Timestamp> {
        self.blocks.iter().filter_map(Block::until).max()
    }
}

impl Block {
    /// When it is gone, if that is a matter of time.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        match self {
            Self::NotDue { at: until }
            | Self::QueueRate { until, .. }
            | Self::LaneRests { until, .. }
            | Self::LaneRate { until, .. } => Some(*until),
            Self::Shared { until, .. } => *until,
            _ => None,
        }
    }
}
