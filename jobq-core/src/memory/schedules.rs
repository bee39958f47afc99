//! Groups of schedules, their schedulers, and the marks that queues keep of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::MemoryBackend;
use super::queue_state::QueueState;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{JobId, WorkerId};
use crate::name::{GroupName, QueueName};
use crate::record::Enqueued;
use crate::schedules::{
    Attendance, Change, Claim, Claimed, Entries, MOST_LIVE, Mark, MarkChange, ScheduleRef,
    Schedules, TickOutcome,
};

/// All groups of a store.
#[derive(Debug, Default)]
pub(super) struct Groups(Mutex<AllGroups>);

#[derive(Debug, Default)]
struct AllGroups {
    /// The greatest revision that any group has had.
    revision: u64,
    groups: BTreeMap<GroupName, Group>,
}

#[derive(Debug, Default)]
struct Group {
    revision: u64,
    entries: BTreeMap<String, Vec<u8>>,
    schedulers: BTreeMap<WorkerId, Attending>,
}

#[derive(Debug)]
struct Attending {
    word: String,
    ttl: Duration,
    /// When it is forgotten unless it is heard of again.
    until: Timestamp,
}

impl Groups {
    fn all(&self) -> MutexGuard<'_, AllGroups> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The marks of the schedules whose jobs go to one queue.
#[derive(Debug, Default)]
pub(super) struct Marks(HashMap<ScheduleRef, Mark>);

impl QueueState {
    fn claim(&mut self, claim: &Claim, now: Timestamp) -> Result<Claimed> {
        let mark = self.marks.0.get(&claim.schedule).cloned().unwrap_or_default();
        if let Some(refusal) = refused(claim, &mark, now) {
            return Ok(refusal);
        }
        let mut jobs = Vec::new();
        if let Some(expected) = &claim.live {
            jobs.extend(mark.jobs.iter().copied().filter(|id| self.is_live(*id)));
            if jobs != *expected {
                return Ok(Claimed::Overlap(jobs));
            }
        }
        let enqueued = match &claim.job {
            Some(job) => Some(self.admit_here(job, now)?),
            None => None,
        };
        let is_ours = |enqueued: &Enqueued| {
            enqueued.is_created()
                || claim.job.as_ref().map(|job| job.record.id) == Some(enqueued.id())
        };
        jobs.extend(enqueued.as_ref().filter(|enqueued| is_ours(enqueued)).map(Enqueued::id));
        let surplus = jobs.len().saturating_sub(MOST_LIVE);
        jobs.drain(..surplus);
        let outcome = match &enqueued {
            None => TickOutcome::LeftOut,
            Some(enqueued) if is_ours(enqueued) => TickOutcome::Enqueued,
            Some(_) => TickOutcome::Duplicate,
        };
        self.marks.0.insert(
            claim.schedule.clone(),
            Mark {
                revision: mark.revision.max(claim.revision),
                paused: mark.paused,
                last: claim.tick.map_or(mark.last, |tick| Some(tick.at)),
                acted_at: Some(now),
                outcome: Some(outcome),
                jobs,
            },
        );
        Ok(enqueued.map_or(Claimed::LeftOut, Claimed::Enqueued))
    }

    fn change_mark(&mut self, schedule: &ScheduleRef, change: MarkChange, now: Timestamp) {
        if let MarkChange::Forget { revision } = change {
            if self.marks.0.get(schedule).is_some_and(|mark| mark.revision <= revision) {
                self.marks.0.remove(schedule);
            }
            return;
        }
        let mark = self.marks.0.entry(schedule.clone()).or_default();
        mark.paused = change == MarkChange::Pause;
        if change == MarkChange::Resume {
            mark.last = Some(now);
        }
    }

