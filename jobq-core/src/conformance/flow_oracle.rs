//! Batches and families so naive that they can be checked by reading: lists, searched from end to end.
//!
//! The flow model compares backends with it. It knows neither notes between queues nor counters: what
//! happens has all its consequences at once, and counts are made by counting.

use std::collections::BTreeMap;

use super::oracle_batches::{Batch, Fate, Part, Seen};
use crate::batch::BatchRef;
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::id::JobId;
use crate::job_ref::JobRef;
use crate::lease::Next;
use crate::parents::OnParentFailure;
use crate::record::{NewJob, When};
use crate::retention::DeadRetention;
use crate::state::JobState;

/// All jobs and batches of all queues. The time is given to every call.
#[derive(Debug)]
pub(super) struct World {
    jobs: Vec<Job>,
    pub(super) batches: Vec<Batch>,
    /// Ends of parents that were told to a child that is not there.
    early: Vec<(JobRef, JobRef, JobState)>,
    dead_retention: DeadRetention,
}

#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) new: NewJob,
    pub(super) state: JobState,
    pub(super) at: Option<Timestamp>,
    /// Each parent, and how it ended.
    pub(super) parents: Vec<(JobRef, Option<JobState>)>,
    children: Vec<JobRef>,
    pub(super) has_started: bool,
    pub(super) was_requeued: bool,
    crashes: u32,
    cancel_requested: bool,
}

impl Job {
    pub(super) fn found_at(&self) -> JobRef {
        JobRef::new(self.new.record.queue.clone(), self.new.record.id)
    }
}

impl World {
    pub(super) const fn new(dead_retention: DeadRetention) -> Self {
        Self { jobs: Vec::new(), batches: Vec::new(), early: Vec::new(), dead_retention }
    }

    // What can be seen

    pub(super) fn states(&self) -> BTreeMap<JobRef, (JobState, Option<Timestamp>)> {
        self.jobs.iter().map(|job| (job.found_at(), (job.state, job.at))).collect()
    }

    pub(super) fn batches(&self) -> BTreeMap<BatchRef, Seen> {
        self.batches
            .iter()
            .map(|batch| {
                let mut dead = batch.dead.clone();
                dead.sort();
                let total = batch.parts.len() as u64;
                let [done, failed, cancelled] =
                    [Fate::Done, Fate::Failed, Fate::Cancelled].map(|fate| batch.count(fate));
                let counts = [total, done, failed, cancelled];
                (batch.new.batch.clone(), (batch.state(), counts, batch.is_called_off, dead))
            })
            .collect()
    }

    pub(super) fn all(&self) -> &[Job] {
        &self.jobs
    }

