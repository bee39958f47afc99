//! Jobs that wait for others: what is found out in other queues before a job is added, and its family as
//! bytes. `lua/lib/flow/join.lua` is the other side of these.

use std::collections::{BTreeMap, HashMap, HashSet};

use jobq_core::parents::{too_many_children, unknown_parent};
use jobq_core::{
    BatchRef, ErrorKind, JobId, JobRef, JobState, NewJob, OnParentFailure, ParentOutcome,
    QueueName, Result, When,
};
use redis::Value;

use crate::backend::Store;
use crate::error::malformed;
use crate::reply;
use crate::scripts::{PARENTS, SUBSCRIBE};

/// The most pairs of jobs that one script looks at.
const STEP: usize = 500;

/// What other queues have said of jobs that are about to be added.
#[derive(Debug, Default)]
pub(crate) struct Announced {
    /// Batches at home elsewhere that were called off.
    called_off: HashSet<BatchRef>,
    /// How parents in other queues have ended, by parent and child; nothing of those that have not.
    ended: HashMap<(JobRef, JobId), ParentOutcome>,
}

impl Store {
    /// Asks other queues about the batches and parents of jobs of one queue, and tells them whom they have
    /// to tell.
    pub(crate) async fn announce(&self, queue: &QueueName, jobs: &[&NewJob]) -> Result<Announced> {
        let concerned: Vec<_> =
            jobs.iter().copied().filter(|job| concerns_others(queue, job)).collect();
        if concerned.is_empty() {
            return Ok(Announced::default());
        }
        match self.announce_all(queue, &concerned).await {
            // What the queue knows already is not added again, whatever has become of its family.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => {
                let ids: Vec<_> = concerned.iter().map(|job| job.record.id).collect();
                let known = self.known_of(queue, &ids).await?;
                if known.is_empty() {
                    return Err(error);
                }
                let new: Vec<_> =
                    concerned.into_iter().filter(|job| !known.contains(&job.record.id)).collect();
                self.announce_all(queue, &new).await
            }
            announced => announced,
        }
    }

    async fn announce_all(&self, queue: &QueueName, jobs: &[&NewJob]) -> Result<Announced> {
        let mut announced = Announced::default();
        let batches: HashSet<&BatchRef> = jobs
            .iter()
            .filter_map(|job| job.record.batch.as_ref())
            .filter(|batch| batch.queue != *queue)
            .collect();
        for batch in batches {
            if self.may_be_added_to(batch).await? {
                announced.called_off.insert(batch.clone());
            }
        }
        let mut pairs: BTreeMap<&QueueName, Vec<(&JobRef, JobId)>> = BTreeMap::new();
        for job in jobs {
            for parent in job.parents.iter().filter(|parent| !parent.is_to_come) {
                if parent.job.queue != *queue {
                    let of_queue = pairs.entry(&parent.job.queue).or_default();
                    of_queue.push((&parent.job, job.record.id));
                }
            }
        }
        for (parents_queue, pairs) in pairs {
            for step in pairs.chunks(STEP) {
                self.subscribe(parents_queue, queue, step, &mut announced).await?;
            }
        }
        Ok(announced)
    }

    async fn known_of(&self, queue: &QueueName, ids: &[JobId]) -> Result<HashSet<JobId>> {
        let mut known = HashSet::new();
        for step in ids.chunks(STEP) {
            // A record may be large, so each is asked for by itself; they travel together.
            let questions: Vec<_> = step.iter().map(|id| self.known_in(queue, *id)).collect();
            let answers = questions.iter().map(|ask| self.link.send(ask));
            let answers = futures_util::future::try_join_all(answers).await?;
            for (id, answer) in step.iter().zip(answers) {
                if reply::count(answer)? > 0 {
                    known.insert(*id);
                }
            }
        }
        Ok(known)
    }

    async fn subscribe(
        &self,
        parents_queue: &QueueName,
        queue: &QueueName,
        pairs: &[(&JobRef, JobId)],
        announced: &mut Announced,
    ) -> Result<()> {
        let mut call = self.call(&SUBSCRIBE, parents_queue);
        call.arg(queue.as_str());
        for (parent, child) in pairs {
            call.arg(parent.id.as_bytes().as_slice()).arg(child.as_bytes().as_slice());
        }
        // A parent that has forgotten whom to tell leaves a safe job waiting for ever.
        let answer = self.run_durably(&self.keys.of(parents_queue), &SUBSCRIBE, &call).await?;
        if let Value::BulkString(refusal) = &answer {
            let refusal = String::from_utf8_lossy(refusal);
            let (word, number) = refusal.split_once(' ').unwrap_or_default();
            let nth = number.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            let pair = nth.and_then(|nth| pairs.get(nth));
            return Err(match (word, pair) {
                ("unknown", Some((parent, child))) => unknown_parent(parent, *child),
                ("many", Some((parent, _))) => too_many_children(parent),
                _ => malformed("an unknown reason not to wait for a job"),
            });
        }
        for ((parent, child), answer) in pairs.iter().zip(reply::list(answer)?) {
            let answer = reply::bytes(answer)?;
            if answer != b"live" {
                let (letter, result) = answer.split_at_checked(1).unwrap_or_default();
                let outcome = outcome((*parent).clone(), letter, result.to_vec())?;
                announced.ended.insert(((*parent).clone(), *child), outcome);
            }
        }
        Ok(())
    }

    /// How the parents of a job have ended, as far as they have.
    pub(crate) async fn parents(&self, queue: &QueueName, id: JobId) -> Result<Vec<ParentOutcome>> {
        let mut call = self.call(&PARENTS, queue);
        call.arg(id.as_bytes().as_slice());
        reply::list(self.link.run(&PARENTS, &call).await?)?
            .into_iter()
            .map(|parent| {
                let mut parts = reply::list(parent)?.into_iter();
                let mut next = || reply::bytes(parts.next().unwrap_or(Value::Nil));
                let (reference, letter, result) = (next()?, next()?, next()?);
                outcome(reference_in(&reference)?, &letter, result)
            })
            .collect()
    }
}

