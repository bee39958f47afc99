//! The schedules of a group at run time: seen, added, changed, paused, removed, run now.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jobq_core::nearest::nearest;
use jobq_core::schedules::{Change, Claimed, Entries, Mark, MarkChange, ScheduleRef};
use jobq_core::{
    Backend, Enqueued, Error, ErrorKind, GroupName, Inspect, QueueName, Result, ScheduleName,
    Schedules, Timestamp, WorkerId,
};

use crate::definition::{Definition, Source};
use crate::entry::Entry;
use crate::firing::ScheduleStore;
use crate::schedule::Schedule;
use crate::sync::{SCHEDULE, definitions, definitions_after, is_declared, unreadable};
use crate::view::{RunNow, ScheduleView};

/// How often a change is tried again because others were faster.
const MOST_TRIES: usize = 20;

/// The schedules of a group, for people and their tools.
///
/// ```
/// use jobq_core::{Job, MemoryBackend};
/// use jobq_scheduler::{Schedule, Timetable, TimeUnits};
/// # use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Job)]
/// struct SyncAvailability;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let timetable = Timetable::new(MemoryBackend::new(), "shop")?;
/// timetable.add("sync", Schedule::every(30.minutes()).job(SyncAvailability)).await?;
/// assert_eq!(timetable.list().await?[0].description, "every 30 minutes");
/// timetable.pause("sync").await?;
/// # Ok::<(), jobq_core::Error>(())
/// # }).unwrap();
/// ```
pub struct Timetable {
    store: Arc<dyn ScheduleStore>,
    group: GroupName,
}

impl Timetable {
    /// The schedules of this group.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) when the name breaks the rules of [`GroupName`].
    pub fn new(
        backend: impl Backend + Inspect + Schedules,
        group: impl AsRef<str>,
    ) -> Result<Self> {
        Ok(Self { store: Arc::new(backend), group: GroupName::new(group)? })
    }

    /// All schedules of the group, by name: also those that this machine cannot run, whose description says
    /// why. One that was written by a newer version of jobq and is not understood is left out, which the log
    /// says.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable).
    pub async fn list(&self) -> Result<Vec<ScheduleView>> {
        self.list_after(None, usize::MAX).await
    }

    /// The schedules of the group whose names come after one, at most so many, by name.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable).
    pub async fn list_after(
        &self,
        after: Option<&ScheduleName>,
        at_most: usize,
    ) -> Result<Vec<ScheduleView>> {
        let entries = self.store.entries(&self.group).await?;
        for key in unreadable(&entries) {
            tracing::warn!(
                name: "jobq.timetable.unreadable",
                entry = key,
                group = %self.group,
                "a version of jobq that this one does not understand has written it: it is not shown"
            );
        }
        let chosen = definitions_after(&entries, after)
            .filter(|(_, _, definition)| definition.removed_at.is_none())
            .map(|(_, name, definition)| (name, definition));
        self.views(chosen.take(at_most).collect()).await
    }

