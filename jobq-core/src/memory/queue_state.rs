//! The jobs of one queue, and what workers do to them.
//!
//! It is told the time and wakes nobody; of what it does not own it touches only what queues have in
//! common.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::batches::Batches;
use super::commons::Commons;
use super::early::EarlyNotes;
use super::guests::Guests;
use super::holding::Admission;
use super::job::Job;
use super::limits::Sourced;
use super::notes::Notes;
use super::pace::Pace;
use super::places::{Place, Places};
use super::rate::RateUse;
use super::schedules::Marks;
use super::unique::{Keys, Leaving};
use super::watch::Watched;
use crate::clock::Timestamp;
use crate::id::{JobId, WorkerId};
use crate::lease::{Exchanged, Extended, Held, LeaseRef, LeaseRequest, Next, Settlement};
use crate::name::{LimitName, QueueName};
use crate::progress::Report;
use crate::record::{Enqueued, JobRecord, NewJob, When};
use crate::state::JobState;

/// How many jobs one exchange promotes and reclaims at most. Whoever else wants the queue waits
/// meanwhile; 500 jobs take well below a millisecond.
const PROMOTED_AT_ONCE: usize = 500;
const RECLAIMED_AT_ONCE: usize = 100;

/// The jobs of one queue.
#[derive(Debug)]
pub(super) struct QueueState {
    pub(super) jobs: HashMap<JobId, Job>,
    pub(super) places: Places,
    /// Who holds the unique keys that count in this queue.
    pub(super) keys: Keys,
    pub(super) commons: Arc<Commons>,
    pub(super) paused: bool,
    /// Whether it was ever enqueued to or paused. Other queues are not shown to people.
    pub(super) known: bool,
    /// The token of the newest lease.
    pub(super) last_token: u64,
    /// What limits the queue as a whole.
    pub(super) limits: Sourced,
    pub(super) rate: RateUse,
    /// The shared limit that the queue takes part in, and how many leases others were last told of.
    pub(super) shared: Option<LimitName>,
    pub(super) told_leases: usize,
    /// How often something changed by which waiting workers may have something to do.
    pub(super) stirred: u64,
    /// How fast it has leased of late.
    pub(super) pace: Pace,
    pub(super) watched: Watched,
    /// What it has to tell other queues.
    pub(super) notes: Notes,
    pub(super) early: EarlyNotes,
    /// The batches that are at home here, and those of other queues that have jobs here.
    pub(super) batches: Batches,
    pub(super) guests: Guests,
    /// How far the schedules have come whose jobs go here.
    pub(super) marks: Marks,
}

impl QueueState {
    pub(super) fn new(name: QueueName, commons: Arc<Commons>) -> Self {
        Self {
            jobs: HashMap::new(),
            places: Places::default(),
            keys: Keys::default(),
            commons,
            paused: false,
            known: false,
            last_token: 0,
            limits: Sourced::default(),
            rate: RateUse::default(),
            shared: None,
            told_leases: 0,
            stirred: 0,
            pace: Pace::default(),
            watched: Watched::default(),
            notes: Notes::new(name),
            early: EarlyNotes::default(),
            batches: Batches::default(),
            guests: Guests::default(),
            marks: Marks::default(),
        }
    }

    pub(super) fn enqueue(&mut self, new: &NewJob, now: Timestamp) -> Enqueued {
        let id = new.record.id;
        if self.jobs.contains_key(&id) {
            self.adopt(new, now);
            return Enqueued::Duplicate(self.job_ref(id));
        }
        let previous = match self.take_key(new, now) {
            Admission::Duplicate(holder) => return Enqueued::Duplicate(holder),
            Admission::InPlaceOf(previous) => Some(previous),
            Admission::Free => None,
        };
        let due = due(self.settle_when(new, now), now);
        let place = if !new.parents.is_empty() {
            self.places.wait(now, id)
        } else if due <= now {
            self.places.push_back(&new.record, now)
        } else {
            self.places.schedule(due, new.record.priority, id)
        };
        let record = JobRecord { enqueued_at: now, ..new.record.clone() };
        self.jobs.insert(id, Job::new(record, place));
        self.known = true;
        self.watched.stir(id);
        self.join_party(new);
        self.join_kin(new, now);
        previous.map_or(Enqueued::Created(id), |previous| Enqueued::Replaced { id, previous })
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
        let (leases, next_in) = match request.filter(|_| !self.paused) {
            Some(request) => self.lease(request, now),
            None => (Vec::new(), None),
        };
        self.share_slots(now);
        Exchanged::new(held, leases, next_in)
    }

    pub(super) fn extend(
        &mut self,
        lease: LeaseRef,
        duration: Duration,
        now: Timestamp,
    ) -> Extended {
        let held = self.jobs.get_mut(&lease.id).filter(|job| job.holder() == Some(lease));
        let Some(job) = held else {
            return Extended::Lost;
        };
        let asked_to_cancel = job.is_asked_to_cancel();
        self.places.extend(&mut job.place, now + duration, lease.id);
        if asked_to_cancel { Extended::CancelRequested } else { Extended::Yes }
    }

