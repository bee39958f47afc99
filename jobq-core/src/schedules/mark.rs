//! How far a schedule has come.

use std::fmt;

use crate::clock::Timestamp;
use crate::id::JobId;
use crate::name::{GroupName, ScheduleName};

/// A schedule: its name, and the group in which it has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct ScheduleRef {
    /// The service, or whatever is deployed as one.
    pub group: GroupName,
    /// Its name there.
    pub name: ScheduleName,
}

impl ScheduleRef {
    /// A schedule of a group.
    #[must_use]
    pub const fn new(group: GroupName, name: ScheduleName) -> Self {
        Self { group, name }
    }

    /// The id of the job of a tick: the same whoever enqueues it.
    #[must_use]
    pub fn job_of(&self, tick: Timestamp) -> JobId {
        JobId::from_key(&format!("schedule {self} {}", tick.as_millis()))
    }
}

impl fmt::Display for ScheduleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.name)
    }
}

/// How far a schedule has come, as the queue of its jobs knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mark {
    /// The greatest revision of its definition by which a tick was claimed.
    pub revision: u64,
    /// Whether it is paused: nothing is claimed.
    pub paused: bool,
    /// The last tick that was claimed, or the time of the last resume.
    pub last: Option<Timestamp>,
    /// When its job was last enqueued or left out, by a tick or by hand.
    pub acted_at: Option<Timestamp>,
    /// What became of it then.
    pub outcome: Option<TickOutcome>,
    /// Jobs that it has enqueued and that may still be live, the newest last. Only the newest one, of a
    /// schedule whose jobs may overlap.
    pub jobs: Vec<JobId>,
}

impl Mark {
    /// The mark of a schedule that nothing is known of.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

/// What became of a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TickOutcome {
    /// Its job was enqueued.
    Enqueued,
    /// Another job stood for it, by its unique key.
    Duplicate,
    /// It was left out: jobs of the schedule must not overlap.
    LeftOut,
}

impl TickOutcome {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enqueued => "enqueued",
            Self::Duplicate => "duplicate",
            Self::LeftOut => "left out",
        }
    }
}

impl fmt::Display for TickOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What a person does to a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarkChange {
    /// Claims nothing until it is resumed.
    Pause,
    /// Claims again, from now on: what was due before is not owed. Of a schedule that is not paused too.
    Resume,
    /// Forgets all that is known, unless a tick was claimed by a later revision than this: who forgets has
    /// not seen that one.
    Forget {
        /// The revision that was seen.
        revision: u64,
    },
}