fn concerns_others(queue: &QueueName, job: &NewJob) -> bool {
    job.record.batch.as_ref().is_some_and(|batch| batch.queue != *queue)
        || job.parents.iter().any(|parent| !parent.is_to_come && parent.job.queue != *queue)
}

/// A reference to a job: its id, then its queue.
pub(crate) fn reference_in(bytes: &[u8]) -> Result<JobRef> {
    let (id, queue) =
        bytes.split_at_checked(16).ok_or_else(|| malformed("a reference begins with an id"))?;
    Ok(JobRef::new(QueueName::new(String::from_utf8_lossy(queue))?, reply::id_from(id)?))
}

fn outcome(job: JobRef, letter: &[u8], result: Vec<u8>) -> Result<ParentOutcome> {
    let state = match letter {
        b"c" => JobState::Completed,
        b"x" => JobState::Cancelled,
        b"d" => JobState::Dead,
        _ => return Err(malformed("an unknown end of a job")),
    };
    Ok(ParentOutcome::new(job, state, Some(result).filter(|result| !result.is_empty())))
}

/// The family of a job that is about to be added; empty if it has none.
pub(crate) fn encode(job: &NewJob, announced: &Announced) -> Vec<u8> {
    let is_called_off =
        job.record.batch.as_ref().is_some_and(|batch| announced.called_off.contains(batch));
    if job.parents.is_empty() && job.children.is_empty() && !is_called_off {
        return Vec::new();
    }
    let header = header(job);
    let mut bytes = vec![u8::from(is_called_off)];
    bytes.extend(length(header.len()));
    bytes.extend(&header);
    for parent in &job.parents {
        let is_here = parent.job.queue == job.record.queue;
        let ended = announced.ended.get(&(parent.job.clone(), job.record.id));
        match ended.map(|outcome| outcome.state) {
            _ if parent.is_to_come => bytes.push(b't'),
            _ if is_here => bytes.push(b'k'),
            None => bytes.push(b's'),
            Some(JobState::Completed) => {
                let result = ended.and_then(|outcome| outcome.result.as_deref());
                let result = result.unwrap_or_default();
                bytes.push(b'c');
                bytes.extend(length(result.len()));
                bytes.extend(result);
            }
            Some(JobState::Dead) => bytes.push(b'd'),
            Some(_) => bytes.push(b'x'),
        }
    }
    // `NewJob::check` has bounded both before.
    bytes.extend(u16::try_from(job.children.len()).unwrap_or(u16::MAX).to_be_bytes());
    job.children.iter().for_each(|child| reference(&mut bytes, child));
    bytes
}

/// Whom a job waits for, as it is kept; empty if for nobody.
fn header(job: &NewJob) -> Vec<u8> {
    if job.parents.is_empty() {
        return Vec::new();
    }
    let policy = match job.on_parent_failure {
        OnParentFailure::Skip => b's',
        OnParentFailure::Continue => b'c',
        _ => b'f',
    };
    let when = when(job.when);
    let mut bytes = vec![policy, u8::try_from(when.len()).unwrap_or(u8::MAX)];
    bytes.extend(when.as_bytes());
    bytes.extend(u16::try_from(job.parents.len()).unwrap_or(u16::MAX).to_be_bytes());
    job.parents.iter().for_each(|parent| reference(&mut bytes, &parent.job));
    bytes
}

/// When a job is due, as scripts are told.
pub(crate) fn when(when: When) -> String {
    match when {
        When::At(instant) => instant.as_millis().to_string(),
        When::After(delay) => format!("+{}", delay.as_millis()),
        _ => String::new(),
    }
}

fn reference(bytes: &mut Vec<u8>, job: &JobRef) {
    bytes.extend(job.id.as_bytes());
    name(bytes, &job.queue);
}

/// A name after its length; it has 100 bytes at most.
pub(crate) fn name(bytes: &mut Vec<u8>, queue: &QueueName) {
    bytes.push(u8::try_from(queue.as_str().len()).unwrap_or(u8::MAX));
    bytes.extend(queue.as_str().as_bytes());
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}
