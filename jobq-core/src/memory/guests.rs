//! Jobs that others have an interest in: they say at their end who must learn of it, and whether their
//! batch was called off before they could start.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::batches::Change;
use super::job::Job;
use super::notes::News;
use super::parents::Outcome;
use super::queue_state::QueueState;
use crate::batch::BatchRef;
use crate::clock::Timestamp;
use crate::id::JobId;
use crate::job_ref::JobRef;
use crate::record::NewJob;
use crate::state::JobState;

/// How long it is remembered that a batch of another queue was called off, after its last job here has
/// ended: a job of it may just be on its way.
const PATIENCE: Duration = Duration::from_secs(24 * 3_600);

/// The batches of other queues that have jobs here.
#[derive(Debug, Default)]
pub(super) struct Guests {
    parties: HashMap<BatchRef, Party>,
    /// Until when those called off are remembered, in order.
    until: VecDeque<(Timestamp, BatchRef)>,
}

/// The jobs of one such batch.
#[derive(Debug, Default)]
struct Party {
    live: u64,
    /// Until when it is remembered that the batch was called off.
    called_off: Option<Timestamp>,
}

impl Guests {
    /// How many batches are remembered.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) fn len(&self) -> usize {
        self.parties.len().max(self.until.len())
    }
}

impl Party {
    fn is_over(&self, now: Timestamp) -> bool {
        self.live == 0 && self.called_off.is_none_or(|until| until <= now)
    }
}

/// Whom a job that ends has to tell of it.
#[derive(Debug)]
pub(super) struct Farewell {
    job: JobRef,
    batch: Option<BatchRef>,
    children: Vec<JobRef>,
}

impl Job {
    /// Whom this job, which is about to end, has to tell of it; `None` if nobody.
    pub(super) fn farewell(&mut self) -> Option<Farewell> {
        let batch = self.record().batch.clone();
        let children = self.kin.as_deref_mut().map(super::parents::Kin::take_children);
        let children = children.unwrap_or_default();
        if batch.is_none() && children.is_empty() {
            return None;
        }
        let record = self.record();
        Some(Farewell { job: JobRef::new(record.queue.clone(), record.id), batch, children })
    }
}

impl QueueState {
    /// Tells those concerned that a job has ended. It has left its place by then.
    pub(super) fn tell_of_end(
        &mut self,
        farewell: Option<Farewell>,
        state: JobState,
        result: Option<&[u8]>,
        now: Timestamp,
    ) {
        let Some(Farewell { job, batch, children }) = farewell else {
            return;
        };
        if let Some(batch) = batch {
            self.leave_party(&batch, now);
            let change = match state {
                JobState::Completed => Change::Done,
                JobState::Dead => Change::Died { job: job.clone() },
                _ => Change::Cancelled,
            };
            self.tell_batch(&batch, change, now);
        }
        if !children.is_empty() {
            self.tell_children(&job, children, &Outcome::new(state, result), now);
        }
    }

    /// Tells its batch that a dead job is to run again.
    pub(super) fn tell_of_requeue(&mut self, id: JobId, now: Timestamp) {
        if let Some((batch, job)) = self.counted(id) {
            self.welcome(&batch);
            self.tell_batch(&batch, Change::Revived { job }, now);
        }
    }

    /// Tells its batch that a dead job is about to be forgotten.
    pub(super) fn tell_of_burial(&mut self, id: JobId) {
        let is_dead = |job: &Job| job.place.state() == JobState::Dead;
        if self.jobs.get(&id).is_some_and(is_dead)
            && let Some((batch, job)) = self.counted(id)
        {
            self.tell_batch(&batch, Change::DeadForgotten { job }, Timestamp::EPOCH);
        }
    }

    fn tell_batch(&mut self, batch: &BatchRef, change: Change, now: Timestamp) {
        self.tell(&batch.queue, now, News::BatchChanged { batch: batch.id, change });
    }

    fn counted(&self, id: JobId) -> Option<(BatchRef, JobRef)> {
        let record = self.jobs.get(&id)?.record();
        Some((record.batch.clone()?, JobRef::new(record.queue.clone(), id)))
    }

    /// A job has been added, whose batch has counted it.
    pub(super) fn join_party(&mut self, new: &NewJob) {
        if let Some(batch) = &new.record.batch {
            self.welcome(batch);
        }
    }

    fn welcome(&mut self, batch: &BatchRef) {
        if batch.queue != *self.notes.owner() {
            self.guests.parties.entry(batch.clone()).or_default().live += 1;
        }
    }

    fn leave_party(&mut self, batch: &BatchRef, now: Timestamp) {
        if let Some(party) = self.guests.parties.get_mut(batch) {
            party.live = party.live.saturating_sub(1);
            if party.is_over(now) {
                self.guests.parties.remove(batch);
            }
        }
    }

    /// A batch of another queue was called off.
    pub(super) fn guest_called_off(&mut self, batch: BatchRef, now: Timestamp) {
        let until = now + PATIENCE;
        self.guests.parties.entry(batch.clone()).or_default().called_off = Some(until);
        self.guests.until.push_back((until, batch));
    }

    /// Whether a job that would be leased next is called off with its batch. One that has run before, and
    /// failed or crashed, is not: it has started.
    pub(super) fn is_called_off(&self, id: JobId) -> bool {
        let Some(job) = self.jobs.get(&id) else {
            return false;
        };
        let Some(batch) = &job.record().batch else {
            return false;
        };
        job.history.last().is_none()
            && if batch.queue == *self.notes.owner() {
                self.is_batch_called_off(batch.id)
            } else {
                let party = self.guests.parties.get(batch);
                party.is_some_and(|party| party.called_off.is_some())
            }
    }

    /// Forgets batches of other queues that were called off: at most `limit`. Says how many.
    pub(super) fn prune_guests(&mut self, limit: usize, now: Timestamp) -> usize {
        let mut pruned = 0;
        while pruned < limit
            && let Some((until, batch)) = self.guests.until.front()
            && *until <= now
        {
            if self.guests.parties.get(batch).is_some_and(|party| party.is_over(now)) {
                self.guests.parties.remove(batch);
            }
            self.guests.until.pop_front();
            pruned += 1;
        }
        pruned
    }
}