    fn is_live(&self, id: JobId) -> bool {
        self.jobs.get(&id).is_some_and(|job| job.place.state().is_live())
    }
}

/// Why a claim comes to nothing, whatever its job.
fn refused(claim: &Claim, mark: &Mark, now: Timestamp) -> Option<Claimed> {
    let tick = claim.tick?;
    if now > claim.good_until {
        Some(Claimed::Stale)
    } else if mark.revision > claim.revision {
        Some(Claimed::Superseded)
    } else if mark.paused {
        Some(Claimed::Paused)
    } else if tick.at <= claim.since || mark.last.is_some_and(|last| tick.at <= last) {
        Some(Claimed::Taken { last: mark.last })
    } else if tick.runs_at > now {
        Some(Claimed::Early { now })
    } else {
        None
    }
}

#[async_trait]
impl Schedules for MemoryBackend {
    async fn claim(&self, claim: &Claim) -> Result<Claimed> {
        claim.check()?;
        let now = self.now();
        self.queue_of(&claim.queue).visit(|queue| queue.claim(claim, now))
    }

    async fn marks(
        &self,
        queue: &QueueName,
        schedules: &[ScheduleRef],
    ) -> Result<Vec<Option<Mark>>> {
        let mark_of = |queue: &mut QueueState| {
            schedules.iter().map(|schedule| queue.marks.0.get(schedule).cloned()).collect()
        };
        let queue = self.queue_if_known(queue);
        Ok(queue.map_or_else(|| vec![None; schedules.len()], |queue| queue.visit(mark_of)))
    }

    async fn change_mark(
        &self,
        queue: &QueueName,
        schedule: &ScheduleRef,
        change: MarkChange,
    ) -> Result<()> {
        let now = self.now();
        self.queue_of(queue).visit(|queue| queue.change_mark(schedule, change, now));
        Ok(())
    }

    async fn groups(&self) -> Result<Vec<GroupName>> {
        let all = self.store.groups.all();
        let with_entries = all.groups.iter().filter(|(_, group)| !group.entries.is_empty());
        Ok(with_entries.map(|(name, _)| name.clone()).collect())
    }

    async fn entries(&self, group: &GroupName) -> Result<Entries> {
        let all = self.store.groups.all();
        let group = all.groups.get(group);
        let entries = group.map(|group| Entries::new(group.revision, group.entries.clone()));
        Ok(entries.unwrap_or_default())
    }

    async fn amend(
        &self,
        group: &GroupName,
        based_on: u64,
        changes: &[Change],
    ) -> Result<Option<u64>> {
        let mut all = self.store.groups.all();
        if all.groups.get(group).map_or(0, |group| group.revision) != based_on {
            return Ok(None);
        }
        all.revision += 1;
        let revision = all.revision;
        let group = all.groups.entry(group.clone()).or_default();
        group.revision = revision;
        for change in changes {
            match change {
                Change::Put(name, bytes) => group.entries.insert(name.clone(), bytes.clone()),
                Change::Remove(name) => group.entries.remove(name),
            };
        }
        if group.entries.is_empty() {
            group.revision = 0;
        }
        Ok(Some(revision))
    }

    async fn attend(
        &self,
        group: &GroupName,
        scheduler: WorkerId,
        word: &str,
        ttl: Duration,
    ) -> Result<Attendance> {
        let now = self.now();
        let mut all = self.store.groups.all();
        let group = all.groups.entry(group.clone()).or_default();
        let attending = Attending { word: word.to_owned(), ttl, until: now + ttl };
        group.schedulers.insert(scheduler, attending);
        group.schedulers.retain(|_, one| {
            // No later than if it had been heard of just now: the clock may have been put back.
            one.until = one.until.min(now + one.ttl);
            now < one.until
        });
        let words = group.schedulers.values().map(|one| one.word.clone()).collect();
        Ok(Attendance::new(now, group.revision, words))
    }

    async fn absent(&self, group: &GroupName, scheduler: WorkerId) -> Result<()> {
        if let Some(group) = self.store.groups.all().groups.get_mut(group) {
            group.schedulers.remove(&scheduler);
        }
        Ok(())
    }
}
