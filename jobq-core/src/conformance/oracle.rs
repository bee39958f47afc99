//! A backend so naive that it can be checked by reading: one list of jobs, searched from end to end.
//!
//! The model test compares backends with it. It shares no code with any of them, and has no bounds, no
//! indexes and no wake-ups.

use std::cmp::Reverse;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::history::{Failure, FailureKind};
use crate::id::{JobId, Token, WorkerId};
use crate::inspect::{CancelOutcome, DeleteOutcome, JobView, RequeueOutcome};
use crate::lease::{Extended, Held, LeaseRef, Next};
use crate::progress::Report;
use crate::record::{Enqueued, NewJob, When};
use crate::retention::DeadRetention;
use crate::state::JobState;

/// All jobs of one queue. The time is given to every call.
#[derive(Debug)]
pub(super) struct Oracle {
    jobs: Vec<Known>,
    dead_retention: DeadRetention,
    pub(super) paused: bool,
    /// The places of the jobs that were last put to the front and to the back of the ready ones.
    front: i64,
    back: i64,
}

#[derive(Debug)]
struct Known {
    view: JobView,
    /// Ready jobs of one priority are leased by this number.
    place: i64,
}

impl Oracle {
    pub(super) const fn new(dead_retention: DeadRetention) -> Self {
        Self { jobs: Vec::new(), dead_retention, paused: false, front: 0, back: 0 }
    }

    /// The jobs in a state: ready ones in the order of leasing, others by their time and then their id.
    pub(super) fn jobs(&self, state: JobState) -> Vec<JobView> {
        let mut jobs: Vec<&Known> = self.jobs.iter().filter(|j| j.view.state == state).collect();
        jobs.sort_by_key(|job| (job.view.at, job.view.record.id));
        if state == JobState::Ready {
            jobs.sort_by_key(|job| (Reverse(job.view.record.priority), job.place));
        }
        jobs.into_iter().map(|job| job.view.clone()).collect()
    }

    pub(super) fn is_due_for_pruning(&self, now: Timestamp) -> bool {
        !self.prunable(now).is_empty()
    }

