//! A scheduler at work: it looks at its group now and then, and claims ticks when they come.

mod claims;
mod look;
#[cfg(test)]
mod looks;
mod moving;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jobq_core::{GroupName, ScheduleName, Timestamp, WorkerId};
use tokio::time::Instant;

use crate::definition::Definition;
use crate::entry::Entry;
use crate::firing::ScheduleStore;
use crate::scheduler::Summary;
use crate::sync::Declared;

use self::claims::{Fired, RETRY_AFTER, Then, fire_all};

/// How often a scheduler asks whether its group has changed.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// For how long it relies on what it saw: two looks may fail.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(45);
/// For how long it counts as living; and for how long nobody may have declared what it removes.
const TTL: Duration = Duration::from_secs(60);
/// The same of a single pass, of which there is to be one a minute: two may fail.
const TTL_OF_PASS: Duration = Duration::from_secs(180);
/// How many claims are under way at once.
const CLAIMS_AT_ONCE: usize = 32;

/// Whether a scheduler stays, or comes to enqueue what is due and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Stays,
    Passes,
}

impl Manner {
    const fn ttl(self) -> Duration {
        match self {
            Self::Stays => TTL,
            Self::Passes => TTL_OF_PASS,
        }
    }
}

/// A scheduler at work.
pub(crate) struct Runner {
    store: Arc<dyn ScheduleStore>,
    group: GroupName,
    id: WorkerId,
    manner: Manner,
    declared: Declared,
    word: String,
    /// The store's time at an instant of this process.
    clock: Option<(Timestamp, Instant)>,
    good_until: Timestamp,
    next_look: Instant,
    /// Since when, and when last, it has looked, without a gap in which somebody could have escaped it.
    watched: Option<(Timestamp, Timestamp)>,
    /// When the group is to be put right though nobody has changed it.
    sync_at: Option<Timestamp>,
    /// What was seen of the group last; `None` if it has to be looked at anew.
    seen: Option<(u64, Vec<String>)>,
    revision: u64,
    entries: BTreeMap<ScheduleName, Entry>,
    wakes: BTreeSet<(Timestamp, ScheduleName)>,
    /// Schedules that have changed their queue, and when they go on.
    moving: BTreeMap<ScheduleName, (Definition, Timestamp)>,
    /// Whether the last look failed: said once.
    is_out: bool,
    pub(crate) summary: Summary,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("group", &self.group).finish_non_exhaustive()
    }
}

impl Runner {
    pub(crate) fn new(
        store: Arc<dyn ScheduleStore>,
        group: GroupName,
        manner: Manner,
        declared: Declared,
    ) -> Self {
        let word = declared.word();
        Self {
            store,
            group,
            // Passes of one version are one scheduler, which goes on living between them.
            id: match manner {
                Manner::Stays => WorkerId::generate(),
                Manner::Passes => WorkerId::from_u64(declared.number()),
            },
            manner,
            word,
            declared,
            clock: None,
            good_until: Timestamp::EPOCH,
            next_look: Instant::now(),
            watched: None,
            sync_at: None,
            seen: None,
            revision: 0,
            entries: BTreeMap::new(),
            wakes: BTreeSet::new(),
            moving: BTreeMap::new(),
            is_out: false,
            summary: Summary::default(),
        }
    }

    /// Looks at the group if it is time to, and claims what is due. Errors of the store are told, and
    /// tried again.
    pub(crate) async fn turn(&mut self) {
        if Instant::now() >= self.next_look {
            self.next_look = Instant::now() + LOOK_EVERY;
            match self.look().await {
                Ok(()) => self.is_out = false,
                Err(error) => {
                    self.next_look = Instant::now() + RETRY_AFTER;
                    if !std::mem::replace(&mut self.is_out, true) {
                        tracing::warn!(name: "jobq.scheduler.unavailable", group = %self.group, %error);
                    }
                }
            }
        }
        self.fire_due().await;
    }

    /// Until when there is nothing to do.
    pub(crate) fn rest_until(&self) -> Instant {
        match (self.clock, self.wakes.first()) {
            // Without a look that can be relied upon there is nothing to wake for.
            (Some((then, at)), Some((wake, _))) if self.now() <= self.good_until => {
                // Capped, so that a far one is no overflow.
                (at + wake.since(then).min(LOOK_EVERY * 10)).min(self.next_look)
            }
            _ => self.next_look,
        }
    }

    /// Says farewell, if it will not come back. A store that cannot be reached forgets this scheduler by itself.
    pub(crate) async fn leave(&self) {
        if self.manner == Manner::Passes {
            return;
        }
        if let Err(error) = self.store.absent(&self.group, self.id).await {
            tracing::debug!(name: "jobq.scheduler.leave", group = %self.group, %error);
        }
    }

    fn look_again(&mut self) {
        self.seen = None;
        self.next_look = Instant::now();
    }

    /// The store's time, as far as is known.
    fn now(&self) -> Timestamp {
        self.clock.map_or(Timestamp::EPOCH, |(then, at)| then + at.elapsed())
    }

    fn plan_wake(&mut self, name: &ScheduleName) {
        let now = self.now();
        let wakes_at = self.entries.get(name).and_then(|entry| {
            let owed = entry.owed(now);
            let due = (!owed.ticks.is_empty()).then_some(now);
            due.or(owed.next_at).filter(|_| !entry.paused)
        });
        self.wake(name, wakes_at);
    }

    fn wake(&mut self, name: &ScheduleName, at: Option<Timestamp>) {
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

    /// Claims all that is due.
    pub(crate) async fn fire_due(&mut self) {
        let now = self.now();
        if now > self.good_until {
            // Nothing could be claimed. The next look is on its way.
            return;
        }
        let due = self.wakes.iter().take_while(|(at, _)| *at <= now);
        let due: Vec<ScheduleName> = due.map(|(_, name)| name.clone()).collect();
        let mut firings = Vec::new();
        for name in due {
            let Some(entry) = self.entries.get(&name) else { continue };
            let owed = entry.owed(now);
            if owed.ticks.is_empty() {
                self.wake(&name, owed.next_at);
            } else {
                let firing = entry.firing(&self.store, self.revision, self.good_until);
                firings.push(fire_all(name, firing, owed.ticks));
            }
        }
        let fired: Vec<Fired> =
            stream::iter(firings).buffer_unordered(CLAIMS_AT_ONCE).collect().await;
        for one in fired {
            self.take_note(one);
        }
    }

    fn take_note(&mut self, fired: Fired) {
        self.summary.enqueued += fired.enqueued;
        self.summary.left_out += fired.left_out;
        let Some(entry) = self.entries.get_mut(&fired.name) else {
            return;
        };
        entry.after = entry.after.max(fired.after.unwrap_or(entry.after));
        match fired.then {
            Then::GoOn => self.plan_wake(&fired.name),
            Then::Pause => {
                entry.paused = true;
                self.wake(&fired.name, None);
            }
            Then::LookAgain => {
                self.wake(&fired.name, Some(self.now() + RETRY_AFTER));
                self.look_again();
            }
            Then::Wait(now) => {
                self.clock = Some((now, Instant::now()));
                self.plan_wake(&fired.name);
            }
            Then::Retry(after) => self.wake(&fired.name, Some(self.now() + after)),
        }
    }
}
