//! A scheduler at work: it looks at its group now and then, and claims ticks when they come.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jobq_core::schedules::{Change, Claimed, Entries, MarkChange, ScheduleRef, Tick};
use jobq_core::vitals::Condition;
use jobq_core::{
    Error, ErrorKind, GroupName, QueueName, Result, ScheduleName, Timestamp, Vitals, WorkerId,
};
use tokio::time::Instant;

use crate::counts::{Counts, LATE_AFTER};
use crate::definition::Definition;
use crate::entry::Entry;
use crate::firing::{Firing, ScheduleStore};
use crate::scheduler::Summary;
use crate::sync::{Declared, SCHEDULE, definitions, reconcile};

/// How often a scheduler asks whether its group has changed.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// For how long it relies on what it saw: two looks may fail.
pub(crate) const GOOD_FOR: Duration = Duration::from_secs(45);
/// For how long it counts as living.
const TTL: Duration = Duration::from_secs(60);
/// When to try again what has failed, and what was refused because a queue is full.
const RETRY_AFTER: Duration = Duration::from_secs(1);
const REFUSED_RETRY_AFTER: Duration = Duration::from_secs(5);
/// How many claims are under way at once.
const CLAIMS_AT_ONCE: usize = 32;
/// The most changes that are made in one step.
const CHANGES_AT_ONCE: usize = 1_000;
/// How often a change is tried again because others were faster.
const MOST_TRIES: usize = 20;

/// A scheduler at work.
pub(crate) struct Runner {
    store: Arc<dyn ScheduleStore>,
    group: GroupName,
    id: WorkerId,
    declared: Declared,
    word: String,
    /// The store's time at an instant of this process.
    clock: Option<(Timestamp, Instant)>,
    good_until: Timestamp,
    next_look: Instant,
    /// What was seen of the group last; `None` if it has to be looked at anew.
    seen: Option<(u64, Vec<String>)>,
    revision: u64,
    entries: BTreeMap<ScheduleName, Entry>,
    wakes: BTreeSet<(Timestamp, ScheduleName)>,
    /// Schedules that have changed their queue, and when they go on.
    moving: BTreeMap<ScheduleName, (Definition, Timestamp)>,
    /// Whether the last look failed: said once.
    is_out: bool,
    vitals: Vitals,
    counts: Counts,
    pub(crate) summary: Summary,
}

impl fmt::Debug for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runner").field("group", &self.group).finish_non_exhaustive()
    }
}

/// What became of the ticks of one schedule.
struct Fired {
    name: ScheduleName,
    /// The last tick that is claimed, by whomever.
    after: Option<Timestamp>,
    enqueued: u64,
    left_out: u64,
    late: u64,
    failed: u64,
    then: Then,
}

/// What to do next about a schedule.
enum Then {
    GoOn,
    Pause,
    LookAgain,
    /// The store's time is this.
    Wait(Timestamp),
    Retry(Duration),
}

impl Runner {
    pub(crate) fn new(
        store: Arc<dyn ScheduleStore>,
        group: GroupName,
        declared: Declared,
        vitals: Vitals,
    ) -> Self {
        Self {
            counts: Counts::in_vitals(&vitals),
            vitals,
            store,
            group,
            id: WorkerId::generate(),
            word: declared.word(),
            declared,
            clock: None,
            good_until: Timestamp::EPOCH,
            next_look: Instant::now(),
            seen: None,
            revision: 0,
            entries: BTreeMap::new(),
            wakes: BTreeSet::new(),
            moving: BTreeMap::new(),
            is_out: false,
            summary: Summary::default(),
        }
    }

