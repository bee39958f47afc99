//! The wait of an idle worker for a job to come.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use jobq_core::{Backend, QueueName, Result};
use tokio::time::Instant;

use super::outage::Backoff;

/// A wait that is held, or none.
#[derive(Default)]
pub(crate) struct Waiting {
    held: Option<Held>,
    /// When it is tried again to wait. Meanwhile queues are looked at, each time that it has failed.
    backoff: Backoff,
}

struct Held {
    queues: Vec<usize>,
    future: Pin<Box<dyn Future<Output = Result<QueueName>> + Send>>,
}

impl Waiting {
    /// The queues that are waited for.
    pub(crate) fn queues(&self) -> Option<&[usize]> {
        self.held.as_ref().map(|held| held.queues.as_slice())
    }

    /// Notes that to wait has failed; says whether that is to be reported.
    pub(crate) fn failed(&mut self, now: Instant) -> bool {
        self.backoff.failed(now);
        self.backoff.may_warn(now)
    }

    /// When it is tried again; `None` if it never failed.
    pub(crate) const fn retry_at(&self) -> Option<Instant> {
        self.backoff.retry_at()
    }

    /// Begins to wait for some queues.
    pub(crate) fn begin(
        &mut self,
        backend: Arc<dyn Backend>,
        queues: Vec<usize>,
        names: Vec<QueueName>,
    ) {
        let future = Box::pin(async move { backend.wait(&names).await });
        self.held = Some(Held { queues, future });
    }

    /// Stops waiting. A worker that could not run a job must not be woken in another's place.
    pub(crate) fn stop(&mut self) {
        self.held = None;
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<QueueName>> {
        let Some(held) = &mut self.held else { return Poll::Pending };
        let answer = held.future.as_mut().poll(cx);
        if answer.is_ready() {
            self.held = None;
        }
        answer
    }
}
