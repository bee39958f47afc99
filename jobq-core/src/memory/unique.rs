//! Who holds which unique key. Pure: it is told the time, and moves no jobs.

use std::collections::{BTreeSet, HashMap, VecDeque};

use crate::clock::Timestamp;
use crate::job_ref::JobRef;
use crate::unique::{Unique, UniqueKey, UniqueMode};

/// The unique keys of a queue, or those among all queues.
#[derive(Debug, Default)]
pub(super) struct Keys {
    waiting: HashMap<UniqueKey, Waiting>,
    running: HashMap<UniqueKey, Running>,
    /// When keys held for a time are free again.
    throttled: BTreeSet<(Timestamp, UniqueKey)>,
}

/// The job that keeps others of its key from being added, or is replaced by them.
#[derive(Debug)]
struct Waiting {
    holder: JobRef,
    /// When the first of the row of jobs was enqueued that took each other's place.
    since: Timestamp,
    /// When the key is free whatever becomes of the holder.
    until: Option<Timestamp>,
    /// Whether the holder has not started, or waits again.
    is_replaceable: bool,
}

/// The job that keeps others of its key from being leased.
#[derive(Debug, Default)]
struct Running {
    /// Nobody, while the next one is on its way.
    holder: Option<JobRef>,
    /// The job that was let go last, and that has not been leased yet.
    next: Option<JobRef>,
    held_back: VecDeque<JobRef>,
}

/// What a key says to a job that wants to be added.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Free,
    Duplicate(JobRef),
    Replaces(JobRef),
}

/// How a job left the living.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    /// It has completed, died, or was pruned.
    Finished,
    /// It was cancelled or deleted: as if it had never been asked for.
    Withdrawn,
}

impl Keys {
    pub(super) fn verdict(&self, unique: &Unique, now: Timestamp) -> Verdict {
        if unique.mode == UniqueMode::WhileRunning {
            return Verdict::Free;
        }
        match self.held_by(unique.key, now) {
            None => Verdict::Free,
            Some(waiting) if unique.mode.replaces() && waiting.is_replaceable => {
                Verdict::Replaces(waiting.holder.clone())
            }
            Some(waiting) => Verdict::Duplicate(waiting.holder.clone()),
        }
    }

    /// The job that stands in the way of a dead one that is to run again.
    pub(super) fn conflict(&self, unique: &Unique, now: Timestamp) -> Option<JobRef> {
        match unique.mode {
            UniqueMode::WhileRunning | UniqueMode::Throttle { .. } => None,
            _ => self.held_by(unique.key, now).map(|waiting| waiting.holder.clone()),
        }
    }

    /// When the row began that a job with this key would go on.
    pub(super) fn since(&self, key: UniqueKey, now: Timestamp) -> Timestamp {
        self.held_by(key, now).map_or(now, |waiting| waiting.since)
    }

    /// Makes a job the waiting holder, if that is its mode.
    pub(super) fn take(&mut self, unique: &Unique, job: JobRef, since: Timestamp, now: Timestamp) {
        let until = match unique.mode {
            UniqueMode::WhileRunning => return,
            UniqueMode::Throttle { per } => Some(now + per),
            _ => None,
        };
        let waiting = Waiting { holder: job, since, until, is_replaceable: true };
        let before = self.waiting.insert(unique.key, waiting);
        if let Some(until) = before.and_then(|before| before.until) {
            self.throttled.remove(&(until, unique.key));
        }
        self.throttled.extend(until.map(|until| (until, unique.key)));
    }

    /// The same for a dead job that is to run again.
    pub(super) fn take_again(&mut self, unique: &Unique, job: JobRef, now: Timestamp) {
        if !matches!(unique.mode, UniqueMode::Throttle { .. }) {
            self.take(unique, job, now, now);
        } else if let Some(waiting) = self.waiting.get_mut(&unique.key)
            && waiting.holder == job
        {
            waiting.is_replaceable = true;
        }
    }

    /// Whether another job runs that has to end first.
    pub(super) fn is_blocked(&self, unique: &Unique) -> bool {
        runs_alone(unique) && self.runner(unique.key).is_some()
    }

    /// The job that keeps another one of its key from being leased: it runs, or is to run before.
    pub(super) fn blocker(&self, unique: &Unique, job: &JobRef) -> Option<&JobRef> {
        let running = self.running.get(&unique.key).filter(|_| runs_alone(unique))?;
        let is_held_back = || running.held_back.contains(job);
        running.holder.as_ref().or_else(|| running.next.as_ref().filter(|_| is_held_back()))
    }

