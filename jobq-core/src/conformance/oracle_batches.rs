//! The oracle's batches: lists of parts and what has become of each, counted each time.

use std::collections::BTreeMap;

use super::flow_oracle::World;
use crate::batch::{BatchRef, BatchState, NewBatch};
use crate::clock::Timestamp;
use crate::error::ErrorKind;
use crate::job_ref::JobRef;

#[derive(Debug)]
pub(super) struct Batch {
    pub(super) new: NewBatch,
    pub(super) is_closed: bool,
    pub(super) is_called_off: bool,
    pub(super) had_ended: bool,
    pub(super) parts: Vec<(Part, Fate)>,
    /// Dead jobs that are still there.
    pub(super) dead: Vec<JobRef>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Part {
    Job(JobRef),
    Nested(BatchRef),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fate {
    Pending,
    Done,
    Failed,
    Cancelled,
}

/// What can be seen of a batch: state, total, done, failed, cancelled, whether it was called off, and its
/// dead jobs.
pub(super) type Seen = (BatchState, [u64; 4], bool, Vec<JobRef>);

impl Batch {
    pub(super) fn count(&self, fate: Fate) -> u64 {
        self.parts.iter().filter(|(_, other)| *other == fate).count() as u64
    }

    pub(super) fn state(&self) -> BatchState {
        let failures = self.count(Fate::Failed) + self.count(Fate::Cancelled);
        match (self.is_closed, self.count(Fate::Pending), failures) {
            (false, ..) => BatchState::Open,
            (true, 1.., _) => BatchState::Closed,
            (true, 0, 0) => BatchState::Succeeded,
            (true, 0, _) => BatchState::Failed,
        }
    }
}

impl World {
    pub(super) fn open(&mut self, new: &NewBatch) -> Result<(), ErrorKind> {
        let mut is_called_off = false;
        if let Some(parent) = &new.parent {
            self.add_part(parent, Part::Nested(new.batch.clone()))?;
            let parent = self.batches.iter().find(|batch| batch.new.batch == *parent).unwrap();
            is_called_off = parent.is_called_off;
        }
        self.batches.push(Batch {
            new: new.clone(),
            is_closed: false,
            is_called_off,
            had_ended: false,
            parts: Vec::new(),
            dead: Vec::new(),
        });
        Ok(())
    }

    pub(super) fn close(&mut self, batch: &BatchRef, now: Timestamp) -> Result<(), ErrorKind> {
        let of = self.batches.iter_mut().find(|other| other.new.batch == *batch).unwrap();
        if of.is_closed {
            return Err(ErrorKind::Conflict);
        }
        of.is_closed = true;
        self.draw_consequences(batch, now);
        Ok(())
    }

    pub(super) fn call_off(&mut self, batch: &BatchRef) {
        let of = self.batches.iter_mut().find(|other| other.new.batch == *batch).unwrap();
        if of.is_called_off || of.state().has_ended() {
            return;
        }
        of.is_called_off = true;
        let nested: Vec<BatchRef> = of
            .parts
            .iter()
            .filter_map(|(part, _)| match part {
                Part::Nested(batch) => Some(batch.clone()),
                Part::Job(_) => None,
            })
            .collect();
        for batch in nested {
            self.call_off(&batch);
        }
    }

    /// Whether a batch was called off in the very step that ended it is a matter of who was told first.
    pub(super) fn agree_on_called_off(&mut self, seen: &BTreeMap<BatchRef, Seen>) {
        for batch in self.batches.iter_mut().filter(|batch| batch.had_ended) {
            if let Some((_, _, is_called_off, _)) = seen.get(&batch.new.batch) {
                batch.is_called_off = *is_called_off;
            }
        }
    }

    pub(super) fn add_part(&mut self, batch: &BatchRef, part: Part) -> Result<(), ErrorKind> {
        let of = self.batches.iter_mut().find(|other| other.new.batch == *batch);
        let of = of.ok_or(ErrorKind::NotFound)?;
        if of.state().has_ended() {
            return Err(ErrorKind::Conflict);
        }
        of.parts.push((part, Fate::Pending));
        Ok(())
    }

    /// A part of a batch has met its fate, or is pending again.
    pub(super) fn meet(&mut self, batch: &BatchRef, part: &Part, fate: Fate, now: Timestamp) {
        let of = self.batches.iter_mut().find(|other| other.new.batch == *batch).unwrap();
        // One that was added again after it had left nothing behind is there twice.
        let mut parts = of.parts.iter_mut().rev();
        parts.find(|(other, _)| other == part).unwrap().1 = fate;
        let calls_off = fate == Fate::Failed && of.new.call_off_on_failure;
        self.draw_consequences(batch, now);
        if calls_off {
            self.call_off(batch);
        }
    }

    fn draw_consequences(&mut self, batch: &BatchRef, now: Timestamp) {
        let of = self.batches.iter_mut().find(|other| other.new.batch == *batch).unwrap();
        let state = of.state();
        let mut callbacks = Vec::new();
        if of.count(Fate::Failed) + of.count(Fate::Cancelled) > 0 {
            callbacks.extend(of.new.on_failure.take());
        }
        if state == BatchState::Succeeded {
            callbacks.extend(of.new.on_success.take());
        }
        if state.has_ended() {
            callbacks.extend(of.new.on_complete.take());
        }
        let changes = state.has_ended() != of.had_ended;
        of.had_ended = state.has_ended();
        let parent = of.new.parent.clone();
        for callback in callbacks {
            self.add(&callback, now).unwrap();
        }
        if let Some(parent) = parent.filter(|_| changes) {
            let fate = match state {
                BatchState::Succeeded => Fate::Done,
                BatchState::Failed => Fate::Failed,
                _ => Fate::Pending,
            };
            self.meet(&parent, &Part::Nested(batch.clone()), fate, now);
        }
    }
}
