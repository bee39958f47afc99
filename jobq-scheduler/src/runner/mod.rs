//! A scheduler at work: it looks at its group now and then, and claims ticks when they come.

#[cfg(test)]
mod busy;
mod claims;
mod holds;
mod look;
#[cfg(test)]
mod looks;
mod moving;
mod telling;
mod wakes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jobq_core::vitals::Condition;
use jobq_core::{Error, GroupName, ScheduleName, Timestamp, Vitals, WorkerId};
use tokio::time::Instant;

use crate::counts::Counts;
use crate::definition::Definition;
use crate::entry::Entry;
use crate::events;
use crate::firing::ScheduleStore;
use crate::scheduler::Summary;
use crate::sync::Declared;

use self::claims::{Claims, Fired, Then, Trust};
use self::holds::Holds;
use self::telling::Telling;

/// How often a scheduler asks whether its group has changed.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// For how long it relies on what it saw: two looks may fail.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(45);
/// For how long it counts as living; and for how long nobody may have declared what it removes.
const TTL: Duration = Duration::from_secs(60);
/// The same of a single pass, of which there is to be one a minute: two may fail.
const TTL_OF_PASS: Duration = Duration::from_secs(180);
/// When to look again after that has failed, or when a claim shows that there is something new: not sooner
/// after the last time.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

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

/// What a scheduler knows of its group, and for how long that is good.
struct Known {
    /// The store's time at an instant of this process.
    clock: Option<(Timestamp, Instant)>,
    good_until: Timestamp,
    /// Since when, and when last, it has looked, without a gap in which somebody could have escaped it.
    watched: Option<(Timestamp, Timestamp)>,
    /// When the group is to be put right though nobody has changed it.
    sync_at: Option<Timestamp>,
    /// What was seen of the group last; `None` if it has to be looked at anew.
    seen: Option<(u64, Vec<String>)>,
    revision: u64,
}

impl Known {
    const NOTHING: Self = Self {
        clock: None,
        good_until: Timestamp::EPOCH,
        watched: None,
        sync_at: None,
        seen: None,
        revision: 0,
    };
}

