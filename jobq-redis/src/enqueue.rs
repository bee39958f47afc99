//! Enqueueing: jobs into calls of one script, in steps of bounded number and size.

use jobq_core::batch::{ended_batch, unknown_batch};
use jobq_core::limits::too_many_jobs;
use jobq_core::parents::{too_many_children, unknown_parent};
use jobq_core::{Enqueued, Error, NewJob, QueueName, Result};
use redis::{Cmd, Value};

use crate::backend::Store;
use crate::error::malformed;
use crate::keys::{LEVELS, QueueKeys};
use crate::parents::{self, Announced, when};
use crate::scripts::{ENQUEUE, ENQUEUE_FLOW, Script};
use crate::{record, reply};

/// The most jobs one script enqueues. At a few microseconds each, other clients of the server wait for a
/// millisecond or two.
const STEP: usize = 500;
/// The most bytes of payload that one script takes, give or take one job.
const STEP_BYTES: usize = 4 * 1024 * 1024;

impl Store {
    /// Enqueues jobs of any queues; the answers are in their order.
    pub(crate) async fn enqueue_jobs(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        // Each is replaced by what its queue says.
        let mut answers: Vec<_> = jobs.iter().map(|job| Enqueued::Created(job.record.id)).collect();
        for (queue, positions) in runs_of(jobs) {
            self.register(queue).await?;
            for step in steps_of(&positions, jobs) {
                self.enqueue_step(queue, jobs, step, &mut answers).await?;
            }
        }
        Ok(answers)
    }

    async fn enqueue_step(
        &self,
        queue: &QueueName,
        jobs: &[NewJob],
        positions: &[usize],
        answers: &mut [Enqueued],
    ) -> Result<()> {
        let keys = self.keys.of(queue);
        let step = positions.iter().map(|at| &jobs[*at]);
        if step.clone().any(needs_flow) {
            keys.note_flow();
        }
        // Not sent a second time by itself: should the first have had its effect and its answer been
        // lost, the job may even have run and left by now.
        self.link.freshen(keys.jobs()).await?;
        if !keys.has_flow() {
            let call = self.enqueue_call(&ENQUEUE, &[], &keys, step.clone());
            let standing = self.run_durably(&keys, &ENQUEUE, &call).await?;
            if !reply::is_flow(&standing) {
                return plain_answers(standing, jobs, positions, answers);
            }
            keys.note_flow();
        }
        let announced = self.announce(queue, &step.clone().collect::<Vec<_>>()).await?;
        let call = self.enqueue_flow_call(&ENQUEUE_FLOW, &[], &keys, step.clone(), &announced);
        let reply = self.run_durably(&keys, &ENQUEUE_FLOW, &call).await?;
        if flow_answers(queue, reply, jobs, positions, answers)? {
            // Who has added to a batch may close it next, wherever its home is.
            self.relay(queue).await?;
        }
        Ok(())
    }

    /// Runs a script on a queue, and waits until what it wrote is as safe as configured.
    pub(crate) async fn run_durably(
        &self,
        keys: &QueueKeys,
        script: &Script,
        call: &Cmd,
    ) -> Result<Value> {
        match &self.durable {
            None => self.link.run(script, call).await,
            Some(durable) => durable.run(keys, script, call).await,
        }
    }

    /// A call of a script that enqueues jobs, with more keys after its own.
    pub(crate) fn enqueue_flow_call<'a>(
        &self,
        script: &Script,
        more_keys: &[&str],
        keys: &QueueKeys,
        jobs: impl Iterator<Item = &'a NewJob>,
        announced: &Announced,
    ) -> Cmd {
        let own = keys.all().iter().map(String::as_str);
        let mut call = script.call(&own.chain(more_keys.iter().copied()).collect::<Vec<_>>());
        call.arg(self.now()).arg("").arg("");
        let enqueued_at = self.clock().now();
        for job in jobs {
            call.arg(job.record.id.as_bytes().as_slice());
            call.arg(record::encode(&job.record, enqueued_at));
            call.arg(when(job.when)).arg(parents::encode(job, announced));
        }
        call
    }

    /// The same for a queue without flow control.
    pub(crate) fn enqueue_call<'a>(
        &self,
        script: &Script,
        more_keys: &[&str],
        keys: &QueueKeys,
        jobs: impl Iterator<Item = &'a NewJob> + Clone,
    ) -> Cmd {
        let mut used = [false; LEVELS];
        jobs.clone().for_each(|job| used[usize::from(job.record.priority.level())] = true);
        let levels: Vec<u8> = (0..16).filter(|level| used[usize::from(*level)]).collect();
        let mut declared = vec![
            keys.jobs(),
            keys.levels(),
            keys.scheduled(),
            keys.unique(),
            keys.wake(),
            keys.gone(),
            keys.flow(),
            keys.marks(),
        ];
        declared.extend(levels.iter().map(|level| keys.ready(*level)));
        declared.extend(more_keys);
        let mut call = script.call(&declared);
        call.arg(self.now()).arg(levels);
        let enqueued_at = self.clock().now();
        for job in jobs {
            call.arg(job.record.id.as_bytes().as_slice());
            call.arg(record::encode(&job.record, enqueued_at));
            call.arg(when(job.when));
        }
        call
    }
}

