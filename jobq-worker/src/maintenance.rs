//! What is done for the queues and not for a job: promoting, reclaiming, pruning, and saying that the
//! worker lives.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jobq_core::backend::WorkerStatus;
use jobq_core::{Error, ErrorKind, QueueName, Result};
use tokio::time::{Instant, sleep_until, timeout};

use crate::events;
use crate::mailbox::Note;
use crate::run_limits::resident_bytes;
use crate::runtime::Runtime;
use crate::summary::EndReason;

/// How often a worker looks after things.
const TICK: Duration = Duration::from_secs(1);

/// How often a worker says that it lives while it has jobs, and while it has none; and for how long that
/// is believed. It learns with it that a restart was asked for, so an idle worker takes up to the longer
/// time to follow.
const HEARTBEAT: Duration = Duration::from_secs(5);
const IDLE_HEARTBEAT: Duration = Duration::from_secs(20);
const BELIEVED_FOR: Duration = Duration::from_secs(60);

/// How often queues are maintained while the worker has jobs, and while it has none. An idle worker's
/// looks promote and reclaim, too, so all that is left for maintenance then is to prune.
const BUSY: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(120);

/// How many jobs of each sort one call moves: some milliseconds of a backend's time.
const LIMIT: usize = 500;

/// How many calls in a row one queue gets before it is the others' turn.
const ROUNDS: usize = 100;

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often the same failure of a queue's maintenance is reported: it may last for hours, and is met every second.
const REPORT_EVERY: Duration = Duration::from_secs(60);

/// Looks after the queues until it is dropped.
pub(crate) async fn maintain_forever(runtime: Arc<Runtime>) {
    let mut status = status_of(&runtime);
    let mut restart_seen: Option<u64> = None;
    let mut leased_before = 0;
    let mut beat_at: Option<Instant> = None;
    let mut maintain_at = Instant::now();
    let (mut complaint, mut of_beats) = (Complaint::default(), Complaint::default());
    let mut tick_at = maintain_at;
    loop {
        let now = Instant::now();
        check_memory(&runtime);
        let leased = runtime.leased.load(Ordering::Relaxed);
        let running = runtime.running.load(Ordering::Relaxed);
        runtime.meters.jobs_running.set(running);
        let is_busy = running > 0 || leased != leased_before;
        let beat_every = if is_busy { HEARTBEAT } else { IDLE_HEARTBEAT };
        if beat_at.is_none_or(|at| now >= at + beat_every) {
            beat_at = Some(now);
            if let Some(restart) = beat(&runtime, &mut status, &mut of_beats).await {
                // A backend that has lost its data begins to count anew, and that is no request.
                if restart_seen.replace(restart).is_some_and(|seen| restart > seen) {
                    runtime.mailbox.note(Note::Drain(EndReason::Restart));
                }
            }
        }
        if now >= maintain_at + if is_busy { BUSY } else { IDLE } {
            maintain_at = now;
            leased_before = leased;
            for queue in &runtime.config.queues {
                maintain(&runtime, &queue.name, &mut complaint).await;
            }
        }
        tick_at += TICK;
        sleep_until(tick_at.max(Instant::now())).await;
    }
}

fn status_of(runtime: &Runtime) -> WorkerStatus {
    let started_at = runtime.backend.clock().now();
    let mut status = WorkerStatus::new(runtime.worker, runtime.config.name.clone(), started_at);
    status.queues = runtime.config.queues.iter().map(|queue| queue.name.to_string()).collect();
    status.kinds = runtime.handlers.kinds().map(str::to_owned).collect();
    status.concurrency = runtime.config.concurrency;
    status
}

/// Says that the worker lives, and learns whether somebody asked for a restart.
async fn beat(
    runtime: &Runtime,
    status: &mut WorkerStatus,
    complaint: &mut Complaint,
) -> Option<u64> {
    status.running = runtime.running.load(Ordering::Relaxed);
    status.draining = runtime.draining.load(Ordering::Relaxed);
    match within_patience(runtime.backend.heartbeat(status, BELIEVED_FOR)).await {
        Ok(signals) => Some(signals.restart),
        Err(error) => {
            if !error.is_transient() && complaint.is_news(&error) {
                events::maintenance_failed("heartbeat", &error);
            }
            runtime.mailbox.note(Note::Unreachable(error));
            None
        }
    }
}

async fn maintain(runtime: &Runtime, queue: &QueueName, complaint: &mut Complaint) {
    for _ in 0..ROUNDS {
        match within_patience(runtime.backend.maintain(queue, LIMIT)).await {
            Ok(done) if done.more => {}
            Ok(_) => return,
            Err(error) if error.is_transient() => {
                runtime.mailbox.note(Note::Unreachable(error));
                return;
            }
            Err(error) => {
                if complaint.is_news(&error) {
                    events::maintenance_failed("maintain", &error);
                }
                return;
            }
        }
    }
}

/// The failure that was reported last.
#[derive(Debug, Default)]
pub(crate) struct Complaint {
    last: Option<(String, Instant)>,
}

impl Complaint {
    /// Whether a failure is to be reported: another one than the last, or again after a while.
    pub(crate) fn is_news(&mut self, error: &Error) -> bool {
        let (message, now) = (error.to_string(), Instant::now());
        let is_known =
            |(known, at): &(String, Instant)| *known == message && now < *at + REPORT_EVERY;
        if self.last.as_ref().is_some_and(is_known) {
            return false;
        }
        self.last = Some((message, now));
        true
    }
}

fn check_memory(runtime: &Runtime) {
    if let Some(most) = runtime.config.run_limits.max_memory
        && resident_bytes().is_some_and(|bytes| bytes > most)
    {
        runtime.mailbox.note(Note::Drain(EndReason::MaxMemory));
    }
}

/// Takes the worker off the list of the living.
pub(crate) async fn farewell(runtime: &Runtime) {
    // One second: it is a courtesy, and the entry is forgotten without it as well.
    let answer = timeout(Duration::from_secs(1), runtime.backend.farewell(runtime.worker)).await;
    if let Ok(Err(error)) = answer {
        events::maintenance_failed("farewell", &error);
    }
}

async fn within_patience<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(PATIENCE, call).await.unwrap_or_else(|_| {
        let message = format!("the backend gave no answer within {PATIENCE:?}");
        Err(Error::new(ErrorKind::Unavailable, message))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_failure_that_lasts_is_reported_once_a_minute() {
        let refused = |message| Error::new(ErrorKind::Refused, message);
        let mut complaint = Complaint::default();

        assert!(complaint.is_news(&refused("wrong password")));
        assert!(!complaint.is_news(&refused("wrong password")));
        assert!(complaint.is_news(&refused("no right to do this")));
        tokio::time::advance(REPORT_EVERY).await;
        assert!(complaint.is_news(&refused("no right to do this")));
    }
}
