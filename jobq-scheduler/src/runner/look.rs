//! How a scheduler learns what its group has, and puts right what its code says otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jobq_core::schedules::{Attendance, Change, Entries, MarkChange, ScheduleRef};
use jobq_core::{Error, ErrorKind, QueueName, Result, ScheduleName, Timestamp};
use tokio::time::Instant;

use super::{GOOD_FOR, Manner, Runner};
use crate::definition::Definition;
use crate::entry::Entry;
use crate::events;
use crate::reconcile::{Plans, Watch, reconcile};
use crate::sync::definitions;

/// The most changes that are made in one step, and after how many bytes no other is added.
pub(super) const CHANGES_AT_ONCE: usize = 1_000;
const BYTES_AT_ONCE: usize = 1024 * 1024;
/// How often a change is tried again because others were faster.
const MOST_TRIES: usize = 20;

impl Runner {
    /// Looks at the group, puts right what its code says otherwise, and learns what has changed.
    pub(crate) async fn look(&mut self) -> Result<()> {
        let attendance = self.attend().await?;
        let now = attendance.now;
        let is_as_seen = self.known.seen.as_ref() == Some(&(attendance.revision, attendance.words));
        if is_as_seen && !self.is_sync_due(now) {
            // What is known was true at this time.
            self.known.good_until = now + GOOD_FOR;
        } else {
            self.sync().await?;
        }
        // Those that may have been resumed: paused ones, and ones that wait for a clock that was put back.
        let waiting = self.names(|entry| entry.paused || entry.after > now);
        if !waiting.is_empty() {
            self.read_marks(&waiting).await?;
        }
        self.settle().await
    }

    /// Says that it lives. What it knows of the group is no fresher by that.
    async fn attend(&mut self) -> Result<Attendance> {
        let ttl = self.manner.ttl();
        let attendance = self.store.attend(&self.group, self.id, &self.word, ttl).await?;
        let now = attendance.now;
        self.known.clock = Some((now, Instant::now()));
        self.known.watched = match self.known.watched {
            Some((since, last)) if last <= now && now.since(last) <= GOOD_FOR => Some((since, now)),
            _ => Some((now, now)),
        };
        Ok(attendance)
    }

    /// Whether there is something to put right though nobody has changed anything.
    fn is_sync_due(&self, now: Timestamp) -> bool {
        self.known.sync_at.is_some_and(|at| at <= now)
            || self.entries.values().any(|entry| entry.definition.since > now)
    }

    fn watch(&self, now: Timestamp) -> Watch {
        // A single pass has seen nothing before: it goes by what others have written.
        let since = match self.manner {
            Manner::Stays => self.known.watched.map_or(now, |(since, _)| since),
            Manner::Passes => Timestamp::EPOCH,
        };
        Watch { now, since, patience: self.manner.ttl() }
    }

    async fn sync(&mut self) -> Result<()> {
        for _ in 0..MOST_TRIES {
            let entries = self.store.entries(&self.group).await?;
            // Those who attend are asked for after the entries are read, and with the same revision: whoever
            // has come with a declaration before is among them, and whoever comes later makes the changes
            // below come to nothing.
            let attendance = self.attend().await?;
            if attendance.revision != entries.revision {
                continue;
            }
            let plans =
                reconcile(&entries, &attendance.words, &self.declared, self.watch(attendance.now));
            self.tell(&plans);
            if plans.changes.is_empty() {
                let good_until = attendance.now + GOOD_FOR;
                self.load(&entries, good_until).await?;
                self.known.revision = entries.revision;
                self.known.seen = Some((entries.revision, attendance.words));
                self.known.sync_at = plans.due_at;
                // Not before all of it is known: by what was known before nothing may be claimed longer.
                self.known.good_until = good_until;
                return Ok(());
            }
            if self.amend(entries.revision, &plans.changes).await? {
                self.forget(&plans.forgotten, entries.revision).await?;
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("group {} was changed by others again and again", self.group),
        ))
    }

    /// Says what people should know of, once of each schedule.
    fn tell(&mut self, plans: &Plans) {
        let taken = plans.taken.iter().map(|name| {
            (
                name.to_string(),
                "an operator has added a schedule of this name: that one is run".to_owned(),
            )
        });
        let contested = plans.contested.iter().map(|(name, program)| {
            let why = format!(
                "a scheduler of {program:?} in this group declares another schedule of this name, and only one is \
                 run: give each service a group of its own"
            );
            (name.to_string(), why)
        });
        let unreadable = plans.unreadable.iter().map(|entry| {
            let why = "a version of jobq that this one does not understand has written it: it is \
                        not run";
            (entry.clone(), why.to_owned())
        });
        for (name, why) in taken.chain(contested).chain(unreadable) {
            if self.telling.is_news(&name, &why) {
                events::not_run_as_declared(&name, &self.group, &why);
            }
        }
    }

