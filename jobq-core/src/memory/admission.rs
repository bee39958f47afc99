//! How jobs and batches come into a queue, together with what other queues must be told before.
//!
//! The home of a batch counts its jobs before they are there, and a parent learns of its child before
//! that is there: so neither can end in between unnoticed. What then turns out not to be added is taken
//! back.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::MemoryBackend;
use super::batches::{Change, Part};
use super::notes::News;
use super::parents::Outcome;
use crate::batch::{BatchRef, NewBatch, unknown_batch};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::JobId;
use crate::job_ref::JobRef;
use crate::name::QueueName;
use crate::record::{Enqueued, NewJob};

/// What other queues have said to jobs that are about to be added.
#[derive(Default)]
struct Announced {
    /// Jobs that the queue knows, and that are not announced.
    known: HashSet<JobId>,
    /// How many jobs each batch of another queue expects.
    expected: BTreeMap<BatchRef, u64>,
    /// Which of these were called off.
    called_off: Vec<BatchRef>,
    /// Parents in other queues that have ended already.
    ended_parents: HashMap<JobId, Vec<(JobRef, Outcome)>>,
}

impl MemoryBackend {
    /// Adds jobs of one queue: all that are new, or none if one of them cannot be.
    pub(super) fn admit(&self, jobs: &[NewJob], now: Timestamp) -> Result<Vec<Enqueued>> {
        let Some(first) = jobs.first() else {
            return Ok(Vec::new());
        };
        let queue = self.queue_of(&first.record.queue);
        let mut announced = Announced::default();
        let told = self.announce(jobs, &mut announced);
        let answers = told.and_then(|()| queue.visit(|queue| queue.admit(jobs, &announced, now)));
        self.take_back(jobs, &announced, answers.as_deref().unwrap_or_default(), now);
        answers
    }

    /// Refuses jobs of queues that come several times in one call, before any of them is added.
    pub(super) fn check_sizes(&self, jobs: &[NewJob], now: Timestamp) -> Result<()> {
        let all_runs = jobs.chunk_by(|a, b| a.record.queue == b.record.queue);
        if all_runs.clone().nth(1).is_none() {
            return Ok(());
        }
        let mut runs: BTreeMap<&QueueName, usize> = BTreeMap::new();
        for run in all_runs {
            *runs.entry(&run[0].record.queue).or_default() += 1;
        }
        for (queue, _) in runs.into_iter().filter(|(_, runs)| *runs > 1) {
            let of_queue = jobs.iter().filter(|job| job.record.queue == *queue);
            self.queue_of(queue).visit(|queue| queue.check_sizes(of_queue, now))?;
        }
        Ok(())
    }

    /// Opens a batch, which its parent counts first.
    pub(super) fn open(&self, new: &NewBatch, now: Timestamp) -> Result<bool> {
        let home = self.queue_of(&new.batch.queue);
        if home.visit(|queue| queue.knows_batch(new.batch.id)) {
            return Ok(false);
        }
        let Some(parent) = &new.parent else {
            return Ok(home.visit(|queue| queue.open_batch(new, false, now)));
        };
        let counted_at = self.queue_if_known(&parent.queue).ok_or_else(|| unknown_batch(parent))?;
        let part = Part::Nested(&new.batch);
        let is_called_off = counted_at.visit(|queue| queue.expect(parent, &part))?;
        let is_new = home.visit(|queue| queue.open_batch(new, is_called_off, now));
        if !is_new {
            counted_at.visit(|queue| queue.batch_changed(parent.id, Change::NotOpened, now));
        }
        Ok(is_new)
    }

    /// Tells other queues of jobs that are about to be added. `announced` holds what was told also when
    /// this fails.
    fn announce(&self, jobs: &[NewJob], announced: &mut Announced) -> Result<()> {
        let concerns_others = |job: &NewJob| {
            let here = &job.record.queue;
            job.record.batch.as_ref().is_some_and(|batch| batch.queue != *here)
                || job.parents.iter().any(|parent| parent.job.queue != *here)
        };
        if !jobs.iter().any(concerns_others) {
            return Ok(());
        }
        let here = &jobs[0].record.queue;
        // What is known is not added again, whatever has become of its batch and its parents.
        announced.known = self.queue_of(here).visit(|queue| {
            let ids = jobs.iter().map(|job| job.record.id);
            ids.filter(|id| queue.jobs.contains_key(id)).collect()
        });
        let known = announced.known.clone();
        let new = || jobs.iter().filter(|job| !known.contains(&job.record.id));
        for (batch, count) in by_batch(new(), |batch| batch.queue != *here) {
            if self.expect_jobs(batch, count, here)? {
                announced.called_off.push(batch.clone());
            }
            announced.expected.insert(batch.clone(), count);
        }
        for job in new() {
            let child = JobRef::new(here.clone(), job.record.id);
            for parent in &job.parents {
                if !parent.is_to_come
                    && parent.job.queue != *here
                    && let Some(outcome) = self.await_end(&parent.job, &child)?
                {
                    let ended = announced.ended_parents.entry(child.id).or_default();
                    ended.push((parent.job.clone(), outcome));
                }
            }
        }
        Ok(())
    }

