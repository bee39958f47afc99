//! The batches whose home is this queue: how they are counted, and when they end.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::notes::News;
use super::queue_state::QueueState;
use crate::batch::{
    BatchId, BatchRef, BatchState, BatchView, NewBatch, closed_batch, ended_batch, unknown_batch,
};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::job_ref::JobRef;
use crate::name::QueueName;
use crate::record::NewJob;

/// What a home is told of the parts of a batch.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// Jobs that were counted have turned out to be there already.
    NotAdded {
        jobs: u64,
    },
    /// A nested batch that was counted has turned out to be there already.
    NotOpened,
    Done,
    Died {
        job: JobRef,
    },
    Cancelled,
    /// A dead job is to run again.
    Revived {
        job: JobRef,
    },
    /// A dead job was deleted.
    DeadForgotten {
        job: JobRef,
    },
    NestedEnded {
        batch: BatchRef,
        is_success: bool,
    },
    /// A nested batch that had failed goes on.
    NestedRevived {
        batch: BatchRef,
    },
}

/// The batches of a queue.
#[derive(Debug, Default)]
pub(super) struct Batches {
    known: HashMap<BatchId, Tally>,
    /// In the order in which people look at them.
    by_opening: BTreeSet<(Timestamp, BatchId)>,
    /// Until when those that have ended are known.
    ended: BTreeSet<(Timestamp, BatchId)>,
}

/// One batch.
#[derive(Debug)]
struct Tally {
    /// Its counts; the state is told by them and by whether it is closed.
    view: BatchView,
    is_closed: bool,
    /// Each is taken out when it is enqueued, and so enqueued once.
    on_success: Option<Box<NewJob>>,
    on_failure: Option<Box<NewJob>>,
    on_complete: Option<Box<NewJob>>,
    call_off_on_failure: bool,
    retention: Duration,
    /// The jobs of it that are dead.
    dead: BTreeSet<JobRef>,
    /// Other queues that have had jobs of it, and batches that it counts: to be told if it is called off.
    queues: BTreeSet<QueueName>,
    nested: BTreeSet<BatchRef>,
}

impl Batches {
    /// How many batches are known.
    #[cfg(any(test, feature = "test-util"))]
    pub(super) fn len(&self) -> usize {
        self.known.len().max(self.by_opening.len()).max(self.ended.len())
    }
}

impl Tally {
    fn of(new: &NewBatch, now: Timestamp) -> Self {
        let mut view = BatchView::new(new.batch.clone(), new.name.clone(), now);
        view.parent.clone_from(&new.parent);
        let callback = |job: &Option<NewJob>| job.as_ref().map(|job| Box::new(new.stamp(job)));
        Self {
            view,
            is_closed: false,
            on_success: callback(&new.on_success),
            on_failure: callback(&new.on_failure),
            on_complete: callback(&new.on_complete),
            call_off_on_failure: new.call_off_on_failure,
            retention: new.retention,
            dead: BTreeSet::new(),
            queues: BTreeSet::new(),
            nested: BTreeSet::new(),
        }
    }

    fn has_failures(&self) -> bool {
        self.view.failed + self.view.cancelled > 0
    }

    fn state(&self) -> BatchState {
        match (self.is_closed, self.view.pending(), self.has_failures()) {
            (false, ..) => BatchState::Open,
            (true, 1.., _) => BatchState::Closed,
            (true, 0, false) => BatchState::Succeeded,
            (true, 0, true) => BatchState::Failed,
        }
    }
}