    /// Works until `stop` completes, and says farewell.
    pub(crate) async fn run_until(&mut self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            self.turn().await;
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = tokio::time::sleep_until(self.rest_until()) => {}
            }
        }
        self.vitals.set(Condition::Draining);
        self.leave().await;
    }

    /// Looks at the group if it is time to, and claims what is due. Errors of the store are told, and
    /// tried again.
    pub(crate) async fn turn(&mut self) {
        if Instant::now() >= self.next_look {
            self.next_look = Instant::now() + LOOK_EVERY;
            match self.look().await {
                Ok(()) => {
                    self.is_out = false;
                    self.vitals.set(Condition::Ready);
                }
                Err(error) => {
                    self.vitals.set(Condition::Disconnected(error.to_string()));
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

    /// Says farewell. A store that cannot be reached forgets this scheduler by itself.
    pub(crate) async fn leave(&self) {
        if let Err(error) = self.store.absent(&self.group, self.id).await {
            tracing::debug!(name: "jobq.scheduler.leave", group = %self.group, %error);
        }
    }

    /// Looks at the group, puts right what its code says otherwise, and learns what has changed.
    pub(crate) async fn look(&mut self) -> Result<()> {
        let (revision, words) = self.attend().await?;
        if self.seen.as_ref() == Some(&(revision, words.clone())) {
            let paused: Vec<_> = self.names(|entry| entry.paused);
            if !paused.is_empty() {
                self.read_marks(&paused).await?;
            }
        } else {
            self.sync(words).await?;
        }
        self.settle().await
    }

    async fn attend(&mut self) -> Result<(u64, Vec<String>)> {
        let attendance = self.store.attend(&self.group, self.id, &self.word, TTL).await?;
        self.clock = Some((attendance.now, Instant::now()));
        self.good_until = attendance.now + GOOD_FOR;
        Ok((attendance.revision, attendance.words))
    }

    async fn sync(&mut self, words: Vec<String>) -> Result<()> {
        for _ in 0..MOST_TRIES {
            let entries = self.store.entries(&self.group).await?;
            let plans = reconcile(&entries, &words, &self.declared, self.now());
            for name in &plans.taken {
                tracing::warn!(
                    name: "jobq.scheduler.taken",
                    schedule = %name,
                    group = %self.group,
                    "an operator has added a schedule of this name: that one is run"
                );
            }
            if plans.changes.is_empty() {
                self.revision = entries.revision;
                self.load(&entries).await?;
                self.seen = Some((entries.revision, words));
                return Ok(());
            }
            for (name, definition) in &plans.forgotten {
                let schedule = ScheduleRef::new(self.group.clone(), name.clone());
                let queue = definition.plan.queue()?;
                self.store.change_mark(&queue, &schedule, MarkChange::Forget).await?;
            }
            self.amend(entries.revision, &plans.changes).await?;
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("group {} was changed by others again and again", self.group),
        ))
    }

    /// Makes changes; `false` if others were faster.
    async fn amend(&self, mut revision: u64, changes: &[Change]) -> Result<bool> {
        for step in changes.chunks(CHANGES_AT_ONCE) {
            match self.store.amend(&self.group, revision, step).await? {
                Some(next) => revision = next,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Takes over what the group has now.
    async fn load(&mut self, entries: &Entries) -> Result<()> {
        let mut before = std::mem::take(&mut self.entries);
        let moving_before = std::mem::take(&mut self.moving);
        self.wakes.clear();
        let (mut fresh, mut moving) = (Vec::new(), Vec::new());
        for (_, name, definition) in definitions(entries) {
            if definition.removed_at.is_some() {
                continue;
            }
            if !definition.former.is_empty() {
                moving.push((name, definition));
                continue;
            }
            match before.remove(&name).filter(|entry| entry.definition == definition) {
                Some(entry) => drop(self.entries.insert(name, entry)),
                None => {
                    let schedule = ScheduleRef::new(self.group.clone(), name.clone());
                    match Entry::new(schedule, definition) {
                        Ok(entry) => {
                            fresh.push(name.clone());
                            self.entries.insert(name, entry);
                        }
                        Err(error) => tracing::error!(
                            name: "jobq.scheduler.unusable",
                            schedule = %name,
                            group = %self.group,
                            %error
                        ),
                    }
                }
            }
        }
        if !moving.is_empty() {
            // Who does not know of the move yet has looked before now, and can rely on that no longer
            // than this.
            self.attend().await?;
            let goes_on_at = self.good_until + Duration::from_millis(1);
            for (name, definition) in moving {
                let known = moving_before.get(&name).filter(|(known, _)| *known == definition);
                let at = known.map_or(goes_on_at, |(_, at)| *at);
                self.moving.insert(name, (definition, at));
            }
        }
        self.read_marks(&fresh).await?;
        for name in self.names(|_| true) {
            self.plan_wake(&name);
        }
        Ok(())
    }

    fn names(&self, which: impl Fn(&Entry) -> bool) -> Vec<ScheduleName> {
        let chosen = self.entries.iter().filter(|(_, entry)| which(entry));
        chosen.map(|(name, _)| name.clone()).collect()
    }

    async fn read_marks(&mut self, names: &[ScheduleName]) -> Result<()> {
        let mut by_queue: BTreeMap<QueueName, Vec<ScheduleRef>> = BTreeMap::new();
        for entry in names.iter().filter_map(|name| self.entries.get(name)) {
            let of_queue = by_queue.entry(entry.record().queue.clone()).or_default();
            of_queue.push(entry.schedule().clone());
        }
        for (queue, schedules) in by_queue {
            let marks = self.store.marks(&queue, &schedules).await?;
            for (schedule, mark) in schedules.into_iter().zip(marks) {
                if let Some(entry) = self.entries.get_mut(&schedule.name) {
                    entry.marked(mark.as_ref());
                }
                self.plan_wake(&schedule.name);
            }
        }
        Ok(())
    }

    /// Lets schedules go on in their new queue from where they stood in the old one.
    async fn settle(&mut self) -> Result<()> {
        let now = self.now();
        let ready = |(_, (_, at)): &(&ScheduleName, &(Definition, Timestamp))| *at <= now;
        let Some((name, (definition, _))) = self.moving.iter().find(ready) else {
            return Ok(());
        };
        let (name, mut definition) = (name.clone(), definition.clone());
        let schedule = ScheduleRef::new(self.group.clone(), name.clone());
        let queue = definition.plan.queue()?;
        let former = definition.former.iter().map(QueueName::new).collect::<Result<Vec<_>>>()?;
        let former: Vec<_> = former.into_iter().filter(|old| *old != queue).collect();
        for old in &former {
            let marks = self.store.marks(old, std::slice::from_ref(&schedule)).await?;
            if let Some(mark) = marks.into_iter().next().flatten() {
                definition.since = definition.since.max(mark.last.unwrap_or(definition.since));
                if mark.paused {
                    self.store.change_mark(&queue, &schedule, MarkChange::Pause).await?;
                }
            }
        }
        definition.former.clear();
        let change = Change::Put(format!("{SCHEDULE}{name}"), definition.encode());
        if self.amend(self.revision, &[change]).await? {
            for old in &former {
                self.store.change_mark(old, &schedule, MarkChange::Forget).await?;
            }
        }
        // What there is to do next shows when the group is looked at anew.
        self.look_again();
        Ok(())
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
                firings.push(fire_all(name, firing, owed.ticks, now));
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
        self.summary.failed += fired.failed;
        self.counts.enqueued.add(fired.enqueued);
        self.counts.left_out.add(fired.left_out);
        self.counts.late.add(fired.late);
        self.counts.failed.add(fired.failed);
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

impl Drop for Runner {
    fn drop(&mut self) {
        self.vitals.set(Condition::Stopped);
    }
}

/// Claims ticks of a schedule one after the other, until one cannot be.
async fn fire_all(name: ScheduleName, firing: Firing, ticks: Vec<Tick>, now: Timestamp) -> Fired {
    let mut fired =
        Fired { name, after: None, enqueued: 0, left_out: 0, late: 0, failed: 0, then: Then::GoOn };
    for tick in ticks {
        let claimed = firing.fire(Some(tick)).await;
        match &claimed {
            Ok(Claimed::Enqueued(enqueued)) => {
                tracing::debug!(
                    name: "jobq.scheduler.enqueued",
                    schedule = %firing.schedule,
                    tick = %tick.at,
                    job = %enqueued.id(),
                    is_new = enqueued.is_created(),
                );
                fired.enqueued += 1;
                fired.after = Some(tick.at);
            }
            Ok(Claimed::LeftOut) => {
                tracing::info!(
                    name: "jobq.scheduler.left_out",
                    schedule = %firing.schedule,
                    tick = %tick.at,
                    "a job of the schedule is still live"
                );
                fired.left_out += 1;
                fired.after = Some(tick.at);
            }
            Ok(Claimed::Taken { last }) => {
                fired.after = Some(last.map_or(tick.at, |last| last.max(tick.at)));
            }
            Ok(_) | Err(_) => {}
        }
        if matches!(claimed, Ok(Claimed::Enqueued(_) | Claimed::LeftOut)) {
            fired.late += u64::from(now.since(tick.at) > LATE_AFTER);
        }
        fired.failed += u64::from(claimed.is_err());
        fired.then = match claimed {
            Ok(Claimed::Enqueued(_) | Claimed::LeftOut | Claimed::Taken { .. }) => continue,
            Ok(Claimed::Paused) => Then::Pause,
            Ok(Claimed::Stale | Claimed::Superseded) => Then::LookAgain,
            Ok(Claimed::Early { now }) => Then::Wait(now),
            Ok(_) => Then::Retry(RETRY_AFTER),
            Err(error) => {
                let is_limited = error.kind() == ErrorKind::Limited;
                tracing::warn!(
                    name: "jobq.scheduler.failed",
                    schedule = %firing.schedule,
                    tick = %tick.at,
                    %error
                );
                Then::Retry(if is_limited { REFUSED_RETRY_AFTER } else { RETRY_AFTER })
            }
        };
        break;
    }
    fired
}
