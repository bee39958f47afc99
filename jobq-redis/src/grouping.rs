//! Concurrent single enqueues travel together.
//!
//! A caller that finds the way free sends its job at once; those that come while answers are awaited
//! are collected, and go as one batch when an answer has come. So one caller pays no delay, and fifty
//! at once pay for a few trips between them.
//!
//! Where queues can be slow by themselves, each has a group of its own: on a cluster a node may be
//! frozen, or its replica lag, while the others are well.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jobq_core::{Enqueued, Error, ErrorKind, NewJob, QueueName, Result};
use tokio::sync::oneshot;

use crate::backend::Store;
use crate::error::malformed;

/// How many batches of a group may be under way at once: with two, the server works on one while the other
/// travels.
const IN_FLIGHT: usize = 2;

/// The most jobs that travel together: as many as a streamed enqueue sends.
const BATCH: usize = 250;

/// How long a caller waits for others' turns to end before it takes one of its own. Far more than a trip
/// takes, and far less than anybody notices as a hang.
const PATIENCE: Duration = Duration::from_secs(1);

/// Who travels with whom.
#[derive(Debug)]
pub(crate) enum Groups {
    /// All with all.
    One(Arc<Group>),
    /// Those of a queue.
    ByQueue(Mutex<HashMap<QueueName, Arc<Group>>>),
}

impl Groups {
    pub(crate) fn new(by_queue: bool) -> Self {
        if by_queue { Self::ByQueue(Mutex::default()) } else { Self::One(Arc::default()) }
    }

    fn of(&self, queue: &QueueName) -> Arc<Group> {
        match self {
            Self::One(group) => Arc::clone(group),
            Self::ByQueue(groups) => {
                let mut groups = groups.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(group) = groups.get(queue) {
                    return Arc::clone(group);
                }
                Arc::clone(groups.entry(queue.clone()).or_default())
            }
        }
    }
}

/// The jobs that wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Group {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    job: NewJob,
    answer: oneshot::Sender<Result<Enqueued>>,
}

impl Group {
    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Enqueues one job, alone or together with others that come at the same time.
pub(crate) async fn enqueue_one(store: &Arc<Store>, job: &NewJob) -> Result<Enqueued> {
    let group = store.groups.of(&job.record.queue);
    let waiting = {
        let mut state = group.state();
        if state.in_flight < IN_FLIGHT {
            state.in_flight += 1;
            None
        } else {
            let (sender, answer) = oneshot::channel();
            state.waiting.push(Waiting { job: job.clone(), answer: sender });
            Some(answer)
        }
    };
    let Some(mut answer) = waiting else {
        let _turn = Turn { store: Arc::clone(store), group };
        return enqueue_alone(store, job).await;
    };
    // Those who have the turns may have stopped polling: nobody may have to wait for them for ever.
    let answer = match tokio::time::timeout(PATIENCE, &mut answer).await {
        Ok(answer) => answer,
        Err(_) => {
            group.state().in_flight += 1;
            drop(Turn { store: Arc::clone(store), group });
            answer.await
        }
    };
    answer.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Unavailable, "the runtime ended while a job was being enqueued"))
    })
}

async fn enqueue_alone(store: &Store, job: &NewJob) -> Result<Enqueued> {
    let answers = store.enqueue_jobs(std::slice::from_ref(job)).await?;
    answers.into_iter().next().ok_or_else(|| malformed("an enqueue without an answer"))
}

/// The right to have a batch under way. Dropped, also with a cancelled caller, it passes to those who
/// have been waiting meanwhile.
struct Turn {
    store: Arc<Store>,
    group: Arc<Group>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.group.state();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            // Dropped outside any runtime: the waiting callers learn it from their closed channels.
            state.waiting.clear();
            state.in_flight -= 1;
            return;
        };
        if state.waiting.is_empty() {
            state.in_flight -= 1;
            return;
        }
        let taken = state.waiting.len().min(BATCH);
        let batch: Vec<_> = state.waiting.drain(..taken).collect();
        drop(state);
        // The task owns the turn from the start: a runtime that is shutting down drops it unpolled.
        let turn = Self { store: Arc::clone(&self.store), group: Arc::clone(&self.group) };
        runtime.spawn(async move {
            send(&turn.store, batch).await;
        });
    }
}

/// Sends jobs of several callers, and tells each what became of its own: what goes wrong with one queue
/// is no business of the others'.
async fn send(store: &Store, batch: Vec<Waiting>) {
    let mut by_queue: HashMap<QueueName, Vec<Waiting>> = HashMap::new();
    for waiting in batch {
        by_queue.entry(waiting.job.record.queue.clone()).or_default().push(waiting);
    }
    let sends = by_queue.into_values().map(|batch| async move {
        let (jobs, waiting): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|Waiting { job, answer }| (job, answer)).unzip();
        match store.enqueue_jobs(&jobs).await {
            Ok(answers) => {
                for (waiting, answer) in waiting.into_iter().zip(answers) {
                    // A caller that has gone does not want to know.
                    let _ = waiting.send(Ok(answer));
                }
            }
            // One job may be refused where others are not: each is heard by itself.
            Err(error) if is_refusal(error.kind()) => {
                // All at once: one after the other the last would wait for all trips before its own, and where
                // enqueues wait to be safe each may take long.
                join_all(jobs.iter().zip(waiting).map(|(job, waiting)| async move {
                    let _ = waiting.send(enqueue_alone(store, job).await);
                }))
                .await;
            }
            Err(error) => {
                for waiting in waiting {
                    let _ = waiting.send(Err(Error::new(error.kind(), error.to_string())));
                }
            }
        }
    });
    join_all(sends).await;
}

/// Whether nothing was written for reasons that lie with one of the jobs.
const fn is_refusal(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Limited | ErrorKind::NotFound | ErrorKind::Conflict)
}
