//! What a scheduler tells of itself: in which condition it is, and what people should know of.

use std::collections::{BTreeMap, BTreeSet};

use jobq_core::vitals::Condition;
use jobq_core::{Error, ErrorKind, Result, ScheduleName, Vitals};
use tokio::time::Instant;

use super::claims::Then;
use super::{LOOK_AGAIN_AFTER, Runner};
use crate::entry::Entry;
use crate::events;

/// What it has told.
pub(super) struct Telling {
    pub(super) vitals: Vitals,
    /// Whether the last look failed: said once.
    is_out: bool,
    /// Schedules that owe ticks which could not be claimed, and why: a refusal by a limit is none.
    failing: BTreeMap<ScheduleName, String>,
    /// What has been said of schedules.
    said: BTreeSet<(String, String)>,
}

impl Telling {
    pub(super) const fn by(vitals: Vitals) -> Self {
        Self { vitals, is_out: false, failing: BTreeMap::new(), said: BTreeSet::new() }
    }

    /// Whether this is news of the schedule. It is none any more then.
    pub(super) fn is_news(&mut self, schedule: &str, what: &str) -> bool {
        self.said.insert((schedule.to_owned(), what.to_owned()))
    }
}

impl Runner {
    /// Tells whether the group can be looked at.
    pub(super) fn tell_outage(&mut self, looked: Result<()>) {
        match looked {
            Ok(()) => {
                let condition = self.condition();
                self.telling.vitals.set(condition);
                if std::mem::take(&mut self.telling.is_out) {
                    events::group_reached_again(&self.group);
                    self.holds.clear();
                    self.plan_all();
                }
            }
            Err(error) => {
                self.telling.vitals.set(Condition::Disconnected(error.to_string()));
                self.next_look = Instant::now() + LOOK_AGAIN_AFTER;
                if !std::mem::replace(&mut self.telling.is_out, true) {
                    events::group_out_of_reach(&self.group, &error);
                }
            }
        }
    }

    /// How it is, if its group can be looked at: not ready while something that is owed cannot be claimed.
    fn condition(&mut self) -> Condition {
        let (now, entries) = (self.now(), &self.entries);
        self.telling.failing.retain(|name, _| {
            let entry = entries.get(name).filter(|entry| !entry.paused);
            entry.is_some_and(|entry| !entry.owed(now).ticks.is_empty())
        });
        match self.telling.failing.first_key_value() {
            Some((name, why)) => Condition::Disconnected(format!("schedule {name}: {why}")),
            None => Condition::Ready,
        }
    }

    /// Notes whether a claim could be made, and tells of it.
    pub(super) fn tell_claim(&mut self, name: &ScheduleName, then: &Then, has_claimed: bool) {
        match then {
            Then::Fail(error) if error.kind() != ErrorKind::Limited => {
                self.telling.failing.insert(name.clone(), error.to_string());
            }
            // It was told to stop before it could try.
            Then::GoOn if !has_claimed => {}
            // The store has answered.
            _ => _ = self.telling.failing.remove(name),
        }
        let is_at_work = matches!(
            self.telling.vitals.condition(),
            Condition::Ready | Condition::Disconnected(_)
        );
        if is_at_work && !self.telling.is_out {
            let condition = self.condition();
            self.telling.vitals.set(condition);
        }
    }

    /// Holds claims like this one back for a while, and says so once.
    pub(super) fn hold(&mut self, name: &ScheduleName, error: Option<&Error>, why: &str) {
        let Some(record) = self.entries.get(name).map(Entry::record) else {
            return;
        };
        let times = self.holds.failed(name, record, error);
        // A deployment makes claims of older definitions come to nothing for a moment.
        let is_news = times == if error.is_some() { 1 } else { 4 };
        if is_news {
            events::claims_wait(name, &self.group, &record.queue, why, error);
        }
    }
}
