//! A backend so naive that it can be checked by reading: one list of jobs, searched from end to end.
//!
//! The model test compares backends with it. It shares no code with any of them, and has no bounds, no
//! indexes, no wake-ups, and no lanes that are held up: who may be leased, and whose turn it is, is
//! worked out anew from the list at each question.

use std::cmp::Reverse;
use std::time::Duration;

use super::oracle_keys::Keys;
use super::oracle_limits::Told;
use super::oracle_turns::Turns;
use crate::clock::Timestamp;
use crate::history::{Failure, FailureKind};
use crate::id::{JobId, Token, WorkerId};
use crate::inspect::{CancelOutcome, DeleteOutcome, JobView, RequeueOutcome};
use crate::job_ref::JobRef;
use crate::lane::LaneKey;
use crate::lease::{Extended, Held, LeaseRef, Next};
use crate::progress::Report;
use crate::record::{Enqueued, NewJob, When};
use crate::retention::DeadRetention;
use crate::state::JobState;
use crate::unique::UniqueMode;

/// All jobs of one queue. The time is given to every call.
#[derive(Clone, Debug)]
pub(super) struct Oracle {
    pub(super) jobs: Vec<Known>,
    dead_retention: DeadRetention,
    pub(super) paused: bool,
    /// The places of the jobs that were last put to the front and to the back of the ready ones.
    front: i64,
    back: i64,
    pub(super) keys: Keys,
    pub(super) turns: Turns,
    pub(super) told: Told,
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) view: JobView,
    /// Ready jobs of one lane and priority are leased by this number.
    place: i64,
    /// The one held back first has the lowest.
    pub(super) held_back: Option<i64>,
}

impl Known {
    pub(super) fn lane(&self) -> Option<&LaneKey> {
        self.view.record.lane.as_ref()
    }

    /// Whether it is ready, and not held back.
    pub(super) fn is_in_line(&self) -> bool {
        self.view.state == JobState::Ready && self.held_back.is_none()
    }
}

impl Oracle {
    pub(super) fn new(dead_retention: DeadRetention) -> Self {
        Self {
            jobs: Vec::new(),
            dead_retention,
            paused: false,
            front: 0,
            back: 0,
            keys: Keys::default(),
            turns: Turns::default(),
            told: Told::default(),
        }
    }

    /// The jobs in a state: ready ones lane by lane in the order of leasing, then those held back;
    /// others by their time and then their id.
    pub(super) fn jobs(&self, state: JobState) -> Vec<JobView> {
        let mut jobs: Vec<&Known> = self.jobs.iter().filter(|j| j.view.state == state).collect();
        jobs.sort_by_key(|job| (job.view.at, job.view.record.id));
        if state == JobState::Ready {
            jobs.sort_by_key(|job| {
                (job.lane().cloned(), Reverse(job.view.record.priority), job.place)
            });
            let held_back = jobs.extract_if(.., |job| job.held_back.is_some());
            let mut held_back: Vec<&Known> = held_back.collect();
            held_back.sort_by_key(|job| job.view.record.id);
            jobs.extend(held_back);
        }
        jobs.into_iter().map(|job| job.view.clone()).collect()
    }

