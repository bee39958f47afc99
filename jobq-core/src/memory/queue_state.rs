//! The jobs of one queue, and what workers do to them.
//!
//! Pure: it is told the time, and neither locks nor wakes anybody.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::job::Job;
use super::places::{Place, Places};
use crate::clock::Timestamp;
use crate::id::{JobId, Token, WorkerId};
use crate::lease::{Exchanged, Extended, Held, Lease, LeaseRef, LeaseRequest, Next, Settlement};
use crate::progress::Report;
use crate::record::{Enqueued, JobRecord, NewJob, When};
use crate::unique::UniqueKey;

/// How many jobs one exchange promotes and reclaims at most. Whoever else wants the queue waits
/// meanwhile; 500 jobs take well below a millisecond.
const PROMOTED_AT_ONCE: usize = 500;
const RECLAIMED_AT_ONCE: usize = 100;

/// The jobs of one queue.
#[derive(Debug, Default)]
pub(super) struct QueueState {
    pub(super) jobs: HashMap<JobId, Job>,
    pub(super) places: Places,
    /// The live job that holds each key.
    pub(super) unique: HashMap<UniqueKey, JobId>,
    pub(super) paused: bool,
    /// Whether it was ever enqueued to or paused. Other queues are not shown to people.
    pub(super) known: bool,
    /// The token of the newest lease.
    pub(super) last_token: u64,
}

impl QueueState {
    pub(super) fn enqueue(&mut self, new: &NewJob, now: Timestamp) -> Enqueued {
        let id = new.record.id;
        let Entry::Vacant(vacancy) = self.jobs.entry(id) else {
            return Enqueued::Duplicate(id);
        };
        if let Some(key) = new.record.unique {
            match self.unique.entry(key.key) {
                Entry::Occupied(holder) => return Enqueued::Duplicate(*holder.get()),
                Entry::Vacant(free) => free.insert(id),
            };
        }
        let due = match new.when {
            When::Now => now,
            When::At(instant) => instant,
            When::After(delay) => now + delay,
        };
        let place = if due <= now {
            self.places.push_back(new.record.priority, id)
        } else {
            self.places.schedule(due, new.record.priority, id)
        };
        let record = JobRecord { enqueued_at: now, ..new.record.clone() };
        vacancy.insert(Job::new(record, place));
        self.known = true;
        Enqueued::Created(id)
    }

    pub(super) fn exchange(
        &mut self,
        settlements: &[Settlement],
        request: Option<LeaseRequest>,
        now: Timestamp,
    ) -> Exchanged {
        let held = settlements.iter().map(|settlement| self.settle(settlement, now)).collect();
        self.promote(PROMOTED_AT_ONCE, now);
        self.reclaim(RECLAIMED_AT_ONCE, now);
        let Some(request) = request.filter(|_| !self.paused) else {
            return Exchanged::new(held, Vec::new(), None);
        };
        let leases = self.lease(request, now);
        let next_in = if leases.len() < request.limit { self.next_in(now) } else { None };
        Exchanged::new(held, leases, next_in)
    }

    pub(super) fn extend(
        &mut self,
        lease: LeaseRef,
        duration: Duration,
        now: Timestamp,
    ) -> Extended {
        let Some(job) = self.held(lease) else {
            return Extended::Lost;
        };
        let asked_to_cancel = job.is_asked_to_cancel();
        self.move_to(lease.id, |places, _| {
            places.lease(now + duration, lease.token, asked_to_cancel, lease.id)
        });
        if asked_to_cancel { Extended::CancelRequested } else { Extended::Yes }
    }

    pub(super) fn report(&mut self, lease: LeaseRef, report: &Report) -> Held {
        match self.held(lease) {
            None => Held::Lost,
            Some(job) => {
                job.report = Some(Box::new(report.clone()));
                Held::Yes
            }
        }
    }

    /// Gives back the leases of `worker` that are not in `keep`: what was leased first is first again.
    pub(super) fn forfeit(&mut self, worker: WorkerId, keep: &[LeaseRef], now: Timestamp) -> usize {
        let keep: HashSet<&LeaseRef> = keep.iter().collect();
        let mut leases: Vec<LeaseRef> = self
            .places
            .leased
            .iter()
            .filter_map(|(_, _, id)| self.jobs.get(id).and_then(Job::holder))
            .filter(|lease| lease.worker == worker && !keep.contains(lease))
            .collect();
        leases.sort_unstable_by_key(|lease| Reverse(lease.token));
        for lease in &leases {
            self.end_lease(lease.id, &Next::Release, now);
        }
        leases.len()
    }