    pub(super) fn hold_back(&mut self, key: UniqueKey, job: JobRef) {
        let running = self.running.entry(key).or_default();
        if running.next.as_ref() == Some(&job) {
            running.next = None;
        }
        running.held_back.push_back(job);
    }

    /// A job is leased: it may be no waiting holder any more, and become the running one.
    pub(super) fn started(&mut self, unique: &Unique, job: &JobRef) {
        if let Some(waiting) = self.waiting.get_mut(&unique.key).filter(|w| w.holder == *job) {
            waiting.is_replaceable = false;
            if let UniqueMode::UntilStarted | UniqueMode::Debounce { .. } | UniqueMode::LatestWins =
                unique.mode
            {
                self.release(unique.key);
            }
        }
        if runs_alone(unique) {
            let running = self.running.entry(unique.key).or_default();
            running.holder = Some(job.clone());
            if running.next.as_ref() == Some(job) {
                running.next = None;
            }
        }
    }

    /// A job that was leased is to wait again; `false` if another one has taken its place.
    pub(super) fn waits_again(&mut self, unique: &Unique, job: &JobRef, now: Timestamp) -> bool {
        let is_free = self.held_by(unique.key, now).is_none();
        if unique.mode == UniqueMode::LatestWins {
            if is_free {
                self.take(unique, job.clone(), now, now);
            }
            return is_free;
        }
        if let Some(waiting) = self.waiting.get_mut(&unique.key).filter(|w| w.holder == *job) {
            waiting.is_replaceable = true;
        }
        true
    }

    /// The lease of a job has ended in any way; gives the job that may be let go.
    pub(super) fn lease_ended(&mut self, unique: &Unique, job: &JobRef) -> Option<JobRef> {
        let running = self.running.get_mut(&unique.key)?;
        if running.holder.as_ref() != Some(job) {
            return None;
        }
        running.holder = None;
        self.let_next_go(unique.key)
    }

    /// A job is no longer among the living; gives the job that may be let go.
    pub(super) fn left(&mut self, unique: &Unique, job: &JobRef, how: Leaving) -> Option<JobRef> {
        let key = unique.key;
        if let Some(waiting) = self.waiting.get_mut(&key).filter(|w| w.holder == *job) {
            waiting.is_replaceable = false;
            let goes_on = waiting.until.is_some() && how == Leaving::Finished;
            if !goes_on {
                self.release(key);
            }
        }
        let running = self.running.get_mut(&key)?;
        if let Some(place) = running.held_back.iter().position(|held| held == job) {
            running.held_back.remove(place);
        }
        let was_next = running.next.take_if(|next| next == job).is_some();
        if was_next && running.holder.is_none() {
            return self.let_next_go(key);
        }
        None
    }

    /// Who holds a key, waiting and running.
    pub(super) fn holders(&self, key: UniqueKey, now: Timestamp) -> impl Iterator<Item = JobRef> {
        let waiting = self.held_by(key, now).map(|waiting| waiting.holder.clone());
        waiting.into_iter().chain(self.runner(key).cloned())
    }

    /// Who runs with a key.
    pub(super) fn runner(&self, key: UniqueKey) -> Option<&JobRef> {
        self.running.get(&key)?.holder.as_ref()
    }

    /// Forgets keys whose time is over: at most so many. Says how many.
    pub(super) fn prune(&mut self, limit: usize, now: Timestamp) -> usize {
        let mut pruned = 0;
        while pruned < limit
            && let Some((until, key)) = self.throttled.first().copied()
            && until <= now
        {
            self.release(key);
            pruned += 1;
        }
        pruned
    }

    fn held_by(&self, key: UniqueKey, now: Timestamp) -> Option<&Waiting> {
        let waiting = self.waiting.get(&key);
        waiting.filter(|waiting| waiting.until.is_none_or(|until| now < until))
    }

    fn release(&mut self, key: UniqueKey) {
        if let Some(until) = self.waiting.remove(&key).and_then(|waiting| waiting.until) {
            self.throttled.remove(&(until, key));
        }
    }

    fn let_next_go(&mut self, key: UniqueKey) -> Option<JobRef> {
        let running = self.running.get_mut(&key)?;
        running.next = running.held_back.pop_front();
        let next = running.next.clone();
        if running.held_back.is_empty() {
            self.running.remove(&key);
        }
        next
    }
}

const fn runs_alone(unique: &Unique) -> bool {
    matches!(unique.mode, UniqueMode::WhileRunning | UniqueMode::LatestWins)
}