/// Whether a job can only be enqueued by the script that knows of flow control.
pub(crate) fn needs_flow(job: &NewJob) -> bool {
    record::needs_flow(&job.record) || !job.parents.is_empty() || !job.children.is_empty()
}

fn plain_answers(
    standing: Value,
    jobs: &[NewJob],
    positions: &[usize],
    answers: &mut [Enqueued],
) -> Result<()> {
    let mut standing = reply::list(standing)?.into_iter();
    for at in positions {
        let id = jobs[*at].record.id;
        let other = reply::bytes(standing.next().unwrap_or(Value::Nil))?;
        answers[*at] = if other.is_empty() {
            Enqueued::Created(id)
        } else {
            Enqueued::Duplicate(reply::job_ref(&other, &jobs[*at].record.queue)?)
        };
    }
    Ok(())
}

/// Says whether there are notes to deliver.
fn flow_answers(
    queue: &QueueName,
    reply: Value,
    jobs: &[NewJob],
    positions: &[usize],
    answers: &mut [Enqueued],
) -> Result<bool> {
    if let Value::BulkString(refusal) = &reply {
        return Err(refused(queue, &String::from_utf8_lossy(refusal), jobs, positions));
    }
    let mut parts = reply::list(reply)?.into_iter();
    for at in positions {
        let id = jobs[*at].record.id;
        let answer = reply::bytes(parts.next().unwrap_or(Value::Nil))?;
        answers[*at] = match answer.split_first() {
            None => Enqueued::Created(id),
            Some((b'r', previous)) => {
                Enqueued::Replaced { id, previous: reply::id_from(previous)? }
            }
            Some((_, other)) => Enqueued::Duplicate(reply::job_ref(other, queue)?),
        };
    }
    Ok(reply::count(parts.next().unwrap_or(Value::Nil))? > 0)
}

/// The error of a call that a script has refused whole.
pub(crate) fn refused(
    queue: &QueueName,
    refusal: &str,
    jobs: &[NewJob],
    positions: &[usize],
) -> Error {
    let mut words = refusal.split('\n');
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some("limited"), Some(lane), Some(most), Some(count)) => {
            let lane = (!lane.is_empty()).then_some(lane);
            match (count.parse(), most.parse()) {
                (Ok(count), Ok(most)) => too_many_jobs(queue, lane, count, most),
                _ => unknown_refusal(),
            }
        }
        (Some(fault), Some(nth), Some(nth_parent), None) => {
            let at = |nth: &str| nth.parse::<usize>().ok()?.checked_sub(1);
            let job = at(nth).and_then(|nth| jobs.get(*positions.get(nth)?));
            job.and_then(|job| family_refusal(fault, job, at(nth_parent)))
                .unwrap_or_else(unknown_refusal)
        }
        _ => unknown_refusal(),
    }
}

fn family_refusal(fault: &str, job: &NewJob, parent: Option<usize>) -> Option<Error> {
    let parent = || Some(&job.parents.get(parent?)?.job);
    match fault {
        "no batch" => job.record.batch.as_ref().map(unknown_batch),
        "ended" => job.record.batch.as_ref().map(ended_batch),
        "no parent" => Some(unknown_parent(parent()?, job.record.id)),
        "many children" => Some(too_many_children(parent()?)),
        _ => None,
    }
}

fn unknown_refusal() -> Error {
    malformed("an enqueue was refused for a reason that this version does not know")
}

/// The places of jobs by their queue. As many trips as there are queues, unless a job waits for one of
/// another queue, which may come before it in this call: then they are added in their order.
fn runs_of(jobs: &[NewJob]) -> Vec<(&QueueName, Vec<usize>)> {
    let waits_elsewhere = |job: &NewJob| {
        job.parents.iter().any(|parent| !parent.is_to_come && parent.job.queue != job.record.queue)
    };
    let in_order = jobs.iter().any(waits_elsewhere);
    let mut runs: Vec<(&QueueName, Vec<usize>)> = Vec::new();
    for (at, job) in jobs.iter().enumerate() {
        let queue = &job.record.queue;
        let from = if in_order { runs.len().saturating_sub(1) } else { 0 };
        match runs[from..].iter_mut().find(|(of, _)| *of == queue) {
            Some((_, positions)) => positions.push(at),
            None => runs.push((queue, vec![at])),
        }
    }
    runs
}

/// Cuts jobs into steps of bounded number and size, each with at least one job.
fn steps_of<'a>(positions: &'a [usize], jobs: &'a [NewJob]) -> impl Iterator<Item = &'a [usize]> {
    let mut rest = positions;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fitting = rest.iter().take(STEP).take_while(|at| {
            let fits = bytes == 0 || bytes < STEP_BYTES;
            bytes += jobs[**at].record.payload.as_bytes().len();
            fits
        });
        let (step, left) = rest.split_at(fitting.count());
        rest = left;
        (!step.is_empty()).then_some(step)
    })
}