    fn expect_jobs(&self, batch: &BatchRef, count: u64, queue: &QueueName) -> Result<bool> {
        let home = self.queue_if_known(&batch.queue).ok_or_else(|| unknown_batch(batch))?;
        home.visit(|home| home.expect(batch, &Part::Jobs { count, queue }))
    }

    fn await_end(&self, parent: &JobRef, child: &JobRef) -> Result<Option<Outcome>> {
        self.queue_of(&parent.queue).visit(|queue| queue.await_end(parent.id, child))
    }

    /// Tells the homes of batches of jobs that they have counted and that were not added after all.
    fn take_back(
        &self,
        jobs: &[NewJob],
        announced: &Announced,
        answers: &[Enqueued],
        now: Timestamp,
    ) {
        for (batch, expected) in &announced.expected {
            if let Some(change) = not_added(batch, *expected, jobs, answers) {
                self.queue_of(&batch.queue).visit(|home| home.batch_changed(batch.id, change, now));
            }
        }
    }
}

impl super::queue_state::QueueState {
    /// Adds a job that concerns no other queue.
    pub(super) fn admit_here(&mut self, job: &NewJob, now: Timestamp) -> Result<Enqueued> {
        let answers = self.admit(std::slice::from_ref(job), &Announced::default(), now)?;
        let itself = || JobRef::new(job.record.queue.clone(), job.record.id);
        Ok(answers.into_iter().next().unwrap_or_else(|| Enqueued::Duplicate(itself())))
    }

    fn admit(
        &mut self,
        jobs: &[NewJob],
        announced: &Announced,
        now: Timestamp,
    ) -> Result<Vec<Enqueued>> {
        let here = self.notes.owner().clone();
        let new = jobs.iter().filter(|job| !self.jobs.contains_key(&job.record.id));
        let expected = by_batch(new, |batch| batch.queue == here);
        expected.keys().try_for_each(|batch| self.check_batch(batch))?;
        self.check_parents(jobs)?;
        self.check_sizes(jobs.iter(), now)?;
        for (batch, count) in &expected {
            // Cannot fail: it was just checked.
            self.expect(batch, &Part::Jobs { count: *count, queue: &here })?;
        }
        for batch in &announced.called_off {
            self.guest_called_off(batch.clone(), now);
        }
        let answers: Vec<Enqueued> =
            jobs.iter().map(|job| self.admit_one(job, announced, now)).collect();
        for (batch, expected) in expected {
            if let Some(change) = not_added(batch, expected, jobs, &answers) {
                self.tell(&here, now, News::BatchChanged { batch: batch.id, change });
            }
        }
        Ok(answers)
    }

    fn admit_one(&mut self, job: &NewJob, announced: &Announced, now: Timestamp) -> Enqueued {
        let id = job.record.id;
        if announced.known.contains(&id) && !self.jobs.contains_key(&id) {
            // It has ended since this call began, and nobody expects it.
            return Enqueued::Duplicate(self.job_ref(id));
        }
        let answer = self.enqueue(job, now);
        let ended = announced.ended_parents.get(&id).filter(|_| answer.is_created());
        for (parent, outcome) in ended.into_iter().flatten() {
            self.parent_ended(id, parent, outcome.clone(), now);
        }
        answer
    }
}

/// How many jobs each batch has among these, of the batches that are asked for.
fn by_batch<'a>(
    jobs: impl Iterator<Item = &'a NewJob>,
    is_asked_for: impl Fn(&BatchRef) -> bool,
) -> BTreeMap<&'a BatchRef, u64> {
    let mut counts = BTreeMap::new();
    for batch in
        jobs.filter_map(|job| job.record.batch.as_ref()).filter(|batch| is_asked_for(batch))
    {
        *counts.entry(batch).or_default() += 1;
    }
    counts
}

/// What a batch has to be told that expected more jobs than were added.
fn not_added(
    batch: &BatchRef,
    expected: u64,
    jobs: &[NewJob],
    answers: &[Enqueued],
) -> Option<Change> {
    let is_added = |(job, answer): &(&NewJob, &Enqueued)| {
        job.record.batch.as_ref() == Some(batch) && answer.is_created()
    };
    let added = jobs.iter().zip(answers).filter(is_added).count();
    let jobs = expected.saturating_sub(u64::try_from(added).unwrap_or(u64::MAX));
    (jobs > 0).then_some(Change::NotAdded { jobs })
}