    /// One schedule; `None` if there is none of this name.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](ErrorKind::Unavailable).
    pub async fn get(&self, name: &str) -> Result<Option<ScheduleView>> {
        match self.find(name).await {
            Ok((name, definition, _)) => Ok(self.views(vec![(name, definition)]).await?.pop()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// When a schedule is to run next, at most so many times.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`Unavailable`](ErrorKind::Unavailable).
    pub async fn next(&self, name: &str, at_most: usize) -> Result<Vec<Timestamp>> {
        let (name, definition, _) = self.find(name).await?;
        let entry = Entry::new(self.reference(&name), definition)?;
        let mut mark = Mark::new();
        for queue in entry.definition.queues()? {
            let marks = self.store.marks(&queue, std::slice::from_ref(entry.schedule())).await?;
            mark = together(mark, marks.into_iter().next().flatten().unwrap_or_default());
        }
        Ok(entry.next_runs(Some(&mark), self.store.clock().now()).take(at_most).collect())
    }

    /// Adds a schedule that no code declares. Schedulers of the group run it within 15 seconds.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) with all that is wrong with it;
    /// [`Conflict`](ErrorKind::Conflict) when there is one of this name;
    /// [`Unavailable`](ErrorKind::Unavailable), [`Full`](ErrorKind::Full).
    pub async fn add(&self, name: &str, schedule: Schedule) -> Result<()> {
        let plan = schedule.plan().map_err(|fault| said_of(name, &fault))?;
        self.put(name, |known, now, _| match known {
            Some(known) if known.removed_at.is_none() => {
                let by = match known.source {
                    Source::Code => "declared by code",
                    Source::Operator => "there already: change it",
                };
                Err(Error::new(ErrorKind::Conflict, format!("schedule {name:?} is {by}")))
            }
            Some(known) => {
                let source = Source::Operator;
                Ok(Definition { source, ..known.changed(plan.clone(), now) })
            }
            None => Ok(Definition::new(plan.clone(), Source::Operator, now)),
        })
        .await?;
        // What is left of one of its name that was paused when it was removed.
        let (name, definition, _) = self.find(name).await?;
        for queue in definition.queues()? {
            let marks = self.store.marks(&queue, &[self.reference(&name)]).await?;
            if marks.iter().flatten().any(|mark| mark.paused) {
                let change = MarkChange::Resume;
                self.store.change_mark(&queue, &self.reference(&name), change).await?;
            }
        }
        Ok(())
    }

    /// Changes a schedule that was added at run time. If it ticks at other times from now on, earlier ticks
    /// are not owed.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add); [`NotFound`](ErrorKind::NotFound) when there is none of this name, and
    /// [`Conflict`](ErrorKind::Conflict) when code declares it.
    pub async fn change(&self, name: &str, schedule: Schedule) -> Result<()> {
        let plan = schedule.plan().map_err(|fault| said_of(name, &fault))?;
        self.put(name, |known, now, _| {
            let known = operators(name, known)?;
            Ok(known.changed(plan.clone(), now))
        })
        .await
    }

    /// Removes a schedule that was added at run time, or one from code that no living scheduler declares any
    /// more. Jobs that it has enqueued stay.
    ///
    /// # Errors
    ///
    /// As [`change`](Self::change).
    pub async fn remove(&self, name: &str) -> Result<()> {
        self.put(name, |known, now, is_declared| {
            let left_behind = known.filter(|known| known.removed_at.is_none() && !is_declared);
            let known = left_behind.map_or_else(|| operators(name, known), Ok)?.clone();
            Ok(Definition { removed_at: Some(now), unclaimed_since: None, ..known })
        })
        .await
    }

    /// Enqueues nothing for a schedule until it is resumed: at once, whoever runs it, and also after
    /// deployments.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`Unavailable`](ErrorKind::Unavailable),
    /// [`Full`](ErrorKind::Full).
    pub async fn pause(&self, name: &str) -> Result<()> {
        self.change_mark(name, MarkChange::Pause).await
    }

    /// Runs a schedule again, from now on: what was due meanwhile is not made up for. Known to all
    /// schedulers within 15 seconds.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, name: &str) -> Result<()> {
        self.change_mark(name, MarkChange::Resume).await?;
        // Where it stood in another queue, or from when on it holds, may be ahead of the clock, too.
        self.put(name, |known, now, _| {
            let known = known.ok_or_else(|| missing(name))?.clone();
            let came_to = known.came_to.map(|came_to| came_to.min(now));
            Ok(Definition { came_to, ..known.not_ahead_of(now) })
        })
        .await
    }

    /// Enqueues the job of a schedule now, as its overlap policy says, also of one that is paused. It is
    /// no tick: those come as before.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause), and as any enqueue of its job.
    pub async fn run(&self, name: &str) -> Result<RunNow> {
        let (name, definition, revision) = self.find(name).await?;
        let entry = Entry::new(self.reference(&name), definition)?;
        let firing = entry.firing(&self.store, revision, Timestamp::EPOCH);
        match firing.fire(None).await? {
            Claimed::Enqueued(Enqueued::Duplicate(job)) => Ok(RunNow::Duplicate(job)),
            Claimed::Enqueued(enqueued) => Ok(RunNow::Enqueued(enqueued.id())),
            Claimed::LeftOut => Ok(RunNow::LeftOut),
            other => Err(Error::new(
                ErrorKind::Unavailable,
                format!("schedule {name} could not be run: {other:?}"),
            )),
        }
    }

    fn reference(&self, name: &ScheduleName) -> ScheduleRef {
        ScheduleRef::new(self.group.clone(), name.clone())
    }

    async fn change_mark(&self, name: &str, change: MarkChange) -> Result<()> {
        let (name, definition, _) = self.find(name).await?;
        // While it moves to another queue there is a mark in the old one, too, from where it will go on.
        for queue in definition.queues()? {
            self.store.change_mark(&queue, &self.reference(&name), change).await?;
        }
        Ok(())
    }

    async fn find(&self, name: &str) -> Result<(ScheduleName, Definition, u64)> {
        let name = ScheduleName::new(name)?;
        let entries = self.store.entries(&self.group).await?;
        let bytes = entries.entries.get(&format!("{SCHEDULE}{name}"));
        let definition = bytes
            .map(|bytes| Definition::decode(bytes))
            .transpose()
            .map_err(|fault| said_of(name.as_str(), &fault))?;
        match definition.filter(|definition| definition.removed_at.is_none()) {
            Some(definition) => Ok((name, definition, entries.revision)),
            None => Err(self.unknown(name.as_str(), &entries)),
        }
    }

    /// There is no schedule of this name: with the one that was probably meant.
    fn unknown(&self, name: &str, entries: &Entries) -> Error {
        let present = definitions(entries).filter(|(_, _, it)| it.removed_at.is_none());
        let names: Vec<ScheduleName> = present.map(|(_, name, _)| name).collect();
        let hint = match nearest(name, names.iter().map(ScheduleName::as_str)) {
            Some(meant) => format!(": did you mean {meant:?}?"),
            None if names.is_empty() => ", nor any other".to_owned(),
            None => String::new(),
        };
        let message = format!("group {} has no schedule {name:?}{hint}", self.group);
        Error::new(ErrorKind::NotFound, message)
    }

    /// Changes a definition, by what is known of it, the store's time, and whether a living scheduler declares
    /// it.
    async fn put(
        &self,
        name: &str,
        changed: impl Fn(Option<&Definition>, Timestamp, bool) -> Result<Definition>,
    ) -> Result<()> {
        let name = ScheduleName::new(name)?;
        let key = format!("{SCHEDULE}{name}");
        for _ in 0..MOST_TRIES {
            let entries = self.store.entries(&self.group).await?;
            // Only asks: it has no word, and is nobody.
            let asking = (WorkerId::generate(), Duration::ZERO);
            let attendance = self.store.attend(&self.group, asking.0, "", asking.1).await?;
            if attendance.revision != entries.revision {
                continue;
            }
            let bytes = entries.entries.get(&key);
            let known = bytes
                .map(|bytes| Definition::decode(bytes))
                .transpose()
                .map_err(|fault| said_of(name.as_str(), &fault))?;
            let is_declared = is_declared(&entries, &attendance.words, &name);
            let definition =
                changed(known.as_ref(), attendance.now, is_declared).map_err(|fault| {
                    let is_unknown = fault.kind() == ErrorKind::NotFound;
                    if is_unknown { self.unknown(name.as_str(), &entries) } else { fault }
                })?;
            if known.as_ref() == Some(&definition) {
                return Ok(());
            }
            let change = [Change::Put(key.clone(), definition.encode())];
            if self.store.amend(&self.group, entries.revision, &change).await?.is_some() {
                return Ok(());
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            format!("group {} was changed by others again and again", self.group),
        ))
    }

    /// Schedules with their marks, which are asked for in one trip for each of their queues.
    async fn views(&self, chosen: Vec<(ScheduleName, Definition)>) -> Result<Vec<ScheduleView>> {
        let mut entries = Vec::with_capacity(chosen.len());
        let mut by_queue: BTreeMap<QueueName, Vec<ScheduleRef>> = BTreeMap::new();
        for (name, definition) in chosen {
            match Entry::new(self.reference(&name), definition.clone()) {
                Ok(entry) => {
                    for queue in entry.definition.queues()? {
                        by_queue.entry(queue).or_default().push(entry.schedule().clone());
                    }
                    entries.push(Ok((name, entry)));
                }
                Err(fault) => {
                    let view = ScheduleView::unusable(name.clone(), &definition, &fault);
                    entries.push(Err(view.map_err(|fault| said_of(name.as_str(), &fault))?));
                }
            }
        }
        let mut marks: BTreeMap<ScheduleName, Mark> = BTreeMap::new();
        for (queue, schedules) in by_queue {
            let of_queue = self.store.marks(&queue, &schedules).await?;
            for (schedule, mark) in schedules.into_iter().zip(of_queue) {
                let known = marks.remove(&schedule.name).unwrap_or_default();
                marks.insert(schedule.name, together(known, mark.unwrap_or_default()));
            }
        }
        let now = self.store.clock().now();
        let view = |entry: std::result::Result<(ScheduleName, Entry), ScheduleView>| match entry {
            Ok((name, entry)) => {
                let mark = marks.remove(&name).unwrap_or_default();
                ScheduleView::of(name, &entry, mark, now)
            }
            Err(unusable) => unusable,
        };
        Ok(entries.into_iter().map(view).collect())
    }
}

impl fmt::Debug for Timetable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timetable").field("group", &self.group).finish_non_exhaustive()
    }
}

/// The marks of a schedule in its queue and in one where it was before.
fn together(mark: Mark, other: Mark) -> Mark {
    let paused = mark.paused || other.paused;
    let mut newest = if other.acted_at > mark.acted_at { other.clone() } else { mark.clone() };
    newest.last = mark.last.max(other.last);
    newest.paused = paused;
    newest
}

fn said_of(name: &str, fault: &Error) -> Error {
    Error::new(fault.kind(), format!("schedule {name:?}: {fault}"))
}

/// A definition that operators may change.
fn operators<'a>(name: &str, known: Option<&'a Definition>) -> Result<&'a Definition> {
    match known.filter(|known| known.removed_at.is_none()) {
        Some(known) if known.source == Source::Operator => Ok(known),
        Some(_) => Err(Error::new(
            ErrorKind::Conflict,
            format!("schedule {name:?} is declared by code: change it there, or pause it"),
        )),
        None => Err(missing(name)),
    }
}

fn missing(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no schedule {name:?}"))
}
