//! Jobs that wait for other jobs, from both sides.

use std::collections::HashMap;
use std::sync::Arc;

use super::job::Job;
use super::notes::News;
use super::queue_state::{Ending, QueueState};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::history::{Failure, FailureKind};
use crate::id::{JobId, WorkerId};
use crate::job_ref::JobRef;
use crate::parents::{
    MAX_PARENTS, OnParentFailure, ParentOutcome, too_many_children, unknown_parent,
};
use crate::record::{NewJob, When};
use crate::state::JobState;

/// How a parent ended.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    state: JobState,
    /// Shared by all children.
    result: Option<Arc<[u8]>>,
}

impl Outcome {
    pub(super) fn new(state: JobState, result: Option<&[u8]>) -> Self {
        Self { state, result: result.map(Arc::from) }
    }
}

/// The jobs that a job waits for, and those that wait for it.
#[derive(Debug)]
pub(super) struct Kin {
    /// In the order in which they were named, each with its end.
    parents: Vec<(JobRef, Option<Outcome>)>,
    on_parent_failure: OnParentFailure,
    /// When it becomes ready after the last of them has ended.
    when: When,
    /// Those that are to be told of its end.
    children: Vec<JobRef>,
}

impl Kin {
    fn of(new: &NewJob) -> Self {
        Self {
            parents: new.parents.iter().map(|parent| (parent.job.clone(), None)).collect(),
            on_parent_failure: new.on_parent_failure,
            when: new.when,
            children: new.children.clone(),
        }
    }

    fn without_parents() -> Self {
        Self {
            parents: Vec::new(),
            on_parent_failure: OnParentFailure::default(),
            when: When::Now,
            children: Vec::new(),
        }
    }

    /// Takes the children out, who are to be told that the job has ended.
    pub(super) fn take_children(&mut self) -> Vec<JobRef> {
        std::mem::take(&mut self.children)
    }

    fn add_child(&mut self, child: &JobRef) -> bool {
        if self.children.contains(child) {
            return true;
        }
        let has_room = self.children.len() < MAX_PARENTS;
        if has_room {
            self.children.push(child.clone());
        }
        has_room
    }

    fn is_unmet(&self) -> bool {
        self.parents.iter().any(|(_, outcome)| outcome.is_none())
    }
}

impl Job {
    /// How many jobs are to be told of its end.
    fn children_count(&self) -> usize {
        self.kin.as_deref().map_or(0, |kin| kin.children.len())
    }
}

impl QueueState {
    /// Refuses jobs with a parent of this queue that nothing is known of, or that has no room for another
    /// child. A job of the same call that comes before is known, unless it may turn out a duplicate; a job
    /// that is known itself is not added, so its parents do not matter.
    pub(super) fn check_parents(&self, jobs: &[NewJob]) -> Result<()> {
        if jobs.iter().all(|job| job.parents.is_empty()) {
            return Ok(());
        }
        // How many children each parent has, or will have by then.
        let mut children: HashMap<JobId, usize> = HashMap::new();
        for job in jobs.iter().filter(|job| !self.jobs.contains_key(&job.record.id)) {
            for parent in &job.parents {
                if parent.is_to_come || parent.job.queue != *self.notes.owner() {
                    continue;
                }
                let known = self.jobs.get(&parent.job.id).map(Job::children_count);
                let count = children.get(&parent.job.id).copied().or(known);
                let count = count.ok_or_else(|| unknown_parent(&parent.job, job.record.id))?;
                if count >= MAX_PARENTS {
                    return Err(too_many_children(&parent.job));
                }
                children.insert(parent.job.id, count + 1);
            }
            if !job.record.may_be_duplicate() {
                children.entry(job.record.id).or_insert(job.children.len());
            }
        }
        Ok(())
    }

    /// Gives a job its family, once it has been added: it waits, or goes on at once.
    pub(super) fn join_kin(&mut self, new: &NewJob, now: Timestamp) {
        if new.parents.is_empty() && new.children.is_empty() {
            return;
        }
        let id = new.record.id;
        if let Some(job) = self.jobs.get_mut(&id) {
            job.kin = Some(Box::new(Kin::of(new)));
        }
        let child = JobRef::new(new.record.queue.clone(), id);
        for parent in &new.parents {
            if !parent.is_to_come
                && parent.job.queue == child.queue
                // Another parent may have ended it meanwhile, and it may be gone.
                && let Ok(Some(outcome)) = self.await_end(parent.job.id, &child)
            {
                self.parent_ended(id, &parent.job, outcome, now);
            }
        }
        for (parent, outcome) in self.early.take(id) {
            self.parent_ended(id, &parent, outcome, now);
        }
    }

