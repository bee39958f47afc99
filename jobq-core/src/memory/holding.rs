//! How jobs take, hold and free their unique keys as they go through their lives.

use super::places::Place;
use super::queue_state::{Ending, QueueState};
use super::unique::{Keys, Leaving, Verdict};
use crate::clock::Timestamp;
use crate::id::JobId;
use crate::job_ref::JobRef;
use crate::record::{NewJob, When};
use crate::unique::{Unique, UniqueKey, UniqueMode, UniqueScope};

/// What its key says to a job that is to be added.
pub(super) enum Admission {
    /// It is the first one.
    Free,
    /// That one stands for it.
    Duplicate(JobRef),
    /// It is added in place of that one.
    InPlaceOf(JobId),
}

impl QueueState {
    /// Gives a new job its unique key, unless another one has it. The one whose place it takes has
    /// ended when this returns.
    pub(super) fn take_key(&mut self, new: &NewJob, now: Timestamp) -> Admission {
        let Some(unique) = new.record.unique else {
            return Admission::Free;
        };
        let job = self.job_ref(new.record.id);
        // In one step: another queue may ask for the same key.
        let (verdict, since) = self.with_keys(unique.scope, |keys| {
            let (verdict, since) = (keys.verdict(&unique, now), keys.since(unique.key, now));
            if verdict == Verdict::Free {
                keys.take(&unique, job.clone(), now, now);
            }
            (verdict, since)
        });
        match verdict {
            Verdict::Duplicate(holder) => Admission::Duplicate(holder),
            Verdict::Free => Admission::Free,
            Verdict::Replaces(previous) => {
                let id = previous.id;
                self.end(id, Ending::Cancelled, now);
                self.with_keys(unique.scope, |keys| keys.take(&unique, job, since, now));
                Admission::InPlaceOf(id)
            }
        }
    }

    /// What its key says to a job that is to be added.
    pub(super) fn key_verdict(&mut self, unique: &Unique, now: Timestamp) -> Verdict {
        self.with_keys(unique.scope, |keys| keys.verdict(unique, now))
    }

    /// When a new job that has its key is to be ready: a debounced one has no say in it.
    pub(super) fn settle_when(&mut self, new: &NewJob, now: Timestamp) -> When {
        match new.record.unique {
            Some(Unique { key, mode: UniqueMode::Debounce { delay, at_most }, scope }) => {
                let since = self.with_keys(scope, |keys| keys.since(key, now));
                let latest = at_most.map_or(now + delay, |at_most| since + at_most);
                When::At(latest.min(now + delay))
            }
            _ => new.when,
        }
    }

    /// Gives a dead job its key again, unless another one has it.
    pub(super) fn take_key_again(&mut self, id: JobId, now: Timestamp) -> Result<(), JobId> {
        let Some(unique) = self.unique_of(id) else {
            return Ok(());
        };
        let job = self.job_ref(id);
        self.with_keys(unique.scope, |keys| match keys.conflict(&unique, now) {
            Some(holder) => Err(holder.id),
            None => {
                keys.take_again(&unique, job, now);
                Ok(())
            }
        })
    }

    /// Gives the key to a job that is about to be leased; `false` if another one runs with it.
    pub(super) fn start_key(&mut self, unique: &Unique, id: JobId) -> bool {
        let job = self.job_ref(id);
        self.with_keys(unique.scope, |keys| {
            let may_run = !keys.is_blocked(unique);
            if may_run {
                keys.started(unique, &job);
            }
            may_run
        })
    }

    /// Takes a job out of the line until the one that runs with its key has ended.
    pub(super) fn hold_back(&mut self, unique: &Unique, id: JobId, now: Timestamp) {
        let job = self.job_ref(id);
        self.with_keys(unique.scope, |keys| keys.hold_back(unique.key, job));
        self.move_to(id, now, |places, record| places.hold_back(record, now));
    }

    /// A job whose lease ends is to wait again; `false` if it has to end instead.
    pub(super) fn key_waits_again(&mut self, id: JobId, now: Timestamp) -> bool {
        let Some(unique) = self.unique_of(id) else {
            return true;
        };
        let job = self.job_ref(id);
        self.with_keys(unique.scope, |keys| keys.waits_again(&unique, &job, now))
    }

    /// The lease of a job has ended, and the job has left its place.
    pub(super) fn key_lease_ended(&mut self, unique: Option<Unique>, id: JobId, now: Timestamp) {
        if let Some(unique) = unique {
            let job = self.job_ref(id);
            let next = self.with_keys(unique.scope, |keys| keys.lease_ended(&unique, &job));
            self.let_go(next, now);
        }
    }

    /// A job is no longer among the living.
    pub(super) fn leave_key(&mut self, id: JobId, how: Leaving, now: Timestamp) {
        if let Some(unique) = self.unique_of(id) {
            let job = self.job_ref(id);
            let next = self.with_keys(unique.scope, |keys| keys.left(&unique, &job, how));
            self.let_go(next, now);
        }
    }

    /// The job that another one is held back for, or will be.
    pub(super) fn key_blocker(&mut self, unique: &Unique, id: JobId) -> Option<JobId> {
        let job = self.job_ref(id);
        self.with_keys(unique.scope, |keys| keys.blocker(unique, &job).map(|job| job.id))
    }

    /// Who holds a key, in this queue and among all.
    pub(super) fn key_holders(&self, key: UniqueKey, now: Timestamp) -> Vec<JobRef> {
        let everywhere = self.commons.keys();
        let here = self.keys.holders(key, now);
        here.chain(everywhere.holders(key, now)).collect()
    }

    pub(super) fn job_ref(&self, id: JobId) -> JobRef {
        JobRef::new(self.notes.owner().clone(), id)
    }

    /// Only keys of one queue hold jobs back, so the next one is in this queue.
    fn let_go(&mut self, next: Option<JobRef>, now: Timestamp) {
        if let Some(next) = next
            && self.jobs.get(&next.id).is_some_and(|job| matches!(job.place, Place::HeldBack))
        {
            self.move_to(next.id, now, |places, record| places.push_front(record, now));
        }
    }

    pub(super) fn unique_of(&self, id: JobId) -> Option<Unique> {
        self.jobs.get(&id).and_then(|job| job.record().unique)
    }

    fn with_keys<R>(&mut self, scope: UniqueScope, act: impl FnOnce(&mut Keys) -> R) -> R {
        match scope {
            UniqueScope::Queue => act(&mut self.keys),
            UniqueScope::Everywhere => act(&mut self.commons.keys()),
        }
    }
}
