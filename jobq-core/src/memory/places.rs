//! Where the jobs of a queue are: one index for each state. It decides nothing.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::ready::ReadyJobs;
use crate::clock::Timestamp;
use crate::id::{JobId, Token};
use crate::priority::Priority;
use crate::state::JobState;

/// The state of a job, with what finds it in the index of that state.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Scheduled { due: Timestamp },
    Ready { position: i64 },
    Leased { expires_at: Timestamp, token: Token, cancel_requested: bool },
    Completed { until: Timestamp },
    Cancelled { until: Timestamp },
    Dead { since: Timestamp },
}

impl Place {
    pub(super) const fn state(self) -> JobState {
        match self {
            Self::Scheduled { .. } => JobState::Scheduled,
            Self::Ready { .. } => JobState::Ready,
            Self::Leased { .. } => JobState::Leased,
            Self::Completed { .. } => JobState::Completed,
            Self::Cancelled { .. } => JobState::Cancelled,
            Self::Dead { .. } => JobState::Dead,
        }
    }

    /// The time that matters in this state, as [`JobView::at`](crate::inspect::JobView::at) has it.
    pub(super) const fn at(self) -> Option<Timestamp> {
        match self {
            Self::Ready { .. } => None,
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
    pub(super) ready: ReadyJobs,
    pub(super) scheduled: BTreeSet<(Timestamp, Reverse<Priority>, JobId)>,
    pub(super) leased: BTreeSet<(Timestamp, Token, JobId)>,
    pub(super) completed: BTreeSet<(Timestamp, JobId)>,
    pub(super) cancelled: BTreeSet<(Timestamp, JobId)>,
    pub(super) dead: BTreeSet<(Timestamp, JobId)>,
}

impl Places {
    pub(super) fn schedule(&mut self, due: Timestamp, priority: Priority, id: JobId) -> Place {
        self.scheduled.insert((due, Reverse(priority), id));
        Place::Scheduled { due }
    }

    pub(super) fn push_back(&mut self, priority: Priority, id: JobId) -> Place {
        let position = self.ready.push_back(priority, id);
        Place::Ready { position }
    }

    pub(super) fn push_front(&mut self, priority: Priority, id: JobId) -> Place {
        let position = self.ready.push_front(priority, id);
        Place::Ready { position }
    }

    pub(super) fn lease(
        &mut self,
        expires_at: Timestamp,
        token: Token,
        cancel_requested: bool,
        id: JobId,
    ) -> Place {
        self.leased.insert((expires_at, token, id));
        Place::Leased { expires_at, token, cancel_requested }
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
    pub(super) fn leave(&mut self, place: Place, priority: Priority, id: JobId) {
        match place {
            Place::Scheduled { due } => {
                self.scheduled.remove(&(due, Reverse(priority), id));
            }
            Place::Ready { position } => self.ready.remove(priority, position),
            Place::Leased { expires_at, token, .. } => {
                self.leased.remove(&(expires_at, token, id));
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
            JobState::Waiting => Box::new(std::iter::empty()),
            JobState::Scheduled => Box::new(self.scheduled.iter().map(|(_, _, id)| *id)),
            JobState::Ready => Box::new(self.ready.iter()),
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
