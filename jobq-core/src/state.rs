//! The states of a job, and the only table of legal transitions.
//!
//! ```text
//!              enqueue(at)          due                lease             ack
//!  (producer) ───────────▶ Scheduled ───▶ Ready ───────────▶ Leased ───────────▶ Completed (if kept)
//!      │                      ▲  ▲         ▲  │ cancel          │ │ │
//!      │ enqueue              │  │ nack    │  └───▶ Cancelled ◀─┘ │ │
//!      └──────────────────────┼──┼─────────┘                      │ │
//!                             │  └── retry after backoff ─────────┘ │
//!                       Waiting (for parents)    dead-letter ──────▶ Dead ── requeue ──▶ Ready
//! ```
//!
//! A waiting job becomes ready, or scheduled, with the end of its last parent; it may be cancelled before,
//! and it dies if a parent fails and it is not to go on without.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::text::shown;

/// Where a job is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a new state changes what every backend must do")]
pub enum JobState {
    /// Waits for other jobs to end, its parents.
    Waiting,
    /// Waits for its time: enqueued for later, snoozed, or backing off after a failed attempt.
    Scheduled,
    /// Waits for a worker. A paused queue keeps its jobs ready.
    Ready,
    /// Held by a worker until its lease expires.
    Leased,
    /// Done, and kept because its retention asks for it. Jobs without retention leave nothing behind.
    Completed,
    /// Cancelled by a person or with its batch, and kept because its retention asks for it.
    Cancelled,
    /// Out of attempts, refused by its handler, or the end of too many workers. Kept for people.
    Dead,
}

impl JobState {
    /// All states, in the order of a job's life.
    pub const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Scheduled,
        Self::Ready,
        Self::Leased,
        Self::Completed,
        Self::Cancelled,
        Self::Dead,
    ];

    /// Whether a job in this state may still run.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Waiting | Self::Scheduled | Self::Ready | Self::Leased)
    }

    /// Whether a job may go from this state to `next` in one step.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Waiting, Self::Scheduled | Self::Ready | Self::Cancelled | Self::Dead)
                | (Self::Scheduled, Self::Ready | Self::Cancelled)
                | (Self::Ready, Self::Leased | Self::Cancelled)
                | (
                    Self::Leased,
                    Self::Scheduled | Self::Ready | Self::Completed | Self::Cancelled | Self::Dead
                )
                | (Self::Dead, Self::Ready)
        )
    }

    /// The word for this state.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Scheduled => "scheduled",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Dead => "dead",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or_else(|| {
            Error::invalid_input(format!(
                "{} is not a state: waiting, scheduled, ready, leased, completed, cancelled or dead",
                shown(word)
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_back() {
        for state in JobState::ALL {
            assert_eq!(state.as_str().parse::<JobState>().unwrap(), state);
        }
        assert!("done".parse::<JobState>().is_err());
    }

    #[test]
    fn an_ended_job_moves_only_when_a_person_requeues_it() {
        for from in JobState::ALL.into_iter().filter(|state| !state.is_live()) {
            let exits: Vec<_> =
                JobState::ALL.into_iter().filter(|next| from.may_become(*next)).collect();
            let allowed: &[JobState] =
                if from == JobState::Dead { &[JobState::Ready] } else { &[] };
            assert_eq!(exits, allowed, "{from}");
        }
    }
}
