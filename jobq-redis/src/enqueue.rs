//! Enqueueing: jobs into calls of one script, in steps of bounded number and size.

use std::collections::HashMap;

use jobq_core::{Enqueued, NewJob, QueueName, Result, When};
use redis::{Cmd, Value};

use crate::backend::Store;
use crate::keys::{LEVELS, QueueKeys};
use crate::scripts::ENQUEUE;
use crate::{record, reply};

/// The most jobs one script enqueues. At a few microseconds each, other clients of the server wait for a
/// millisecond or two.
const STEP: usize = 500;
/// The most bytes of payload that one script takes, give or take one job.
const STEP_BYTES: usize = 4 * 1024 * 1024;

impl Store {
    /// Enqueues jobs of any queues; the answers are in their order.
    pub(crate) async fn enqueue_batch(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        let mut by_queue: HashMap<&QueueName, Vec<usize>> = HashMap::new();
        let mut answers: Vec<_> =
            jobs.iter().map(|job| Enqueued::Duplicate(job.record.id)).collect();
        for (position, job) in jobs.iter().enumerate() {
            by_queue.entry(&job.record.queue).or_default().push(position);
        }
        for (queue, positions) in by_queue {
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
        let call = self.enqueue_call(&self.keys.of(queue), positions.iter().map(|at| &jobs[*at]));
        // Not sent a second time by itself: should the first have had its effect and its answer been
        // lost, the job may even have run and left by now.
        self.link.freshen().await?;
        let standing = self.link.run(&ENQUEUE, &call).await?;
        let mut standing = reply::list(standing)?.into_iter();
        for at in positions {
            let id = jobs[*at].record.id;
            let other = reply::bytes(standing.next().unwrap_or(Value::Nil))?;
            answers[*at] = if other.is_empty() {
                Enqueued::Created(id)
            } else {
                Enqueued::Duplicate(reply::id_from(&other)?)
            };
        }
        Ok(())
    }

    fn enqueue_call<'a>(
        &self,
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
        ];
        declared.extend(levels.iter().map(|level| keys.ready(*level)));
        let mut call = ENQUEUE.call(&declared);
        call.arg(self.now()).arg(levels);
        let enqueued_at = self.clock().now();
        for job in jobs {
            call.arg(job.record.id.as_bytes().as_slice());
            call.arg(record::encode(&job.record, enqueued_at));
            match job.when {
                When::At(instant) => call.arg(instant.as_millis()),
                When::After(delay) => call.arg(format!("+{}", delay.as_millis())),
                _ => call.arg(""),
            };
        }
        call
    }
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
