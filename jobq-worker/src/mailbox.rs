//! What the pump is told: attempts that ended, and requests to stop.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jobq_core::{Error, Lease, Next};

use crate::leases::LeaseKey;
use crate::summary::EndReason;

/// An attempt that is over.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) key: LeaseKey,
    pub(crate) lease: Arc<Lease>,
    /// The worker's number of the queue.
    pub(crate) queue: usize,
    /// The worker's number of the handler; `None` if there is none for the job.
    pub(crate) handler: Option<usize>,
    pub(crate) next: Next,
    /// From the handler's start to its end; `None` if it has not started, or not ended.
    pub(crate) took: Option<Duration>,
    /// Whether the lease is known to be lost, and has been reported so.
    pub(crate) lease_lost: bool,
}

/// What the pump is told beside ended attempts.
#[derive(Debug)]
pub(crate) enum Note {
    /// A handler ignores the request to stop.
    Stuck(LeaseKey),
    /// Stop gracefully.
    Drain(EndReason),
    /// Stop at once.
    Force,
    /// A call outside the pump failed.
    Unreachable(Error),
}

/// A queue with one reader that says how much must be in it before it is woken.
///
/// A channel would wake its reader for every attempt: at some hundred thousand a second that costs more
/// than running them.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ended: Vec<Ended>,
    notes: Vec<Note>,
    wake_at: usize,
    reader: Option<Waker>,
}

impl Mailbox {
    /// Tells that an attempt is over.
    pub(crate) fn push(&self, ended: Ended) {
        let mut state = self.lock();
        state.ended.push(ended);
        let reader = if state.ended.len() >= state.wake_at { state.reader.take() } else { None };
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Tells something urgent.
    pub(crate) fn note(&self, note: Note) {
        let mut state = self.lock();
        state.notes.push(note);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// Takes everything out. `ended` must be empty; its room is used for what comes next.
    pub(crate) fn take(&self, ended: &mut Vec<Ended>) -> Vec<Note> {
        let mut state = self.lock();
        // The reader is awake, and says so again before it sleeps.
        state.reader = None;
        std::mem::swap(&mut state.ended, ended);
        std::mem::take(&mut state.notes)
    }

    /// Ready when at least `wake_at` attempts have ended or something urgent was told; otherwise the
    /// task of `cx` is woken then.
    pub(crate) fn poll(&self, cx: &Context<'_>, wake_at: usize) -> Poll<()> {
        let mut state = self.lock();
        if state.ended.len() >= wake_at || !state.notes.is_empty() {
            return Poll::Ready(());
        }
        state.wake_at = wake_at;
        match &mut state.reader {
            Some(reader) if reader.will_wake(cx.waker()) => {}
            reader => *reader = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