/// A scheduler at work.
pub(crate) struct Runner {
    store: Arc<dyn ScheduleStore>,
    group: GroupName,
    id: WorkerId,
    manner: Manner,
    declared: Declared,
    word: String,
    known: Known,
    next_look: Instant,
    looked_at: Option<Instant>,
    entries: BTreeMap<ScheduleName, Entry>,
    wakes: BTreeSet<(Timestamp, ScheduleName)>,
    /// Schedules with a claim under way.
    busy: BTreeSet<ScheduleName>,
    holds: Holds,
    /// Schedules that have changed their queue, and when they go on.
    moving: BTreeMap<ScheduleName, (Definition, Timestamp)>,
    telling: Telling,
    counts: Counts,
    pub(crate) summary: Summary,
    /// Why the first claim failed.
    pub(crate) fault: Option<Error>,
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
        vitals: Vitals,
    ) -> Self {
        let word = declared.word();
        Self {
            counts: Counts::in_vitals(&vitals),
            telling: Telling::by(vitals),
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
            known: Known::NOTHING,
            next_look: Instant::now(),
            looked_at: None,
            entries: BTreeMap::new(),
            wakes: BTreeSet::new(),
            busy: BTreeSet::new(),
            holds: Holds::default(),
            moving: BTreeMap::new(),
            summary: Summary::default(),
            fault: None,
        }
    }

    /// Works until `stop` completes, finishes the ticks that are being claimed, and leaves its group.
    pub(crate) async fn run_until(&mut self, stop: impl Future<Output = ()>) {
        let mut claims = Claims::default();
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = self.turn(&mut claims) => {}
            }
        }
        self.telling.vitals.set(Condition::Draining);
        claims.stop();
        while let Some(fired) = claims.ended().await {
            self.take_note(fired);
        }
        self.leave().await;
    }

    /// Looks at the group if it is time to, begins to claim what is due, and waits until there is something
    /// to do. Errors of the store are told, and tried again. Cancel safe as far as claims are concerned.
    async fn turn(&mut self, claims: &mut Claims) {
        if Instant::now() >= self.next_look {
            self.next_look = Instant::now() + LOOK_EVERY;
            self.looked_at = Some(Instant::now());
            let looked = claims.beside(self.look()).await;
            self.tell_outage(looked);
        }
        self.begin(claims);
        let rest_until = self.rest_until(claims);
        tokio::select! {
            biased;
            Some(fired) = claims.ended(), if !claims.is_empty() => self.take_note(fired),
            () = tokio::time::sleep_until(rest_until) => {}
        }
    }

    /// Claims all that is due, until nothing is or what is known is too old.
    pub(crate) async fn fire_due(&mut self) {
        let mut claims = Claims::default();
        self.begin(&mut claims);
        while let Some(fired) = claims.ended().await {
            self.take_note(fired);
            self.begin(&mut claims);
        }
    }

    /// Leaves its group, if it will not come back. A store that cannot be reached forgets this scheduler by
    /// itself.
    pub(crate) async fn leave(&self) {
        if self.manner == Manner::Passes {
            return;
        }
        if let Err(error) = self.store.absent(&self.group, self.id).await {
            events::group_not_left(&self.group, &error);
        }
    }

    /// Looks soon, and does not go by what was seen.
    fn look_again(&mut self) {
        self.known.seen = None;
        let soon = self.looked_at.map_or_else(Instant::now, |at| at + LOOK_AGAIN_AFTER);
        self.next_look = self.next_look.min(soon);
    }

    /// The store's time, as far as is known.
    fn now(&self) -> Timestamp {
        self.known.clock.map_or(Timestamp::EPOCH, |(then, at)| then + at.elapsed())
    }

    /// Begins to claim what is due, as far as there is room: those first that wait the longest.
    fn begin(&mut self, claims: &mut Claims) {
        let (now, Some(clock)) = (self.now(), self.known.clock) else {
            return;
        };
        if now > self.known.good_until {
            // Nothing could be claimed. The next look is on its way.
            return;
        }
        while claims.has_room() {
            let Some((_, name)) = self.wakes.first().filter(|(at, _)| *at <= now).cloned() else {
                return;
            };
            let Some(entry) = self.entries.get(&name) else {
                self.wakes.pop_first();
                continue;
            };
            let owed = entry.owed(now);
            if owed.ticks.is_empty() || self.holds.until(&name, entry.record()).is_some() {
                self.plan_wake(&name);
                continue;
            }
            let firing = entry.firing(&self.store, self.known.revision, self.known.good_until);
            self.holds.begins(&name, entry.record());
            self.wake(&name, None);
            self.busy.insert(name.clone());
            claims.start(name, firing, owed.ticks, Trust { clock, until: self.known.good_until });
        }
    }

    fn take_note(&mut self, fired: Fired) {
        let Fired { name, then, .. } = fired;
        self.summary.enqueued += fired.enqueued;
        self.summary.left_out += fired.left_out;
        self.counts.enqueued.add(fired.enqueued);
        self.counts.left_out.add(fired.left_out);
        self.counts.late.add(fired.late);
        if matches!(then, Then::Fail(_)) {
            self.summary.failed += 1;
            self.counts.failed.add(1);
        }
        self.busy.remove(&name);
        let Some(entry) = self.entries.get_mut(&name) else {
            return;
        };
        entry.after = entry.after.max(fired.after.unwrap_or(entry.after));
        entry.paused |= matches!(then, Then::Pause);
        self.tell_claim(&name, &then, fired.after.is_some());
        let Some(record) = self.entries.get(&name).map(Entry::record) else {
            return;
        };
        let queue = record.queue.clone();
        if fired.after.is_some() && self.holds.worked(&name, record, fired.enqueued > 0) {
            events::claims_go_on(&name, &queue);
            self.plan_all();
        }
        match then {
            Then::GoOn | Then::Pause => {}
            Then::Wait(now) => self.known.clock = Some((now, Instant::now())),
            Then::Retry => self.hold(&name, None, "its jobs change faster than can be told"),
            Then::LookAgain => {
                self.look_again();
                self.hold(&name, None, "others go by another definition");
            }
            Then::Fail(error) => {
                self.hold(&name, Some(&error), "its job could not be enqueued");
                self.fault.get_or_insert(error);
            }
        }
        self.plan_wake(&name);
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.telling.vitals.set(Condition::Stopped);
    }
}