    /// When something next happens by itself: a job is due or a lease expires.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        let moves = [JobState::Scheduled, JobState::Leased];
        let jobs = self.jobs.iter().filter(|j| moves.contains(&j.view.state));
        jobs.filter_map(|job| job.view.at).min()
    }

    /// When the oldest of those jobs was enqueued that are first of their priority.
    pub(super) fn oldest_ready_at(&self) -> Option<Timestamp> {
        let mut heads = self.jobs(JobState::Ready);
        heads.dedup_by_key(|view| view.record.priority);
        heads.into_iter().map(|view| view.record.enqueued_at).min()
    }

    pub(super) fn enqueue(&mut self, new: &NewJob, now: Timestamp) -> Enqueued {
        let id = new.record.id;
        if self.find(id).is_some() {
            return Enqueued::Duplicate(id);
        }
        if let Some(holder) = self.holder(new) {
            return Enqueued::Duplicate(holder);
        }
        let mut view = JobView::new(new.record.clone(), JobState::Scheduled);
        view.record.enqueued_at = now;
        self.jobs.push(Known { view, place: 0 });
        let due = match new.when {
            When::Now => now,
            When::At(instant) => instant,
            When::After(delay) => now + delay,
        };
        if due <= now {
            self.push_back(id);
        } else {
            self.put(id, JobState::Scheduled, Some(due));
        }
        Enqueued::Created(id)
    }

    pub(super) fn settle(&mut self, lease: LeaseRef, next: &Next, now: Timestamp) -> Held {
        let Some(job) = self.held(lease) else {
            return Held::Lost;
        };
        let id = lease.id;
        match next {
            Next::Complete { result } => {
                job.result = job.record.retention.and(result.clone());
                self.end(id, JobState::Completed, now);
            }
            _ if job.cancel_requested => self.end(id, JobState::Cancelled, now),
            Next::Cancel => self.end(id, JobState::Cancelled, now),
            Next::Retry { after, failure } => {
                job.failed_attempts += 1;
                job.history.push(failure.clone());
                self.put(id, JobState::Scheduled, Some(now + *after));
            }
            Next::Snooze { after } => self.put(id, JobState::Scheduled, Some(now + *after)),
            Next::Release => self.push_front(id),
            Next::Dead { failure } => {
                job.failed_attempts += 1;
                job.history.push(failure.clone());
                self.put(id, JobState::Dead, Some(now));
            }
        }
        Held::Yes
    }

    pub(super) fn promote(&mut self, limit: usize, now: Timestamp) -> usize {
        let mut due = self.due(JobState::Scheduled, now);
        due.sort_by_key(|view| (view.at, Reverse(view.record.priority), view.record.id));
        due.truncate(limit);
        for view in &due {
            self.push_back(view.record.id);
        }
        due.len()
    }

    /// Takes back expired leases: how many jobs are ready again, and how many are dead.
    pub(super) fn reclaim(&mut self, limit: usize, now: Timestamp) -> (usize, usize) {
        let mut expired = self.due(JobState::Leased, now);
        expired.sort_by_key(|view| (view.at, view.held_by.map(|(_, token)| token)));
        expired.truncate(limit);
        let (mut ready, mut dead) = (0, 0);
        for view in expired.into_iter().rev() {
            let id = view.record.id;
            if view.cancel_requested {
                self.end(id, JobState::Cancelled, now);
                continue;
            }
            let job = self.find(id).expect("it was just found");
            job.crashes += 1;
            let (kind, attempt) = (FailureKind::Crash, job.failed_attempts + 1);
            let (worker, _) = job.held_by.expect("a leased job has a holder");
            let crash = Failure::new(kind, attempt, now, worker, "lease expired");
            job.history.push(crash);
            if job.crashes >= job.record.max_crashes {
                self.put(id, JobState::Dead, Some(now));
                dead += 1;
            } else {
                self.push_front(id);
                ready += 1;
            }
        }
        (ready, dead)
    }

    /// The jobs that a worker would be given.
    pub(super) fn next_to_lease(&self, limit: usize) -> Vec<JobView> {
        let mut ready = self.jobs(JobState::Ready);
        ready.truncate(if self.paused { 0 } else { limit });
        ready
    }

    /// Hands a job to the holder that the backend under test has given it to.
    pub(super) fn lease(&mut self, lease: LeaseRef, until: Timestamp) {
        self.put(lease.id, JobState::Leased, Some(until));
        let job = self.find(lease.id).expect("only known jobs are leased");
        job.held_by = Some((lease.worker, lease.token));
    }

    pub(super) fn extend(&mut self, lease: LeaseRef, by: Duration, now: Timestamp) -> Extended {
        match self.held(lease) {
            None => Extended::Lost,
            Some(job) => {
                job.at = Some(now + by);
                if job.cancel_requested { Extended::CancelRequested } else { Extended::Yes }
            }
        }
    }

    pub(super) fn report(&mut self, lease: LeaseRef, report: &Report) -> Held {
        match self.held(lease) {
            None => Held::Lost,
            Some(job) => {
                job.report = report.clone();
                Held::Yes
            }
        }
    }

    pub(super) fn forfeit(&mut self, worker: WorkerId, keep: &[LeaseRef], now: Timestamp) -> usize {
        let leased = self.jobs(JobState::Leased);
        let mut given_back: Vec<LeaseRef> = leased
            .iter()
            .filter_map(|view| {
                let (worker, token) = view.held_by?;
                Some(LeaseRef::new(view.record.id, token, worker))
            })
            .filter(|lease| lease.worker == worker && !keep.contains(lease))
            .collect();
        given_back.sort_by_key(|lease| Reverse(lease.token));
        for lease in &given_back {
            self.settle(*lease, &Next::Release, now);
        }
        given_back.len()
    }

    pub(super) fn prune(&mut self, now: Timestamp) -> usize {
        let prunable = self.prunable(now);
        self.jobs.retain(|j| !prunable.contains(&j.view.record.id));
        prunable.len()
    }

    pub(super) fn cancel(&mut self, id: JobId, now: Timestamp) -> CancelOutcome {
        let Some(job) = self.find(id) else {
            return CancelOutcome::NotFound;
        };
        match job.state {
            JobState::Waiting | JobState::Scheduled | JobState::Ready => {
                self.end(id, JobState::Cancelled, now);
                CancelOutcome::Cancelled
            }
            JobState::Leased => {
                job.cancel_requested = true;
                CancelOutcome::Requested
            }
            JobState::Completed | JobState::Cancelled | JobState::Dead => {
                CancelOutcome::AlreadyEnded
            }
        }
    }

    pub(super) fn requeue(&mut self, id: JobId) -> RequeueOutcome {
        let Some(job) = self.find(id) else {
            return RequeueOutcome::NotFound;
        };
        if job.state != JobState::Dead {
            return RequeueOutcome::NotDead;
        }
        let again = NewJob::new(job.record.clone(), When::Now);
        if let Some(holder) = self.holder(&again) {
            return RequeueOutcome::Conflict(holder);
        }
        let job = self.find(id).expect("it was just found");
        job.failed_attempts = 0;
        job.crashes = 0;
        self.push_back(id);
        RequeueOutcome::Requeued
    }

    pub(super) fn delete(&mut self, id: JobId) -> DeleteOutcome {
        match self.find(id).map(|job| job.state) {
            None => DeleteOutcome::NotFound,
            Some(JobState::Leased) => DeleteOutcome::Running,
            Some(_) => {
                self.jobs.retain(|job| job.view.record.id != id);
                DeleteOutcome::Deleted
            }
        }
    }

    fn find(&mut self, id: JobId) -> Option<&mut JobView> {
        let mut views = self.jobs.iter_mut().map(|job| &mut job.view);
        views.find(|view| view.record.id == id)
    }

    fn held(&mut self, lease: LeaseRef) -> Option<&mut JobView> {
        let holder: (WorkerId, Token) = (lease.worker, lease.token);
        self.find(lease.id)
            .filter(|view| view.state == JobState::Leased && view.held_by == Some(holder))
    }

    /// The live job that stands in the way of `new`.
    fn holder(&self, new: &NewJob) -> Option<JobId> {
        let key = new.record.unique?;
        let mut views = self.jobs.iter().map(|job| &job.view);
        views
            .find(|view| view.state.is_live() && view.record.unique == Some(key))
            .map(|view| view.record.id)
    }

    fn due(&self, state: JobState, now: Timestamp) -> Vec<JobView> {
        let mut jobs = self.jobs(state);
        jobs.retain(|view| view.at.is_some_and(|at| at <= now));
        jobs
    }

    fn prunable(&self, now: Timestamp) -> Vec<JobId> {
        let DeadRetention { max_age, max_count, .. } = self.dead_retention;
        let dead = self.jobs(JobState::Dead);
        let too_many = dead.len().saturating_sub(max_count);
        let mut prunable: Vec<JobView> = dead[..too_many].to_vec();
        let too_old = |view: &&JobView| view.at.is_some_and(|died_at| died_at + max_age <= now);
        prunable.extend(dead[too_many..].iter().filter(too_old).cloned());
        prunable.extend(self.due(JobState::Completed, now));
        prunable.extend(self.due(JobState::Cancelled, now));
        prunable.iter().map(|view| view.record.id).collect()
    }

    fn push_back(&mut self, id: JobId) {
        self.back += 1;
        self.put(id, JobState::Ready, None);
        self.set_place(id, self.back);
    }

    fn push_front(&mut self, id: JobId) {
        self.front -= 1;
        self.put(id, JobState::Ready, None);
        self.set_place(id, self.front);
    }

    fn set_place(&mut self, id: JobId, place: i64) {
        let mut jobs = self.jobs.iter_mut();
        let job = jobs.find(|job| job.view.record.id == id);
        job.expect("only known jobs move").place = place;
    }

    fn put(&mut self, id: JobId, state: JobState, at: Option<Timestamp>) {
        let job = self.find(id).expect("only known jobs move");
        job.state = state;
        job.at = at;
        job.held_by = None;
        job.cancel_requested = false;
    }

    fn end(&mut self, id: JobId, state: JobState, now: Timestamp) {
        match self.find(id).and_then(|job| job.record.retention) {
            Some(retention) => self.put(id, state, Some(now + retention)),
            None => self.jobs.retain(|job| job.view.record.id != id),
        }
    }
}