    pub(super) fn report(&mut self, lease: LeaseRef, report: &Report) -> Held {
        match self.held(lease) {
            None => Held::Lost,
            Some(job) => {
                job.report = Some(Box::new(report.clone()));
                self.watched.stir(lease.id);
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
        self.share_slots(now);
        leases.len()
    }

    /// Lets a job wait for its time or, if that has come, for a worker.
    pub(super) fn await_turn(&mut self, id: JobId, when: When, now: Timestamp) {
        let due = due(when, now);
        if due <= now {
            self.move_to(id, now, |places, record| places.push_back(record, now));
        } else {
            self.schedule(id, due, now);
        }
    }

    /// Ends a live job: frees its unique key, keeps it if it has a retention, and tells those concerned.
    pub(super) fn end(&mut self, id: JobId, ending: Ending, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let farewell = job.farewell();
        let leaving = ending.leaving();
        match job.record().retention {
            None => self.forget(id, leaving, now),
            Some(retention) => {
                job.checkpoint = None;
                job.result.clone_from(ending.result());
                self.leave_key(id, leaving, now);
                self.move_to(id, now, |places, _| match &ending {
                    Ending::Completed { .. } => places.complete(now + retention, id),
                    Ending::Cancelled => places.cancel(now + retention, id),
                });
            }
        }
        self.tell_of_end(farewell, ending.state(), ending.result().as_deref(), now);
    }

    /// Puts a job aside for people.
    pub(super) fn bury(&mut self, id: JobId, now: Timestamp) {
        let farewell = self.jobs.get_mut(&id).and_then(Job::farewell);
        self.leave_key(id, Leaving::Finished, now);
        self.move_to(id, now, |places, _| places.bury(now, id));
        self.tell_of_end(farewell, JobState::Dead, None, now);
    }

    /// Deletes a job that nobody runs, and tells those concerned if it had not ended.
    pub(super) fn remove(&mut self, id: JobId, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        let farewell = if job.place.state().is_live() { job.farewell() } else { None };
        self.forget(id, Leaving::Withdrawn, now);
        self.tell_of_end(farewell, JobState::Cancelled, None, now);
    }

    /// Deletes a job and all that is known of it.
    pub(super) fn forget(&mut self, id: JobId, how: Leaving, now: Timestamp) {
        self.leave_key(id, how, now);
        self.tell_of_burial(id);
        self.watched.stir(id);
        if let Some(job) = self.jobs.remove(&id) {
            self.places.leave(job.place, job.record(), now);
        }
    }

    /// Takes a job from its place to another. Every move but that of leasing goes this way.
    pub(super) fn move_to(
        &mut self,
        id: JobId,
        now: Timestamp,
        enter: impl FnOnce(&mut Places, &JobRecord) -> Place,
    ) {
        if let Some(job) = self.jobs.get_mut(&id) {
            self.places.leave(job.place, job.record(), now);
            job.place = enter(&mut self.places, job.record());
            self.watched.stir(id);
        }
    }

    /// The job, if it is held under just this lease.
    pub(super) fn held(&mut self, lease: LeaseRef) -> Option<&mut Job> {
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
        let unique = job.record().unique;
        let lane = job.record().lane.as_ref();
        match next {
            Next::Complete { .. } => self.places.ready.succeeded(lane),
            Next::Retry { .. } | Next::Dead { .. } if !job.is_asked_to_cancel() => {
                self.places.ready.failed(lane, now);
            }
            _ => {}
        }
        match next {
            Next::Complete { result } => {
                self.end(id, Ending::Completed { result: result.clone() }, now);
            }
            _ if job.is_asked_to_cancel() => self.end(id, Ending::Cancelled, now),
            Next::Cancel => self.end(id, Ending::Cancelled, now),
            Next::Retry { after, failure } => {
                job.failed_attempts = job.failed_attempts.saturating_add(1);
                job.history.push(failure.clone());
                self.schedule_again(id, now + *after, now);
            }
            Next::Snooze { after } => self.schedule_again(id, now + *after, now),
            Next::Release => self.come_first(id, now),
            Next::Dead { failure } => {
                job.failed_attempts = job.failed_attempts.saturating_add(1);
                job.history.push(failure.clone());
                self.bury(id, now);
            }
        }
        self.key_lease_ended(unique, id, now);
    }

    /// Lets a job wait for its time after its lease, unless another one has taken its place.
    fn schedule_again(&mut self, id: JobId, due: Timestamp, now: Timestamp) {
        if self.key_waits_again(id, now) {
            self.schedule(id, due, now);
        } else {
            self.end(id, Ending::Cancelled, now);
        }
    }

    /// Puts a job first after its lease, unless another one has taken its place.
    pub(super) fn come_first(&mut self, id: JobId, now: Timestamp) {
        if self.key_waits_again(id, now) {
            self.move_to(id, now, |places, record| places.push_front(record, now));
        } else {
            self.end(id, Ending::Cancelled, now);
        }
    }

    fn schedule(&mut self, id: JobId, due: Timestamp, now: Timestamp) {
        self.move_to(id, now, |places, record| places.schedule(due, record.priority, id));
    }
}

/// How a job ends other than as dead.
#[derive(Debug)]
pub(super) enum Ending {
    Completed { result: Option<Vec<u8>> },
    Cancelled,
}

impl Ending {
    const fn leaving(&self) -> Leaving {
        match self {
            Self::Completed { .. } => Leaving::Finished,
            Self::Cancelled => Leaving::Withdrawn,
        }
    }

    const fn state(&self) -> JobState {
        match self {
            Self::Completed { .. } => JobState::Completed,
            Self::Cancelled => JobState::Cancelled,
        }
    }

    const fn result(&self) -> &Option<Vec<u8>> {
        match self {
            Self::Completed { result } => result,
            Self::Cancelled => &None,
        }
    }
}

/// When a job enqueued now is due.
pub(super) fn due(when: When, now: Timestamp) -> Timestamp {
    match when {
        When::Now => now,
        When::At(instant) => instant,
        When::After(delay) => now + delay,
    }
}