    /// How many jobs are held back.
    pub(super) fn held_back(&self) -> usize {
        self.jobs.iter().filter(|job| job.held_back.is_some()).count()
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

    /// When the oldest of those jobs was enqueued that are first of their lane and priority.
    pub(super) fn oldest_ready_at(&self) -> Option<Timestamp> {
        let mut heads = self.jobs(JobState::Ready);
        heads.truncate(heads.len() - self.held_back());
        heads.dedup_by_key(|view| (view.record.lane.clone(), view.record.priority));
        heads.into_iter().map(|view| view.record.enqueued_at).min()
    }

    /// Whether all that is new of a call would be too much for the queue or one of its lanes.
    pub(super) fn would_refuse(&self, jobs: &[NewJob], now: Timestamp) -> bool {
        let mut after = self.clone();
        for job in jobs {
            after.enqueue(job, now);
        }
        let is_too_much = |limit: Option<u64>, count: &dyn Fn(&Self) -> u64| {
            limit.is_some_and(|limit| count(&after) > limit && count(&after) > count(self))
        };
        let waiting = [JobState::Waiting, JobState::Scheduled, JobState::Ready];
        let all = |it: &Self| it.count(|job| waiting.contains(&job.view.state));
        is_too_much(self.told.of_queue(|limits| limits.max_size), &all)
            || jobs.iter().filter_map(|job| job.record.lane.as_ref()).any(|lane| {
                let limit = self.told.of_lane(lane, |limits| limits.max_size);
                is_too_much(limit, &|it| {
                    it.count(|job| job.view.state == JobState::Ready && job.lane() == Some(lane))
                })
            })
    }

    pub(super) fn enqueue(&mut self, new: &NewJob, now: Timestamp) -> Enqueued {
        let id = new.record.id;
        let found_at = |id| JobRef::new(new.record.queue.clone(), id);
        if self.find(id).is_some() {
            return Enqueued::Duplicate(found_at(id));
        }
        let holder = self.holder(new, now);
        let mut since = now;
        if let Some((holder, row)) = holder {
            if !self.is_replaced_by(holder, new) {
                return Enqueued::Duplicate(found_at(holder));
            }
            since = row;
            self.end(holder, JobState::Cancelled, now);
        }
        let mut view = JobView::new(new.record.clone(), JobState::Scheduled);
        view.record.enqueued_at = now;
        let due = match (new.when, view.record.unique.map(|unique| unique.mode)) {
            (_, Some(UniqueMode::Debounce { delay, at_most })) => {
                at_most.map_or(now + delay, |most| (now + delay).min(since + most))
            }
            (When::Now, _) => now,
            (When::At(instant), _) => instant,
            (When::After(delay), _) => now + delay,
        };
        self.jobs.push(Known { view, place: 0, held_back: None });
        self.hold_key(id, since, now);
        if due <= now {
            self.push_back(id, now);
        } else {
            self.put(id, JobState::Scheduled, Some(due), now);
        }
        match holder {
            Some((previous, _)) => Enqueued::Replaced { id, previous },
            None => Enqueued::Created(id),
        }
    }

    pub(super) fn settle(&mut self, lease: LeaseRef, next: &Next, now: Timestamp) -> Held {
        let Some(job) = self.held(lease).map(|job| job.clone()) else {
            return Held::Lost;
        };
        self.note_end(job.record.lane.as_ref(), next, job.cancel_requested, now);
        let id = lease.id;
        if let Next::Retry { failure, .. } | Next::Dead { failure } = next
            && !job.cancel_requested
            && let Some(job) = self.find(id)
        {
            job.failed_attempts += 1;
            job.history.push(failure.clone());
        }
        match next {
            Next::Complete { result } => {
                if let Some(job) = self.find(id) {
                    job.result = job.record.retention.and(result.clone());
                }
                self.end(id, JobState::Completed, now);
            }
            _ if job.cancel_requested => self.end(id, JobState::Cancelled, now),
            Next::Cancel => self.end(id, JobState::Cancelled, now),
            Next::Dead { .. } => self.bury(id, now),
            _ if !self.waits_again(id, now) => self.end(id, JobState::Cancelled, now),
            Next::Retry { after, .. } | Next::Snooze { after } => {
                self.put(id, JobState::Scheduled, Some(now + *after), now);
            }
            Next::Release => self.push_front(id, now),
        }
        self.free_running(&job.record, now);
        Held::Yes
    }

    pub(super) fn promote(&mut self, limit: usize, now: Timestamp) -> usize {
        let mut due = self.due(JobState::Scheduled, now);
        due.sort_by_key(|view| (view.at, Reverse(view.record.priority), view.record.id));
        due.truncate(limit);
        for view in &due {
            self.push_back(view.record.id, now);
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
                self.free_running(&view.record, now);
                continue;
            }
            let job = self.find(id).expect("it was just found");
            job.crashes += 1;
            let (kind, attempt) = (FailureKind::Crash, job.failed_attempts + 1);
            let (worker, _) = job.held_by.expect("a leased job has a holder");
            let crash = Failure::new(kind, attempt, now, worker, "lease expired");
            job.history.push(crash);
            if job.crashes >= job.record.max_crashes {
                self.bury(id, now);
                dead += 1;
            } else if self.waits_again(id, now) {
                self.push_front(id, now);
                ready += 1;
            } else {
                self.end(id, JobState::Cancelled, now);
            }
            self.free_running(&view.record, now);
        }
        (ready, dead)
    }