/// Who is to be counted by a batch.
pub(super) enum Part<'a> {
    Jobs { count: u64, queue: &'a QueueName },
    Nested(&'a BatchRef),
}

impl QueueState {
    /// Refuses to add to a batch that is not known or has ended.
    pub(super) fn check_batch(&self, batch: &BatchRef) -> Result<()> {
        match self.batches.known.get(&batch.id) {
            None => Err(unknown_batch(batch)),
            Some(tally) if tally.state().has_ended() => Err(ended_batch(batch)),
            Some(_) => Ok(()),
        }
    }

    /// Counts parts of a batch that are about to be added, so that it cannot end before they are there.
    /// Says whether it was called off.
    pub(super) fn expect(&mut self, batch: &BatchRef, part: &Part<'_>) -> Result<bool> {
        self.check_batch(batch)?;
        let is_elsewhere = |queue: &QueueName| *queue != batch.queue;
        let Some(tally) = self.batches.known.get_mut(&batch.id) else {
            return Ok(false);
        };
        match part {
            Part::Jobs { count, queue } => {
                tally.view.total += count;
                if is_elsewhere(queue) && !tally.queues.contains(queue) {
                    tally.queues.insert((*queue).clone());
                }
            }
            Part::Nested(nested) => {
                tally.view.total += 1;
                tally.nested.insert((*nested).clone());
            }
        }
        Ok(tally.view.is_called_off)
    }

    pub(super) fn open_batch(
        &mut self,
        new: &NewBatch,
        is_called_off: bool,
        now: Timestamp,
    ) -> bool {
        let id = new.batch.id;
        if self.knows_batch(id) {
            return false;
        }
        let mut tally = Tally::of(new, now);
        tally.view.is_called_off = is_called_off;
        self.batches.known.insert(id, tally);
        self.batches.by_opening.insert((now, id));
        true
    }

    pub(super) fn knows_batch(&self, id: BatchId) -> bool {
        self.batches.known.contains_key(&id)
    }

    pub(super) fn close_batch(&mut self, batch: &BatchRef, now: Timestamp) -> Result<BatchView> {
        let tally = self.batches.known.get_mut(&batch.id).ok_or_else(|| unknown_batch(batch))?;
        if tally.is_closed {
            return Err(closed_batch(batch));
        }
        tally.is_closed = true;
        self.recount(batch.id, false, now);
        self.batch_view(batch.id).ok_or_else(|| unknown_batch(batch))
    }

    pub(super) fn batch_view(&self, id: BatchId) -> Option<BatchView> {
        let tally = self.batches.known.get(&id)?;
        Some(BatchView { state: tally.state(), ..tally.view.clone() })
    }

    /// Newest first.
    pub(super) fn batch_views(&self, offset: usize, limit: usize) -> Vec<BatchView> {
        let newest = self.batches.by_opening.iter().rev().skip(offset).take(limit);
        newest.filter_map(|(_, id)| self.batch_view(*id)).collect()
    }

    pub(super) fn failed_of_batch(&self, id: BatchId, offset: usize, limit: usize) -> Vec<JobRef> {
        let dead = self.batches.known.get(&id).map(|tally| tally.dead.iter());
        dead.into_iter().flatten().skip(offset).take(limit).cloned().collect()
    }

    /// Calls off what has not started of a batch, and of those that it counts. Says whether it is known.
    pub(super) fn call_off(&mut self, id: BatchId, now: Timestamp) -> bool {
        let Some(tally) = self.batches.known.get_mut(&id) else {
            return false;
        };
        if tally.view.is_called_off || tally.state().has_ended() {
            return true;
        }
        tally.view.is_called_off = true;
        let batch = tally.view.batch.clone();
        let (queues, nested) = (tally.queues.clone(), tally.nested.clone());
        for queue in &queues {
            self.tell(queue, now, News::CalledOff { batch: batch.clone() });
        }
        for nested in nested {
            self.tell(&nested.queue, now, News::ParentCalledOff { batch: nested.id });
        }
        true
    }

    pub(super) fn is_batch_called_off(&self, id: BatchId) -> bool {
        self.batches.known.get(&id).is_some_and(|tally| tally.view.is_called_off)
    }

    /// Something has happened to a part of a batch.
    pub(super) fn batch_changed(&mut self, id: BatchId, change: Change, now: Timestamp) {
        let Some(tally) = self.batches.known.get_mut(&id) else {
            return;
        };
        let had_ended = tally.state().has_ended();
        let view = &mut tally.view;
        let mut is_failure = false;
        match change {
            Change::NotAdded { jobs } => view.total = view.total.saturating_sub(jobs),
            Change::NotOpened => view.total = view.total.saturating_sub(1),
            Change::Done => view.done += 1,
            Change::Cancelled => view.cancelled += 1,
            Change::Died { job } => {
                view.failed += 1;
                tally.dead.insert(job);
                is_failure = true;
            }
            Change::Revived { job } => {
                if tally.dead.remove(&job) {
                    view.failed = view.failed.saturating_sub(1);
                }
            }
            Change::DeadForgotten { job } => {
                tally.dead.remove(&job);
            }
            Change::NestedEnded { batch, is_success } => {
                view.done += u64::from(is_success);
                view.failed += u64::from(!is_success);
                tally.nested.remove(&batch);
                is_failure = !is_success;
            }
            Change::NestedRevived { batch } => {
                view.failed = view.failed.saturating_sub(1);
                tally.nested.insert(batch);
            }
        }
        let calls_off = is_failure && tally.call_off_on_failure;
        self.recount(id, had_ended, now);
        if calls_off {
            self.call_off(id, now);
        }
    }

    /// Forgets batches that are past their retention: at most `limit`. Says how many.
    pub(super) fn prune_batches(&mut self, limit: usize, now: Timestamp) -> usize {
        let mut pruned = 0;
        while pruned < limit
            && let Some(&(until, id)) = self.batches.ended.first()
            && until <= now
        {
            self.batches.ended.pop_first();
            if let Some(tally) = self.batches.known.remove(&id) {
                self.batches.by_opening.remove(&(tally.view.opened_at, id));
            }
            pruned += 1;
        }
        pruned
    }

    /// Draws the consequences of new counts: enqueues the callbacks that are due, and tells the parent.
    fn recount(&mut self, id: BatchId, had_ended: bool, now: Timestamp) {
        let Some(tally) = self.batches.known.get_mut(&id) else {
            return;
        };
        let mut callbacks = Vec::new();
        if tally.has_failures() {
            callbacks.extend(tally.on_failure.take());
        }
        let state = tally.state();
        if state.has_ended() && !had_ended {
            if state == BatchState::Succeeded {
                callbacks.extend(tally.on_success.take());
            }
            callbacks.extend(tally.on_complete.take());
            tally.view.ended_at = Some(now);
            self.batches.ended.insert((now + tally.retention, id));
        }
        if had_ended && !state.has_ended() {
            let ended_at = tally.view.ended_at.take().unwrap_or(now);
            self.batches.ended.remove(&(ended_at + tally.retention, id));
        }
        let (batch, parent) = (tally.view.batch.clone(), tally.view.parent.clone());
        for job in callbacks {
            let queue = job.record.queue.clone();
            self.tell(&queue, now, News::Callback { job });
        }
        if let Some(parent) = parent
            && state.has_ended() != had_ended
        {
            let change = if had_ended {
                Change::NestedRevived { batch }
            } else {
                Change::NestedEnded { batch, is_success: state == BatchState::Succeeded }
            };
            let batch = parent.id;
            self.tell(&parent.queue, now, News::BatchChanged { batch, change });
        }
    }
}