    /// Names `child` among those who are told of the end of a job; gives its end if it has ended.
    ///
    /// # Errors
    ///
    /// `NotFound` when the job is not known, `Conflict` when it has as many children as it may.
    pub(super) fn await_end(&mut self, parent: JobId, child: &JobRef) -> Result<Option<Outcome>> {
        let parent_ref = || JobRef::new(self.notes.owner().clone(), parent);
        let Some(job) = self.jobs.get_mut(&parent) else {
            return Err(unknown_parent(&parent_ref(), child.id));
        };
        let state = job.place.state();
        if !state.is_live() {
            return Ok(Some(Outcome::new(state, job.result.as_deref())));
        }
        if job.kin.get_or_insert_with(|| Box::new(Kin::without_parents())).add_child(child) {
            Ok(None)
        } else {
            Err(too_many_children(&parent_ref()))
        }
    }

    /// A job that was there already is enqueued again with children, perhaps because the first call did
    /// not get that far: those it does not have are told of its end, now or later.
    pub(super) fn adopt(&mut self, new: &NewJob, now: Timestamp) {
        let parent = JobRef::new(new.record.queue.clone(), new.record.id);
        for child in &new.children {
            if let Ok(Some(outcome)) = self.await_end(parent.id, child) {
                let parent = parent.clone();
                self.tell(
                    &child.queue,
                    now,
                    News::ParentEnded { child: child.id, parent, outcome },
                );
            }
        }
    }

    /// Tells the children of a job that it has ended.
    pub(super) fn tell_children(
        &mut self,
        parent: &JobRef,
        children: Vec<JobRef>,
        outcome: &Outcome,
        now: Timestamp,
    ) {
        for JobRef { queue, id: child } in children {
            let (parent, outcome) = (parent.clone(), outcome.clone());
            self.tell(&queue, now, News::ParentEnded { child, parent, outcome });
        }
    }

    /// A parent of a job has ended. One that is not there yet finds the note when it comes.
    pub(super) fn parent_ended(
        &mut self,
        id: JobId,
        parent: &JobRef,
        outcome: Outcome,
        now: Timestamp,
    ) {
        let Some(job) = self.jobs.get_mut(&id) else {
            self.early.keep(id, parent.clone(), outcome, now);
            return;
        };
        let is_waiting = job.place.state() == JobState::Waiting;
        let Some(kin) = job.kin.as_deref_mut() else {
            return;
        };
        let state = outcome.state;
        let mut links = kin.parents.iter_mut();
        match links.find(|(job, outcome)| job == parent && outcome.is_none()) {
            Some((_, end)) => *end = Some(outcome),
            None => return,
        }
        let (is_unmet, when) = (kin.is_unmet(), kin.when);
        if !is_waiting {
            return;
        }
        match kin.on_parent_failure {
            OnParentFailure::Fail if state != JobState::Completed => {
                let message = format!("parent {parent} is {state}");
                let nobody = WorkerId::from_u64(0);
                let attempt = job.failed_attempts.saturating_add(1);
                job.history.push(Failure::new(FailureKind::Parent, attempt, now, nobody, message));
                self.bury(id, now);
            }
            OnParentFailure::Skip if state != JobState::Completed => {
                self.end(id, Ending::Cancelled, now);
            }
            _ if is_unmet => {}
            _ => self.await_turn(id, when, now),
        }
    }

    /// How the parents of a job have ended, as far as they have.
    pub(super) fn ended_parents(&self, id: JobId) -> Vec<ParentOutcome> {
        let parents = self.parents_of(id).iter();
        parents
            .filter_map(|(job, outcome)| {
                let Outcome { state, result } = outcome.as_ref()?;
                Some(ParentOutcome::new(job.clone(), *state, result.as_deref().map(Vec::from)))
            })
            .collect()
    }

    /// The parents that a waiting job waits for.
    pub(super) fn unmet_parents(&self, id: JobId) -> Vec<JobRef> {
        let parents = self.parents_of(id).iter();
        parents.filter(|(_, outcome)| outcome.is_none()).map(|(job, _)| job.clone()).collect()
    }

    fn parents_of(&self, id: JobId) -> &[(JobRef, Option<Outcome>)] {
        self.jobs.get(&id).and_then(|job| job.kin.as_deref()).map_or(&[], |kin| &kin.parents)
    }
}
