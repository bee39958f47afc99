//! Whether jobs that are about to be added have room.

use std::collections::{HashMap, HashSet};

use super::places::Place;
use super::queue_state::{QueueState, due};
use super::unique::Verdict;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::JobId;
use crate::lane::LaneKey;
use crate::limits::too_many_jobs;
use crate::name::QueueName;
use crate::record::NewJob;
use crate::unique::{Unique, UniqueKey, UniqueMode, UniqueScope};

/// What the jobs of one call add, as far as it has been gone through.
#[derive(Default)]
struct Draft<'a> {
    ids: HashSet<JobId>,
    /// Jobs that are there now and will not be, as others have taken their place.
    gone: HashSet<JobId>,
    /// The newest job of this call that holds a key.
    holders: HashMap<(UniqueScope, UniqueKey), &'a NewJob>,
    /// Of the queue.
    all: i64,
    /// Of those, the ready ones of each lane.
    ready: HashMap<LaneKey, i64>,
}

impl QueueState {
    /// Refuses jobs by which the queue or a lane would have more than it may.
    ///
    /// # Errors
    ///
    /// [`Limited`](crate::ErrorKind::Limited); none of the jobs must then be added.
    pub(super) fn check_sizes<'a>(
        &mut self,
        jobs: impl Iterator<Item = &'a NewJob> + Clone,
        now: Timestamp,
    ) -> Result<()> {
        let of_queue = self.limits.pick(|limits| limits.max_size);
        let is_limited = |job: &NewJob| {
            let lane = job.record.lane.as_ref();
            lane.is_some_and(|lane| self.places.ready.limits(Some(lane)).max_size.is_some())
        };
        if of_queue.is_none() && !jobs.clone().any(is_limited) {
            return Ok(());
        }
        let draft = self.draft(jobs, now);
        let places = &self.places;
        let count = places.scheduled.len() + places.ready.len() + places.waiting.len();
        let queue = self.notes.owner();
        check(queue, None, of_queue, count, draft.all)?;
        for (lane, added) in &draft.ready {
            let ready = places.ready.lane(lane).map_or(0, |lane| lane.ready());
            let limit = places.ready.limits(Some(lane)).max_size;
            check(queue, Some(lane.as_str()), limit, ready, *added)?;
        }
        Ok(())
    }

    fn draft<'a>(&mut self, jobs: impl Iterator<Item = &'a NewJob>, now: Timestamp) -> Draft<'a> {
        let mut draft = Draft::default();
        for job in jobs {
            let id = job.record.id;
            let is_known = self.jobs.contains_key(&id) && !draft.gone.contains(&id);
            if is_known || !draft.ids.insert(id) {
                continue;
            }
            if let Some(unique) = &job.record.unique
                && unique.mode != UniqueMode::WhileRunning
            {
                if !self.draft_key(&mut draft, unique, now) {
                    continue;
                }
                draft.holders.insert((unique.scope, unique.key), job);
            }
            let is_ready = self.will_be_ready(job, now);
            draft.count(job.record.lane.as_ref().filter(|_| is_ready), 1);
        }
        draft
    }

    /// Whether its key lets a job be added; takes the one off whose place it takes.
    fn draft_key(&mut self, draft: &mut Draft<'_>, unique: &Unique, now: Timestamp) -> bool {
        if let Some(holder) = draft.holders.get(&(unique.scope, unique.key)).copied() {
            let replaces = unique.mode.replaces();
            if replaces {
                let is_ready = self.will_be_ready(holder, now);
                draft.count(holder.record.lane.as_ref().filter(|_| is_ready), -1);
                if holder.record.retention.is_none() {
                    draft.ids.remove(&holder.record.id);
                }
            }
            return replaces;
        }
        match self.key_verdict(unique, now) {
            Verdict::Free => true,
            Verdict::Duplicate(_) => false,
            Verdict::Replaces(previous) => {
                if previous.queue == *self.notes.owner()
                    && let Some(job) = self.jobs.get(&previous.id)
                {
                    let is_ready = matches!(job.place, Place::Ready { .. } | Place::HeldBack);
                    draft.count(job.record().lane.as_ref().filter(|_| is_ready), -1);
                    if job.record().retention.is_none() {
                        draft.gone.insert(previous.id);
                    }
                }
                true
            }
        }
    }

    /// Whether a job is ready as soon as it is added.
    fn will_be_ready(&mut self, job: &NewJob, now: Timestamp) -> bool {
        job.parents.is_empty() && due(self.settle_when(job, now), now) <= now
    }
}

impl Draft<'_> {
    /// Counts a job of the queue, and of a lane if it is ready there.
    fn count(&mut self, lane: Option<&LaneKey>, jobs: i64) {
        self.all += jobs;
        if let Some(lane) = lane {
            *self.ready.entry(lane.clone()).or_default() += jobs;
        }
    }
}

fn check(
    queue: &QueueName,
    lane: Option<&str>,
    limit: Option<u64>,
    before: usize,
    added: i64,
) -> Result<()> {
    let before = u64::try_from(before).unwrap_or(u64::MAX);
    match (limit, u64::try_from(added)) {
        (Some(limit), Ok(added)) if added > 0 && before.saturating_add(added) > limit => {
            Err(too_many_jobs(queue, lane, before, limit))
        }
        _ => Ok(()),
    }
}
