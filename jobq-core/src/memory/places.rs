//! Where the jobs of a queue are: one index for each state. It decides nothing.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::lanes::Lanes;
use super::ready::Position;
use crate::clock::Timestamp;
use crate::id::{JobId, Token};
use crate::priority::Priority;
use crate::record::JobRecord;
use crate::state::JobState;

/// The state of a job, with what finds it in the index of that state.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Waiting {
        since: Timestamp,
    },
    Scheduled {
        due: Timestamp,
    },
    Ready {
        position: Position,
    },
    /// Ready, but not in line: another job runs with its unique key.
    HeldBack,
    Leased {
        expires_at: Timestamp,
        token: Token,
        cancel_requested: bool,
    },
    Completed {
        until: Timestamp,
    },
    Cancelled {
        until: Timestamp,
    },
    Dead {
        since: Timestamp,
    },
}

impl Place {
    pub(super) const fn state(self) -> JobState {
        match self {
            Self::Waiting { .. } => JobState::Waiting,
            Self::Scheduled { .. } => JobState::Scheduled,
            Self::Ready { .. } | Self::HeldBack => JobState::Ready,
            Self::Leased { .. } => JobState::Leased,
            Self::Completed { .. } => JobState::Completed,
            Self::Cancelled { .. } => JobState::Cancelled,
            Self::Dead { .. } => JobState::Dead,
        }
    }

    /// The time that matters in this state, as [`JobView::at`](crate::inspect::JobView::at) has it.
    pub(super) const fn at(self) -> Option<Timestamp> {
        match self {
            Self::Waiting { .. } | Self::Ready { .. } | Self::HeldBack => None,
            Self::Scheduled { due: at }
            | Self::Leased { expires_at: at, .. }
            | Self::Completed { until: at }
            | Self::Cancelled { until: at }
            | Self::Dead { since: at } => Some(at),
        }
    }
}

/// All jobs of a queue by state; within a state in the order in which they are listed and moved.
///
/// Each method that takes a job in returns its [`Place`], which the caller keeps with the job and gives
/// back to [`leave`](Self::leave). A job is in at most one index.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) waiting: BTreeSet<(Timestamp, JobId)>,
    pub(super) ready: Lanes,
    pub(super) held_back: BTreeSet<JobId>,
    pub(super) scheduled: BTreeSet<(Timestamp, Reverse<Priority>, JobId)>,
    pub(super) leased: BTreeSet<(Timestamp, Token, JobId)>,
    pub(super) completed: BTreeSet<(Timestamp, JobId)>,
    pub(super) cancelled: BTreeSet<(Timestamp, JobId)>,
    pub(super) dead: BTreeSet<(Timestamp, JobId)>,
}

impl Places {
    pub(super) fn wait(&mut self, since: Timestamp, id: JobId) -> Place {
        self.waiting.insert((since, id));
        Place::Waiting { since }
    }

    pub(super) fn schedule(&mut self, due: Timestamp, priority: Priority, id: JobId) -> Place {
        self.scheduled.insert((due, Reverse(priority), id));
        Place::Scheduled { due }
    }

    pub(super) fn push_back(&mut self, record: &JobRecord, now: Timestamp) -> Place {
        let position = self.ready.push_back(record.lane.as_ref(), record.priority, record.id, now);
        Place::Ready { position }
    }

    pub(super) fn push_front(&mut self, record: &JobRecord, now: Timestamp) -> Place {
        let position = self.ready.push_front(record.lane.as_ref(), record.priority, record.id, now);
        Place::Ready { position }
    }

    pub(super) fn hold_back(&mut self, record: &JobRecord, now: Timestamp) -> Place {
        self.ready.hold_back(record.lane.as_ref(), now);
        self.held_back.insert(record.id);
        Place::HeldBack
    }

    pub(super) fn lease(
        &mut self,
        record: &JobRecord,
        expires_at: Timestamp,
        token: Token,
    ) -> Place {
        self.ready.leased(record.lane.as_ref(), token, record.id);
        self.leased.insert((expires_at, token, record.id));
        Place::Leased { expires_at, token, cancel_requested: false }
    }

    /// Makes a lease end at another time.
    pub(super) fn extend(&mut self, place: &mut Place, expires_at: Timestamp, id: JobId) {
        if let Place::Leased { expires_at: before, token, .. } = place {
            self.leased.remove(&(*before, *token, id));
            self.leased.insert((expires_at, *token, id));
            *before = expires_at;
        }
    }

    pub(super) fn complete(&mut self, until: Timestamp, id: JobId) -> Place {
        self.completed.insert((until, id));
        Place::Completed { until }
    }

    pub(super) fn cancel(&mut self, until: Timestamp, id: JobId) -> Place {
        self.cancelled.insert((until, id));
        Place::Cancelled { until }
    }

    pub(super) fn bury(&mut self, since: Timestamp, id: JobId) -> Place {
        self.dead.insert((since, id));
        Place::Dead { since }
    }

    /// Takes a job out of the index it is in.
    pub(super) fn leave(&mut self, place: Place, record: &JobRecord, now: Timestamp) {
        let (id, lane) = (record.id, record.lane.as_ref());
        match place {
            Place::Waiting { since } => {
                self.waiting.remove(&(since, id));
            }
            Place::Scheduled { due } => {
                self.scheduled.remove(&(due, Reverse(record.priority), id));
            }
            Place::Ready { position } => self.ready.remove(lane, position, now),
            Place::HeldBack => {
                self.ready.let_go(lane, now);
                self.held_back.remove(&id);
            }
            Place::Leased { expires_at, token, .. } => {
                self.leased.remove(&(expires_at, token, id));
                self.ready.lease_ended(lane, token, now);
            }
            Place::Completed { until } => {
                self.completed.remove(&(until, id));
            }
            Place::Cancelled { until } => {
                self.cancelled.remove(&(until, id));
            }
            Place::Dead { since } => {
                self.dead.remove(&(since, id));
            }
        }
    }

    /// The jobs in one state, in order.
    pub(super) fn ids(&self, state: JobState) -> Box<dyn Iterator<Item = JobId> + '_> {
        match state {
            JobState::Waiting => Box::new(self.waiting.iter().map(|(_, id)| *id)),
            JobState::Scheduled => Box::new(self.scheduled.iter().map(|(_, _, id)| *id)),
            JobState::Ready => Box::new(self.ready.iter().chain(self.held_back.iter().copied())),
            JobState::Leased => Box::new(self.leased.iter().map(|(_, _, id)| *id)),
            JobState::Completed => Box::new(self.completed.iter().map(|(_, id)| *id)),
            JobState::Cancelled => Box::new(self.cancelled.iter().map(|(_, id)| *id)),
            JobState::Dead => Box::new(self.dead.iter().map(|(_, id)| *id)),
        }
    }

    /// When the next scheduled job is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.scheduled.first().map(|(due, _, _)| *due)
    }

    /// When the next lease expires.
    pub(super) fn next_expiry(&self) -> Option<Timestamp> {
        self.leased.first().map(|(expires_at, _, _)| *expires_at)
    }
}