    /// Ends a live job: frees its unique key, and keeps it if it has a retention.
    pub(super) fn end(&mut self, id: JobId, now: Timestamp, keep: Keep) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        match job.record().retention {
            None => self.forget(id),
            Some(retention) => {
                self.free_key(id);
                self.move_to(id, |places, _| keep(places, now + retention, id));
            }
        }
    }

    /// Puts a job aside for people.
    pub(super) fn bury(&mut self, id: JobId, now: Timestamp) {
        self.free_key(id);
        self.move_to(id, |places, _| places.bury(now, id));
    }

    /// Deletes a job and all that is known of it.
    pub(super) fn forget(&mut self, id: JobId) {
        self.free_key(id);
        if let Some(job) = self.jobs.remove(&id) {
            self.places.leave(job.place, job.priority(), id);
        }
    }

    /// Takes a job from its place to another. Every move but that of leasing goes this way.
    pub(super) fn move_to(
        &mut self,
        id: JobId,
        enter: impl FnOnce(&mut Places, &JobRecord) -> Place,
    ) {
        if let Some(job) = self.jobs.get_mut(&id) {
            self.places.leave(job.place, job.priority(), id);
            job.place = enter(&mut self.places, job.record());
        }
    }

    /// The job, if it is held under just this lease.
    fn held(&mut self, lease: LeaseRef) -> Option<&mut Job> {
        self.jobs.get_mut(&lease.id).filter(|job| job.holder() == Some(lease))
    }

    fn settle(&mut self, settlement: &Settlement, now: Timestamp) -> Held {
        let lease = settlement.lease.proof();
        if self.held(lease).is_none() {
            return Held::Lost;
        }
        self.end_lease(lease.id, &settlement.next, now);
        Held::Yes
    }

    /// Moves a leased job on. A request to cancel it wins over everything but its success.
    fn end_lease(&mut self, id: JobId, next: &Next, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        match next {
            Next::Complete { result } => {
                job.result = job.record().retention.and_then(|_| result.clone());
                self.end(id, now, Places::complete);
            }
            _ if job.is_asked_to_cancel() => self.end(id, now, Places::cancel),
            Next::Cancel => self.end(id, now, Places::cancel),
            Next::Retry { after, failure } => {
                job.failed_attempts = job.failed_attempts.saturating_add(1);
                job.history.push(failure.clone());
                self.schedule(id, now + *after);
            }
            Next::Snooze { after } => self.schedule(id, now + *after),
            Next::Release => {
                self.move_to(id, |places, record| places.push_front(record.priority, id))
            }
            Next::Dead { failure } => {
                job.failed_attempts = job.failed_attempts.saturating_add(1);
                job.history.push(failure.clone());
                self.bury(id, now);
            }
        }
    }

    fn schedule(&mut self, id: JobId, due: Timestamp) {
        self.move_to(id, |places, record| places.schedule(due, record.priority, id));
    }

    fn lease(&mut self, request: LeaseRequest, now: Timestamp) -> Vec<Arc<Lease>> {
        let count = request.limit.min(self.places.ready.len());
        let expires_at = now + request.duration;
        let mut leases = Vec::with_capacity(count);
        while leases.len() < count
            && let Some(id) = self.places.ready.pop()
            && let Some(job) = self.jobs.get_mut(&id)
        {
            self.last_token += 1;
            let token = Token::from_u64(self.last_token);
            leases.push(job.lease_to(request.worker, token, expires_at));
            job.place = self.places.lease(expires_at, token, false, id);
        }
        leases
    }

    fn next_in(&self, now: Timestamp) -> Option<Duration> {
        let next_due = self.places.next_due();
        let next_expiry = self.places.next_expiry();
        let next = next_due.into_iter().chain(next_expiry).min()?;
        Some(next.since(now))
    }

    fn free_key(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        if let Some(key) = job.record().unique
            && self.unique.get(&key.key) == Some(&id)
        {
            self.unique.remove(&key.key);
        }
    }
}

/// How an ended job is kept: [`Places::complete`] or [`Places::cancel`].
pub(super) type Keep = fn(&mut Places, Timestamp, JobId) -> Place;
