//! Concurrent single enqueues travel together.
//!
//! A caller that finds the way free sends its job at once; those that come while answers are awaited
//! are collected, and go as one batch when an answer has come. So one caller pays no delay, and fifty
//! at once pay for a few trips between them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jobq_core::{Enqueued, Error, NewJob, Result};
use tokio::sync::oneshot;

use crate::backend::Store;
use crate::error::malformed;

/// How many batches may be under way at once: with two, the server works on one while the other
/// travels.
const IN_FLIGHT: usize = 2;

/// The most jobs that travel together: as many as a streamed enqueue sends.
const BATCH: usize = 250;

/// The jobs that wait for their turn.
#[derive(Debug, Default)]
pub(crate) struct Grouping {
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

impl Grouping {
    fn state(&self) -> MutexGuard<'_, State> {
        // The state is whole between any two statements, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Enqueues one job, alone or together with others that come at the same time.
pub(crate) async fn enqueue_one(store: &Arc<Store>, job: &NewJob) -> Result<Enqueued> {
    let answer = {
        let mut state = store.grouping.state();
        if state.in_flight < IN_FLIGHT {
            state.in_flight += 1;
            None
        } else {
            let (sender, answer) = oneshot::channel();
            state.waiting.push(Waiting { job: job.clone(), answer: sender });
            Some(answer)
        }
    };
    match answer {
        // Its batch is sent by a task of its own, whatever becomes of this future.
        Some(answer) => answer.await.unwrap_or_else(|_| {
            Err(Error::new(
                jobq_core::ErrorKind::Unavailable,
                "the runtime ended while a job was being enqueued",
            ))
        }),
        None => {
            let _turn = Turn(store);
            let answers = store.enqueue_batch(std::slice::from_ref(job)).await?;
            answers.first().copied().ok_or_else(|| malformed("an enqueue without an answer"))
        }
    }
}

/// The right to have a batch under way. Dropped, also with a cancelled caller, it passes to those who
/// have been waiting meanwhile.
struct Turn<'a>(&'a Arc<Store>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        pass_on(self.0);
    }
}

fn pass_on(store: &Arc<Store>) {
    let mut state = store.grouping.state();
    if state.waiting.is_empty() {
        state.in_flight -= 1;
        return;
    }
    let taken = state.waiting.len().min(BATCH);
    let batch: Vec<_> = state.waiting.drain(..taken).collect();
    drop(state);
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        // Dropped outside any runtime: the waiting callers learn it from their closed channels.
        store.grouping.state().in_flight -= 1;
        return;
    };
    let store = Arc::clone(store);
    runtime.spawn(async move {
        // The turn must be given back even if the runtime drops this task half-way.
        let _turn = Turn(&store);
        send(&store, batch).await;
    });
}

async fn send(store: &Store, batch: Vec<Waiting>) {
    let (jobs, waiting): (Vec<_>, Vec<_>) =
        batch.into_iter().map(|Waiting { job, answer }| (job, answer)).unzip();
    match store.enqueue_batch(&jobs).await {
        Ok(answers) => {
            for (waiting, answer) in waiting.into_iter().zip(answers) {
                // A caller that has gone does not want to know.
                let _ = waiting.send(Ok(answer));
            }
        }
        Err(error) => {
            for waiting in waiting {
                let _ = waiting.send(Err(Error::new(error.kind(), error.to_string())));
            }
        }
    }
}
