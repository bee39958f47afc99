//! Runs one attempt: decode, run, catch, time out, classify.

use std::any::Any;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use jobq_core::{Backoff, Cancellation, JobContext, Lease, Next, Outcome, StopReason};
use tokio::time::{Instant, sleep_until};

use crate::events;
use crate::handler::Running;
use crate::inbox::Ended;
use crate::layer;
use crate::leases::LeaseKey;
use crate::registry::{Entry, Unstarted};
use crate::runtime::Runtime;
use crate::verdict::{Ending, Judge};

/// One attempt of a job. Whatever happens to it, the pump is told once that it is over.
#[derive(Debug)]
pub(crate) struct Attempt {
    runtime: Arc<Runtime>,
    key: LeaseKey,
    lease: Arc<Lease>,
    queue: usize,
    handler: usize,
    cancellation: Cancellation,
    started_at: Instant,
    /// What becomes of the job; `None` until that is known.
    next: Option<Next>,
}

impl Attempt {
    pub(crate) fn new(
        runtime: Arc<Runtime>,
        key: LeaseKey,
        lease: Arc<Lease>,
        queue: usize,
        handler: usize,
        cancellation: Cancellation,
    ) -> Self {
        let started_at = Instant::now();
        Self { runtime, key, lease, queue, handler, cancellation, started_at, next: None }
    }

    /// Runs the handler to its end, or to the end of the patience with it.
    pub(crate) async fn run(mut self) {
        self.started_at = Instant::now();
        let ending = match self.start() {
            Err(ending) => ending,
            Ok(mut handler) => {
                // Most handlers in a long queue of small jobs end with their first poll: no timer is set
                // up and nothing is listened to for those.
                let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut handler).poll(cx))).await;
                let ending = match first {
                    Poll::Ready(ending) => ending,
                    Poll::Pending => self.supervise(&mut handler).await,
                };
                handler.discard();
                ending
            }
        };
        self.next = Some(self.judge(ending));
    }

    fn entry(&self) -> &Entry {
        self.runtime.handlers.entry(self.handler)
    }

    fn start(&self) -> Result<Guarded, Ending> {
        let runtime = &*self.runtime;
        let timeout = self.lease.job.timeout;
        let context = JobContext::new(
            Arc::clone(&self.lease),
            timeout.map(|timeout| runtime.backend.clock().now() + timeout),
            self.cancellation.clone(),
            Arc::clone(&runtime.backend),
        );
        let started = catch_unwind(AssertUnwindSafe(|| {
            let handler = self.entry().start(&context, &runtime.handlers.states)?;
            Ok(layer::wrap(&runtime.handlers.layers, &context, handler))
        }));
        match started {
            Ok(Ok(handler)) => Ok(Guarded(handler)),
            Ok(Err(Unstarted::Refused(outcome))) => Err(Ending::Returned(outcome)),
            Ok(Err(Unstarted::Undecodable(error))) => {
                Err(Ending::Undecodable(events::Chain(&error).to_string()))
            }
            Err(panic) => Err(Ending::Panicked(panic_message(&*panic))),
        }
    }

    /// Runs a handler that takes its time: watches its timeout and requests to stop.
    async fn supervise(&self, handler: &mut Guarded) -> Ending {
        let timeout = async {
            match self.lease.job.timeout {
                Some(timeout) => sleep_until(self.started_at + timeout).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            ending = &mut *handler => return ending,
            _ = self.cancellation.requested() => {}
            () = timeout => {
                self.cancellation.request(StopReason::Timeout);
            }
        }
        tokio::select! {
            biased;
            ending = handler => return ending,
            () = sleep_until(self.patience_ends_at()) => {}
            _ = self.runtime.forced.requested() => {}
        }
        if self.entry().blocking {
            self.runtime.report_stuck(&self.lease, self.cancellation.reason());
        }
        Ending::Abandoned
    }

    /// Until when a handler that was just asked to stop may go on.
    fn patience_ends_at(&self) -> Instant {
        let (now, config) = (Instant::now(), &self.runtime.config);
        match self.cancellation.reason() {
            // Before the lease can be taken, and never after.
            Some(StopReason::LeaseLost) => self.runtime.leases.drop_at(self.key).unwrap_or(now),
            _ if self.entry().blocking => now + config.stuck_after,
            _ => now + config.cancel_grace,
        }
    }

    fn judge(&self, ending: Ending) -> Next {
        if let Ending::Returned(Outcome::Discard(reason)) = &ending {
            events::discarded(&self.lease, reason);
        }
        let judge = Judge {
            lease: &self.lease,
            backoff: self.entry().backoff,
            stop: self.cancellation.reason(),
            clock: self.runtime.backend.clock(),
        };
        let next = judge.decide(ending);
        events::attempt_ended(&self.lease, &next);
        next
    }
}

/// What becomes of the job of a handler that was given up from outside.
pub(crate) fn abandon(
    lease: &Lease,
    stop: Option<StopReason>,
    backoff: Backoff,
    runtime: &Runtime,
) -> Next {
    let clock = runtime.backend.clock();
    let next = Judge { lease, backoff, stop, clock }.decide(Ending::Abandoned);
    events::attempt_ended(lease, &next);
    next
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.runtime.inbox.push(Ended {
            key: self.key,
            lease: Arc::clone(&self.lease),
            queue: self.queue,
            handler: Some(self.handler),
            // No verdict: the task was dropped, and the handler with it.
            next: self.next.take().unwrap_or(Next::Release),
            took: self.started_at.elapsed(),
            lease_lost: self.cancellation.reason() == Some(StopReason::LeaseLost),
        });
    }
}

/// A handler whose panics are endings.
struct Guarded(Running);

impl Future for Guarded {
    type Output = Ending;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ending> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(outcome)) => Poll::Ready(Ending::Returned(outcome)),
            Err(panic) => Poll::Ready(Ending::Panicked(panic_message(&*panic))),
        }
    }
}

impl Guarded {
    /// Drops the handler. A panic of a destructor changes nothing about how the attempt ended.
    fn discard(self) {
        let _ = catch_unwind(AssertUnwindSafe(|| drop(self.0)));
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}
