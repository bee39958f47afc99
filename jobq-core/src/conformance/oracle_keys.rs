//! The oracle's unique keys: who waits with one, searched for each time.

use super::oracle::Oracle;
use crate::clock::Timestamp;
use crate::id::JobId;
use crate::record::{JobRecord, NewJob};
use crate::state::JobState;
use crate::unique::{Unique, UniqueKey, UniqueMode, UniqueScope};

type Key = (UniqueScope, UniqueKey);

/// Which jobs keep others from being added, and which were let go last.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    holds: Vec<Hold>,
    let_go: Vec<(Key, JobId)>,
    held_back: i64,
}

#[derive(Clone, Debug)]
struct Hold {
    key: Key,
    holder: JobId,
    /// When the row began that it goes on.
    since: Timestamp,
    until: Option<Timestamp>,
}

impl Oracle {
    /// The job that stands in the way of `new`, and when its row began.
    pub(super) fn holder(&self, new: &NewJob, now: Timestamp) -> Option<(JobId, Timestamp)> {
        let unique = new.record.unique.filter(|unique| unique.mode != UniqueMode::WhileRunning)?;
        let hold = self.hold(key_of(&unique), now)?;
        Some((hold.holder, hold.since))
    }

    /// Whether a job takes the place of the one that stands in its way.
    pub(super) fn is_replaced_by(&self, holder: JobId, new: &NewJob) -> bool {
        let waits = [JobState::Waiting, JobState::Scheduled, JobState::Ready];
        let mut jobs = self.jobs.iter();
        let is_waiting = jobs.any(|j| j.view.record.id == holder && waits.contains(&j.view.state));
        let mode = new.record.unique.map(|unique| unique.mode);
        is_waiting && matches!(mode, Some(UniqueMode::Debounce { .. } | UniqueMode::LatestWins))
    }

    /// Makes a job the waiting holder of its key, if that is its mode.
    pub(super) fn hold_key(&mut self, id: JobId, since: Timestamp, now: Timestamp) {
        let Some(unique) = self.unique(id) else {
            return;
        };
        let until = match unique.mode {
            UniqueMode::WhileRunning => return,
            UniqueMode::Throttle { per } => Some(now + per),
            _ => None,
        };
        let key = key_of(&unique);
        self.keys.holds.retain(|hold| hold.key != key);
        self.keys.holds.push(Hold { key, holder: id, since, until });
    }

    /// Whether a job whose lease ends may wait again: the latest wins.
    pub(super) fn waits_again(&mut self, id: JobId, now: Timestamp) -> bool {
        let latest = self.unique(id).filter(|unique| unique.mode == UniqueMode::LatestWins);
        let Some(unique) = latest else {
            return true;
        };
        let is_free = self.hold(key_of(&unique), now).is_none();
        if is_free {
            self.hold_key(id, now, now);
        }
        is_free
    }

    /// A job ends, or is deleted.
    pub(super) fn leave_key(&mut self, id: JobId, is_called_off: bool, now: Timestamp) {
        self.keys
            .holds
            .retain(|hold| hold.holder != id || (hold.until.is_some() && !is_called_off));
        let was_next = self.keys.let_go.extract_if(.., |(_, next)| *next == id).next();
        if let Some((key, _)) = was_next
            && self.runner(key).is_none()
        {
            if let Some(job) = self.known(id) {
                job.held_back = None;
            }
            self.let_next_go(key, now);
        }
    }

    /// Whether a job that is next has to wait for one that runs; then it is held back.
    pub(super) fn is_held_back(&mut self, id: JobId, now: Timestamp) -> bool {
        let Some(unique) = self.unique(id).filter(runs_alone) else {
            return false;
        };
        let key = key_of(&unique);
        if self.runner(key).is_none() {
            return false;
        }
        self.keys.let_go.retain(|(_, next)| *next != id);
        self.keys.held_back += 1;
        let number = self.keys.held_back;
        self.known(id).expect("it is next").held_back = Some(number);
        self.turn_lanes(now);
        true
    }

    /// A job was leased.
    pub(super) fn start_key(&mut self, id: JobId) {
        let Some(unique) = self.unique(id) else {
            return;
        };
        self.keys.let_go.retain(|(_, next)| *next != id);
        let ends_its_wait =
            !matches!(unique.mode, UniqueMode::UntilFinished | UniqueMode::Throttle { .. });
        self.keys.holds.retain(|hold| hold.holder != id || !ends_its_wait);
    }

    /// The lease of a job has ended.
    pub(super) fn free_running(&mut self, record: &JobRecord, now: Timestamp) {
        if let Some(unique) = record.unique.filter(runs_alone) {
            self.let_next_go(key_of(&unique), now);
        }
    }

    /// The jobs that hold a key, waiting and running.
    pub(super) fn holders(&self, key: UniqueKey, now: Timestamp) -> Vec<JobId> {
        let scopes = [UniqueScope::Queue, UniqueScope::Everywhere];
        let of = |scope| {
            let waiting = self.hold((scope, key), now).map(|hold| hold.holder);
            waiting.into_iter().chain(self.runner((scope, key)))
        };
        scopes.into_iter().flat_map(of).collect()
    }

    fn hold(&self, key: Key, now: Timestamp) -> Option<&Hold> {
        let mut holds = self.keys.holds.iter();
        holds.find(|hold| hold.key == key && hold.until.is_none_or(|until| now < until))
    }

    fn let_next_go(&mut self, key: Key, now: Timestamp) {
        let of_key = |record: &JobRecord| record.unique.as_ref().map(key_of) == Some(key);
        let held_back = self.jobs.iter().filter(|job| job.held_back.is_some());
        let mut held_back: Vec<_> = held_back.filter(|job| of_key(&job.view.record)).collect();
        held_back.sort_by_key(|job| job.held_back);
        let Some(next) = held_back.first().map(|job| job.view.record.id) else {
            return;
        };
        self.keys.let_go.retain(|(of, _)| *of != key);
        self.keys.let_go.push((key, next));
        self.push_front(next, now);
    }

    fn runner(&self, key: Key) -> Option<JobId> {
        let leased = self.jobs.iter().filter(|job| job.view.state == JobState::Leased);
        let mut runs = leased.filter(|job| {
            job.view.record.unique.is_some_and(|u| key_of(&u) == key && runs_alone(&u))
        });
        runs.next().map(|job| job.view.record.id)
    }

    fn unique(&mut self, id: JobId) -> Option<Unique> {
        self.find(id)?.record.unique
    }
}

fn key_of(unique: &Unique) -> Key {
    (unique.scope, unique.key)
}

fn runs_alone(unique: &Unique) -> bool {
    matches!(unique.mode, UniqueMode::WhileRunning | UniqueMode::LatestWins)
}