    /// Says to whom the backend under test has given a job.
    pub(super) fn give(&mut self, lease: LeaseRef) {
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

    pub(super) fn requeue(&mut self, id: JobId, now: Timestamp) -> RequeueOutcome {
        let Some(job) = self.find(id) else {
            return RequeueOutcome::NotFound;
        };
        if job.state != JobState::Dead {
            return RequeueOutcome::NotDead;
        }
        let again = NewJob::new(job.record.clone(), When::Now);
        let mode = job.record.unique.map(|unique| unique.mode);
        if !matches!(mode, Some(UniqueMode::Throttle { .. })) {
            if let Some((holder, _)) = self.holder(&again, now) {
                return RequeueOutcome::Conflict(holder);
            }
            self.hold_key(id, now, now);
        }
        let job = self.find(id).expect("it was just found");
        job.failed_attempts = 0;
        job.crashes = 0;
        self.push_back(id, now);
        RequeueOutcome::Requeued
    }

    pub(super) fn delete(&mut self, id: JobId, seen: JobState, now: Timestamp) -> DeleteOutcome {
        match self.find(id).map(|job| job.state) {
            None => DeleteOutcome::NotFound,
            Some(JobState::Leased) => DeleteOutcome::Running,
            Some(state) if state != seen => DeleteOutcome::MovedOn,
            Some(_) => {
                self.leave_key(id, true, now);
                self.jobs.retain(|job| job.view.record.id != id);
                self.turn_lanes(now);
                DeleteOutcome::Deleted
            }
        }
    }

    pub(super) fn count(&self, of: impl Fn(&Known) -> bool) -> u64 {
        u64::try_from(self.jobs.iter().filter(|job| of(job)).count()).unwrap_or(u64::MAX)
    }

    pub(super) fn known(&mut self, id: JobId) -> Option<&mut Known> {
        self.jobs.iter_mut().find(|job| job.view.record.id == id)
    }

    pub(super) fn find(&mut self, id: JobId) -> Option<&mut JobView> {
        self.known(id).map(|job| &mut job.view)
    }

    fn held(&mut self, lease: LeaseRef) -> Option<&mut JobView> {
        let holder: (WorkerId, Token) = (lease.worker, lease.token);
        self.find(lease.id)
            .filter(|view| view.state == JobState::Leased && view.held_by == Some(holder))
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

    fn push_back(&mut self, id: JobId, now: Timestamp) {
        self.back += 1;
        self.set_place(id, self.back);
        self.put(id, JobState::Ready, None, now);
    }

    pub(super) fn push_front(&mut self, id: JobId, now: Timestamp) {
        self.front -= 1;
        self.set_place(id, self.front);
        self.put(id, JobState::Ready, None, now);
    }

    fn set_place(&mut self, id: JobId, place: i64) {
        self.known(id).expect("only known jobs move").place = place;
    }

    pub(super) fn put(
        &mut self,
        id: JobId,
        state: JobState,
        at: Option<Timestamp>,
        now: Timestamp,
    ) {
        let job = self.known(id).expect("only known jobs move");
        job.held_back = None;
        job.view.state = state;
        job.view.at = at;
        job.view.held_by = None;
        job.view.cancel_requested = false;
        self.turn_lanes(now);
    }

    fn bury(&mut self, id: JobId, now: Timestamp) {
        self.leave_key(id, false, now);
        self.put(id, JobState::Dead, Some(now), now);
    }

    pub(super) fn end(&mut self, id: JobId, state: JobState, now: Timestamp) {
        self.leave_key(id, state == JobState::Cancelled, now);
        match self.find(id).and_then(|job| job.record.retention) {
            Some(retention) => self.put(id, state, Some(now + retention), now),
            None => {
                self.jobs.retain(|job| job.view.record.id != id);
                self.turn_lanes(now);
            }
        }
    }
}