    /// Makes changes; `false` if others were faster.
    pub(super) async fn amend(&self, mut revision: u64, changes: &[Change]) -> Result<bool> {
        for step in steps_of(changes) {
            match self.store.amend(&self.group, revision, step).await? {
                Some(next) => revision = next,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Forgets the marks of schedules that are gone from the group, but for one that has come back, as
    /// others know by now, and claims.
    async fn forget(&self, gone: &[(ScheduleName, Definition)], revision: u64) -> Result<()> {
        for (name, definition) in gone {
            let schedule = ScheduleRef::new(self.group.clone(), name.clone());
            for queue in definition.queues()? {
                let change = MarkChange::Forget { revision };
                self.store.change_mark(&queue, &schedule, change).await?;
            }
        }
        Ok(())
    }

    /// Takes over what the group has now: all of it, or nothing if a mark cannot be read.
    async fn load(&mut self, entries: &Entries, good_until: Timestamp) -> Result<()> {
        let (mut kept, mut fresh, mut moving) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        for (_, name, definition) in definitions(entries) {
            if !definition.is_run() {
                continue;
            }
            if !definition.former.is_empty() {
                // Who does not know of the move yet has looked before now, and can rely on that no longer
                // than this.
                let goes_on_at = good_until + Duration::from_millis(1);
                let known = self.moving.get(&name).filter(|(known, _)| *known == definition);
                let at = known.map_or(goes_on_at, |(_, at)| *at);
                moving.insert(name, (definition, at));
                continue;
            }
            if self.entries.get(&name).is_some_and(|entry| entry.definition == definition) {
                kept.insert(name);
                continue;
            }
            let schedule = ScheduleRef::new(self.group.clone(), name.clone());
            match Entry::new(schedule, definition) {
                Ok(entry) => drop(fresh.insert(name, entry)),
                Err(error) => {
                    if self.telling.is_news(name.as_str(), &error.to_string()) {
                        events::cannot_be_run(&name, &self.group, &error);
                    }
                }
            }
        }
        self.mark(&mut fresh).await?;
        self.entries.retain(|name, _| kept.contains(name));
        self.entries.append(&mut fresh);
        self.moving = moving;
        self.wakes.clear();
        self.plan_all();
        Ok(())
    }

    fn names(&self, which: impl Fn(&Entry) -> bool) -> Vec<ScheduleName> {
        let chosen = self.entries.iter().filter(|(_, entry)| which(entry));
        chosen.map(|(name, _)| name.clone()).collect()
    }

    /// Reads the marks of schedules that are run already.
    async fn read_marks(&mut self, names: &[ScheduleName]) -> Result<()> {
        let mut entries = std::mem::take(&mut self.entries);
        let mut chosen: BTreeMap<_, _> =
            names.iter().filter_map(|name| entries.remove_entry(name)).collect();
        let read = self.mark(&mut chosen).await;
        entries.append(&mut chosen);
        self.entries = entries;
        read?;
        for name in names {
            self.plan_wake(name);
        }
        Ok(())
    }

    /// Reads how far schedules have come.
    async fn mark(&self, entries: &mut BTreeMap<ScheduleName, Entry>) -> Result<()> {
        let mut by_queue: BTreeMap<QueueName, Vec<ScheduleRef>> = BTreeMap::new();
        for entry in entries.values() {
            let of_queue = by_queue.entry(entry.record().queue.clone()).or_default();
            of_queue.push(entry.schedule().clone());
        }
        for (queue, schedules) in by_queue {
            let marks = self.store.marks(&queue, &schedules).await?;
            for (schedule, mark) in schedules.iter().zip(marks) {
                if let Some(entry) = entries.get_mut(&schedule.name) {
                    entry.marked(mark.as_ref());
                }
            }
        }
        Ok(())
    }
}

/// Changes in steps that are not too large for one call.
fn steps_of(changes: &[Change]) -> impl Iterator<Item = &[Change]> {
    let mut rest = changes;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = rest.iter().take(CHANGES_AT_ONCE).take_while(|change| {
            let fits = bytes < BYTES_AT_ONCE;
            bytes += match change {
                Change::Put(name, value) => name.len() + value.len(),
                Change::Remove(name) => name.len(),
            };
            fits
        });
        let (step, left) = rest.split_at(fitting.count());
        rest = left;
        (!step.is_empty()).then_some(step)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_made_in_steps_of_some_bytes_and_some_number() {
        let sizes = |changes: &[Change]| steps_of(changes).map(<[_]>::len).collect::<Vec<_>>();
        let put = |bytes: usize| Change::Put("a".into(), vec![0; bytes]);

        assert_eq!(sizes(&[]), [0_usize; 0]);
        assert_eq!(sizes(&vec![put(10); 2_500]), [1_000, 1_000, 500]);
        assert_eq!(sizes(&vec![put(BYTES_AT_ONCE / 2); 5]), [2, 2, 1]);
        assert_eq!(sizes(&vec![put(BYTES_AT_ONCE * 2); 2]), [1, 1]);
    }
}
