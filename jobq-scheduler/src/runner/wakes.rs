//! When a scheduler wakes, and for which schedule.

use jobq_core::{ScheduleName, Timestamp};
use tokio::time::Instant;

use super::claims::Claims;
use super::{LOOK_EVERY, Runner};

impl Runner {
    /// Until when there is nothing to do, if no claim ends before.
    pub(super) fn rest_until(&self, claims: &Claims) -> Instant {
        match (self.known.clock, self.wakes.first()) {
            // Without a look that can be relied upon there is nothing to wake for.
            (Some((then, at)), Some((wake, _)))
                if claims.has_room() && self.now() <= self.known.good_until =>
            {
                // Capped, so that a far one is no overflow.
                (at + wake.since(then).min(LOOK_EVERY * 10)).min(self.next_look)
            }
            _ => self.next_look,
        }
    }

    pub(super) fn plan_all(&mut self) {
        let names: Vec<_> = self.entries.keys().cloned().collect();
        for name in names {
            self.plan_wake(&name);
        }
    }

    pub(super) fn plan_wake(&mut self, name: &ScheduleName) {
        let now = self.now();
        let entry = self.entries.get(name).filter(|entry| !entry.paused);
        let wakes_at = entry.filter(|_| !self.busy.contains(name)).and_then(|entry| {
            let owed = entry.owed(now);
            if owed.ticks.is_empty() {
                return owed.next_at;
            }
            let held_until = self.holds.until(name, entry.record());
            Some(held_until.map_or(now, |until| now + (until - Instant::now())))
        });
        self.wake(name, wakes_at);
    }

    pub(super) fn wake(&mut self, name: &ScheduleName, at: Option<Timestamp>) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut entry.wakes_at, at) {
            self.wakes.remove(&(before, name.clone()));
        }
        if let Some(at) = at {
            self.wakes.insert((at, name.clone()));
        }
    }
}
