//! Runs one attempt: decode, run, catch, time out, classify.

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use jobq_core::verdict::{Ending, Judge};
use jobq_core::{Backoff, Cancellation, JobContext, Lease, Next, Outcome, StopReason};
use tokio::time::{Instant, sleep_until};

use crate::config::LONGEST;
use crate::events;
use crate::handler::Running;
use crate::layer;
use crate::leases::LeaseKey;
use crate::mailbox::Ended;
use crate::panics;
use crate::registry::{Entry, Unstarted};
use crate::runtime::Runtime;

/// How often a handler that may go on for a while looks whether its lease still lasts, in leases.
const LOOK_EVERY: f64 = 0.05;

/// One attempt of a job. Whatever happens to it, the pump is told once that it is over.
#[derive(Debug)]
pub(crate) struct Attempt {
    runtime: Arc<Runtime>,
    key: LeaseKey,
    lease: Arc<Lease>,
    queue: usize,
    handler: usize,
    cancellation: Cancellation,
    /// When the lease is over if it was not extended since it came.
    over_at: Instant,
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
        over_at: Instant,
    ) -> Self {
        let started_at = Instant::now();
        Self { runtime, key, lease, queue, handler, cancellation, over_at, started_at, next: None }
    }

    /// Runs the handler to its end, or to the end of the patience with it.
    pub(crate) async fn run(mut self) {
        self.started_at = Instant::now();
        let ending = match self.begin() {
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

    /// Starts the handler, unless it was asked to stop, or even given up, while the attempt waited for
    /// its first turn, or its lease was over by then: then its job may run elsewhere already.
    fn begin(&self) -> Result<Guarded, Ending> {
        if let Some(timeout) = self.lease.job.timeout {
            self.runtime.leases.time_out_at(self.key, later(self.started_at, timeout));
        }
        // Nothing is given up that was not asked to stop before.
        if self.cancellation.is_requested() || self.is_over() {
            Err(Ending::Abandoned)
        } else {
            self.start()
        }
    }

    /// Whether the lease was over when the attempt had its first turn: the process was stopped meanwhile, say, and
    /// nobody has noticed yet.
    fn is_over(&self) -> bool {
        self.started_at >= self.over_at
            && self.runtime.leases.drop_at(self.key).is_none_or(|at| self.started_at >= at)
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
            Err(panic) => Err(Ending::Panicked(panics::message(panic))),
        }
    }

    /// Runs a handler that takes its time: watches its timeout and requests to stop.
    async fn supervise(&self, handler: &mut Guarded) -> Ending {
        let timeout = async {
            match self.lease.job.timeout {
                Some(timeout) => sleep_until(later(self.started_at, timeout)).await,
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
            () = self.patience() => {}
            _ = self.runtime.forced.requested() => {}
        }
        if self.entry().blocking {
            self.runtime.report_stuck(&self.lease, self.cancellation.reason());
        }
        Ending::Abandoned
    }

    /// Waits for as long as a handler that was just asked to stop may go on: never longer than its lease
    /// is sure to last, whatever it was asked to stop for.
    async fn patience(&self) {
        let config = &self.runtime.config;
        let patience_ends_at = match self.cancellation.reason() {
            Some(StopReason::LeaseLost) => None,
            _ if self.entry().blocking => Some(Instant::now() + config.stuck_after),
            _ => Some(Instant::now() + config.cancel_grace),
        };
        // The end of the lease moves: with renewals to later, and with bad news to now.
        let look_every = config.lease.mul_f64(LOOK_EVERY);
        loop {
            let now = Instant::now();
            let drop_at = self.runtime.leases.drop_at(self.key).unwrap_or(now);
            let until = patience_ends_at.map_or(drop_at, |at| at.min(drop_at));
            if now >= until {
                return;
            }
            sleep_until(until.min(now + look_every)).await;
        }
    }

    fn judge_of(&self, stop: Option<StopReason>) -> Judge<'_> {
        let backoff = self.entry().backoff;
        Judge { lease: &self.lease, backoff, stop, clock: self.runtime.backend.clock() }
    }

    fn judge(&self, ending: Ending) -> Next {
        if let Ending::Returned(Outcome::Discard(reason)) = &ending {
            events::discarded(&self.lease, reason);
        }
        let next = self.judge_of(self.cancellation.reason()).decide(ending);
        events::attempt_ended(&self.lease, &next);
        next
    }

    /// What becomes of the job if nobody came to say so.
    fn without_verdict(&self) -> Next {
        if std::thread::panicking() {
            let message = "a panic outside the handler".to_owned();
            return self.judge_of(self.cancellation.reason()).decide(Ending::Panicked(message));
        }
        // The task was dropped, and the handler with it.
        Next::Release
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
        let next = self.next.take().unwrap_or_else(|| self.without_verdict());
        self.runtime.mailbox.push(Ended {
            key: self.key,
            lease: Arc::clone(&self.lease),
            queue: self.queue,
            handler: Some(self.handler),
            next,
            took: Some(self.started_at.elapsed()),
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
            Err(panic) => Poll::Ready(Ending::Panicked(panics::message(panic))),
        }
    }
}

impl Guarded {
    /// Drops the handler. A panic of a destructor changes nothing about how the attempt ended.
    fn discard(self) {
        panics::drop_quietly(self.0);
    }
}

/// An instant that is always there: a job may have any timeout.
fn later(at: Instant, after: Duration) -> Instant {
    at.checked_add(after).unwrap_or_else(|| at + LONGEST)
}
