//! One schedule of a group, as a scheduler runs it.

use std::sync::Arc;

use jobq_core::schedules::{Mark, ScheduleRef};
use jobq_core::{JobRecord, Result, Timestamp};

use crate::definition::Definition;
use crate::firing::{Firing, ScheduleStore};
use crate::owed::{Owed, owed};
use crate::timing::Timing;

/// A schedule that is run.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) definition: Definition,
    schedule: ScheduleRef,
    /// As it is shown, and as jitter knows it.
    name: String,
    timing: Timing,
    record: JobRecord,
    /// The last tick that was claimed, as far as is known here.
    pub(crate) after: Timestamp,
    pub(crate) paused: bool,
    /// When to look at it again.
    pub(crate) wakes_at: Option<Timestamp>,
}

impl Entry {
    pub(crate) fn new(schedule: ScheduleRef, definition: Definition) -> Result<Self> {
        Ok(Self {
            name: schedule.to_string(),
            timing: definition.plan.timing()?,
            record: definition.plan.record()?,
            after: definition.holds_from(),
            paused: false,
            wakes_at: None,
            schedule,
            definition,
        })
    }

    pub(crate) const fn record(&self) -> &JobRecord {
        &self.record
    }

    pub(crate) const fn schedule(&self) -> &ScheduleRef {
        &self.schedule
    }

    pub(crate) const fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Learns how far it has come.
    pub(crate) fn marked(&mut self, mark: Option<&Mark>) {
        let last = mark.and_then(|mark| mark.last);
        let from = self.definition.holds_from();
        self.after = last.map_or(from, |last| last.max(from));
        self.paused = mark.is_some_and(|mark| mark.paused);
    }

    pub(crate) fn owed(&self, now: Timestamp) -> Owed {
        owed(&self.timing, &self.name, self.after, now, self.definition.plan.catch_up)
    }

    /// When it is to run after now, by its mark: ticks that jitter has put off, then those to come. Each waits
    /// for those before it.
    pub(crate) fn next_runs(
        &self,
        mark: Option<&Mark>,
        now: Timestamp,
    ) -> impl Iterator<Item = Timestamp> + '_ {
        let from = self.definition.holds_from();
        let after = mark.and_then(|mark| mark.last).map_or(from, |last| last.max(from));
        let ticks = self.timing.ticks_after(after.max(now - self.timing.jitter()));
        let runs = ticks.map(|tick| self.timing.runs_at(&self.name, tick));
        let in_order = runs.scan(Timestamp::EPOCH, |latest, at| {
            *latest = at.max(*latest);
            Some(*latest)
        });
        in_order.skip_while(move |at| *at <= now)
    }

    pub(crate) fn firing(
        &self,
        store: &Arc<dyn ScheduleStore>,
        revision: u64,
        good_until: Timestamp,
    ) -> Firing {
        Firing {
            store: Arc::clone(store),
            schedule: self.schedule.clone(),
            record: self.record.clone(),
            overlap: self.definition.plan.overlap,
            revision,
            good_until,
            since: self.definition.holds_from(),
        }
    }
}