    pub(super) fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.new.record.id == id)
    }

    /// Whether a job would be called off instead of being leased.
    pub(super) fn is_called_off(&self, job: &Job) -> bool {
        let batch = job.new.record.batch.as_ref();
        let batch = batch.and_then(|of| self.batches.iter().find(|batch| batch.new.batch == *of));
        !job.has_started && batch.is_some_and(|batch| batch.is_called_off)
    }

    // Jobs

    /// Says whether the job is new.
    pub(super) fn add(&mut self, new: &NewJob, now: Timestamp) -> Result<bool, ErrorKind> {
        let me = JobRef::new(new.record.queue.clone(), new.record.id);
        if let Some(job) = self.find(&me) {
            let state = job.state;
            for child in &new.children {
                if !state.is_live() {
                    self.tell(child, &me, state, now);
                } else if let Some(job) = self.find(&me)
                    && !job.children.contains(child)
                {
                    job.children.push(child.clone());
                }
            }
            return Ok(false);
        }
        for parent in new.parents.iter().filter(|parent| !parent.is_to_come) {
            self.find(&parent.job).ok_or(ErrorKind::NotFound)?;
        }
        if let Some(batch) = &new.record.batch {
            self.add_part(batch, Part::Job(me.clone()))?;
        }
        self.jobs.push(Job {
            new: new.clone(),
            state: JobState::Waiting,
            at: None,
            parents: new.parents.iter().map(|parent| (parent.job.clone(), None)).collect(),
            children: new.children.clone(),
            has_started: false,
            was_requeued: false,
            crashes: 0,
            cancel_requested: false,
        });
        for parent in new.parents.iter().filter(|parent| !parent.is_to_come) {
            let Some(job) = self.find(&parent.job) else {
                continue;
            };
            if job.state.is_live() {
                job.children.push(me.clone());
            } else {
                let state = job.state;
                self.tell(&me, &parent.job, state, now);
            }
        }
        let early: Vec<_> = self.early.extract_if(.., |(child, ..)| *child == me).collect();
        for (_, parent, state) in early {
            self.tell(&me, &parent, state, now);
        }
        if new.parents.is_empty() {
            self.start(&me, now);
        }
        Ok(true)
    }

    pub(super) fn lease(&mut self, id: JobId, until: Timestamp) {
        let job = self.jobs.iter_mut().find(|job| job.new.record.id == id).unwrap();
        (job.state, job.at, job.cancel_requested) = (JobState::Leased, Some(until), false);
    }

    /// Settles a job that is leased.
    pub(super) fn settle(&mut self, job: &JobRef, next: &Next, now: Timestamp) {
        let found = self.find(job).unwrap();
        match next {
            Next::Complete { .. } => return self.end(job, JobState::Completed, now),
            _ if found.cancel_requested => return self.end(job, JobState::Cancelled, now),
            Next::Cancel => return self.end(job, JobState::Cancelled, now),
            Next::Dead { .. } => {
                found.has_started = true;
                return self.end(job, JobState::Dead, now);
            }
            Next::Retry { after, .. } => {
                found.has_started = true;
                (found.state, found.at) = (JobState::Scheduled, Some(now + *after));
            }
            Next::Snooze { after } => {
                (found.state, found.at) = (JobState::Scheduled, Some(now + *after));
            }
            Next::Release => (found.state, found.at) = (JobState::Ready, None),
        }
        self.pass_time(now);
    }

    /// What time does: promotes, reclaims and prunes.
    pub(super) fn pass_time(&mut self, now: Timestamp) {
        let due = |job: &Job| job.at.is_some_and(|at| at <= now);
        let all: Vec<Job> = self.jobs.iter().filter(|job| due(job)).cloned().collect();
        for job in all {
            let at = job.found_at();
            match job.state {
                JobState::Scheduled => {
                    let job = self.find(&at).unwrap();
                    (job.state, job.at) = (JobState::Ready, None);
                }
                JobState::Leased if job.cancel_requested => {
                    self.end(&at, JobState::Cancelled, now);
                }
                JobState::Leased => {
                    let job = self.find(&at).unwrap();
                    job.crashes += 1;
                    job.has_started = true;
                    if job.crashes >= job.new.record.max_crashes {
                        self.end(&at, JobState::Dead, now);
                    } else {
                        (job.state, job.at) = (JobState::Ready, None);
                    }
                }
                JobState::Completed | JobState::Cancelled => self.forget(&at),
                _ => {}
            }
        }
        self.prune_dead(now);
    }

    fn prune_dead(&mut self, now: Timestamp) {
        let mut by_queue: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for job in self.jobs.iter().filter(|job| job.state == JobState::Dead) {
            let dead = by_queue.entry(job.new.record.queue.clone()).or_default();
            dead.push((job.at.unwrap(), job.new.record.id, job.found_at()));
        }
        for mut dead in by_queue.into_values() {
            dead.sort();
            let too_many = dead.len().saturating_sub(self.dead_retention.max_count);
            for (n, (since, _, job)) in dead.into_iter().enumerate() {
                if n < too_many || since + self.dead_retention.max_age <= now {
                    self.forget(&job);
                }
            }
        }
    }

    pub(super) fn cancel(&mut self, job: &JobRef, now: Timestamp) {
        match self.find(job) {
            Some(found) if found.state == JobState::Leased => found.cancel_requested = true,
            Some(found) if found.state.is_live() => self.end(job, JobState::Cancelled, now),
            _ => {}
        }
    }

    pub(super) fn delete(&mut self, job: &JobRef, now: Timestamp) {
        let Some(found) = self.find(job).filter(|found| found.state != JobState::Leased) else {
            return;
        };
        if found.state.is_live() {
            found.new.record.retention = None;
            self.end(job, JobState::Cancelled, now);
        } else {
            self.forget(job);
        }
    }

    pub(super) fn requeue(&mut self, job: &JobRef, now: Timestamp) {
        let Some(found) = self.find(job).filter(|found| found.state == JobState::Dead) else {
            return;
        };
        (found.state, found.at) = (JobState::Ready, None);
        (found.crashes, found.was_requeued, found.has_started) = (0, true, true);
        let batch = found.new.record.batch.clone();
        self.forget_dead(job);
        if let Some(batch) = batch {
            self.meet(&batch, &Part::Job(job.clone()), Fate::Pending, now);
        }
    }

    fn find(&mut self, job: &JobRef) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|other| other.found_at() == *job)
    }

    fn start(&mut self, job: &JobRef, now: Timestamp) {
        let found = self.find(job).unwrap();
        let due = match found.new.when {
            When::Now => now,
            When::At(instant) => instant,
            When::After(delay) => now + delay,
        };
        (found.state, found.at) =
            if due <= now { (JobState::Ready, None) } else { (JobState::Scheduled, Some(due)) };
    }

    /// Tells a child how a parent has ended.
    fn tell(&mut self, child: &JobRef, parent: &JobRef, state: JobState, now: Timestamp) {
        let Some(job) = self.find(child) else {
            return self.early.push((child.clone(), parent.clone(), state));
        };
        let unmet =
            |(other, end): &&mut (JobRef, Option<JobState>)| other == parent && end.is_none();
        let Some((_, end)) = job.parents.iter_mut().find(unmet) else {
            return;
        };
        *end = Some(state);
        if job.state != JobState::Waiting {
            return;
        }
        let is_failure = state != JobState::Completed;
        match job.new.on_parent_failure {
            OnParentFailure::Fail if is_failure => {
                job.has_started = true;
                self.end(child, JobState::Dead, now);
            }
            OnParentFailure::Skip if is_failure => self.end(child, JobState::Cancelled, now),
            _ if job.parents.iter().all(|(_, end)| end.is_some()) => self.start(child, now),
            _ => {}
        }
    }

    pub(super) fn end(&mut self, job: &JobRef, state: JobState, now: Timestamp) {
        let found = self.find(job).unwrap();
        let children = std::mem::take(&mut found.children);
        let record = found.new.record.clone();
        found.state = state;
        found.at = match (state, record.retention) {
            (JobState::Dead, _) => Some(now),
            (_, Some(retention)) => Some(now + retention),
            (_, None) => None,
        };
        if found.at.is_none() {
            self.jobs.retain(|other| other.found_at() != *job);
        }
        if let Some(batch) = &record.batch {
            let fate = match state {
                JobState::Completed => Fate::Done,
                JobState::Dead => Fate::Failed,
                _ => Fate::Cancelled,
            };
            if state == JobState::Dead
                && let Some(of) = self.batches.iter_mut().find(|other| other.new.batch == *batch)
            {
                of.dead.push(job.clone());
            }
            self.meet(batch, &Part::Job(job.clone()), fate, now);
        }
        for child in children {
            self.tell(&child, job, state, now);
        }
    }

    fn forget(&mut self, job: &JobRef) {
        self.jobs.retain(|other| other.found_at() != *job);
        self.forget_dead(job);
    }

    fn forget_dead(&mut self, job: &JobRef) {
        for batch in &mut self.batches {
            batch.dead.retain(|other| other != job);
        }
    }
}
