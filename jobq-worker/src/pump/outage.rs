//! Whether the backend can be reached, and when to try again.

use std::time::Duration;

use jobq_core::vitals::Condition;
use jobq_core::{Error, ErrorKind};
use tokio::time::Instant;

use crate::events;
use crate::runtime::Runtime;

/// The delays between attempts: short enough that a restart of the backend is hardly noticed, long
/// enough that a thousand workers do not keep it from coming up.
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// A failure reported from outside the pump counts for nothing this soon after a success inside it.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// How long nothing must have failed until failures that were before are forgotten: longer than the longest delay, or
/// what fails every other time would be tried as if it failed for the first time.
const CALM: Duration = Duration::from_secs(10);

/// How often one thing that fails is warned of.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// When to try again what fails, and when to warn of it. It outlives what ends a failure: that may be back in a moment.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    failed_at: Option<Instant>,
    retry_at: Option<Instant>,
    warned_at: Option<Instant>,
}

impl Backoff {
    pub(crate) fn failed(&mut self, now: Instant) {
        if self.failed_at.is_none_or(|failed_at| now >= failed_at + CALM) {
            self.failures = 0;
        }
        self.failed_at = Some(now);
        let delay = FIRST_DELAY.saturating_mul(1 << self.failures.min(10)).min(LONGEST_DELAY);
        // Half of it at random: workers that lost the backend together do not come back together.
        self.retry_at = Some(now + delay.mul_f64(0.5 + fastrand::f64() / 2.0));
        self.failures = self.failures.saturating_add(1);
    }

    /// There is reason to hope: it is tried at once, and if that fails, as late as before.
    pub(crate) const fn hope(&mut self, now: Instant) {
        self.retry_at = Some(now);
    }

    /// When what has failed is tried again.
    pub(crate) const fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// Whether a warning is due, which counts as given then.
    pub(crate) fn may_warn(&mut self, now: Instant) -> bool {
        let may = self.warned_at.is_none_or(|warned_at| now >= warned_at + WARN_EVERY);
        if may {
            self.warned_at = Some(now);
        }
        may
    }
}

/// Whether the backend has answered, if with an error: then it can be reached.
pub(crate) fn is_answer(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::TimedOut)
}

/// The connection, as the pump sees it.
#[derive(Debug, Default)]
pub(crate) struct Link {
    outage: Option<Outage>,
    backoff: Backoff,
    succeeded_at: Option<Instant>,
    /// Whether the worker was last said to be ready.
    is_ready: bool,
}

#[derive(Debug)]
struct Outage {
    began_at: Instant,
    is_reported: bool,
}

impl Link {
    pub(crate) const fn is_down(&self) -> bool {
        self.outage.is_some()
    }

    /// Until when nothing should be sent.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.outage.as_ref().and_then(|_| self.backoff.retry_at())
    }

    /// Whether something may be sent now.
    pub(crate) fn may_try(&self, now: Instant) -> bool {
        self.retry_at().is_none_or(|retry_at| now >= retry_at)
    }

    pub(crate) fn succeeded(&mut self, now: Instant, runtime: &Runtime, draining: bool) {
        self.answered(now);
        if !self.is_ready && !draining {
            self.is_ready = true;
            runtime.vitals.set(Condition::Ready);
        }
    }

    /// The backend has answered, if not as was hoped.
    pub(crate) fn answered(&mut self, now: Instant) {
        self.succeeded_at = Some(now);
        if let Some(outage) = self.outage.take().filter(|outage| outage.is_reported) {
            events::backend_reachable(now - outage.began_at);
        }
    }

    /// The backend answers, and no queue can be served all the same.
    pub(crate) fn serves_nothing(&mut self, error: &Error, runtime: &Runtime, draining: bool) {
        self.is_ready = false;
        if !draining {
            runtime.vitals.set(Condition::Disconnected(events::Chain(error).to_string()));
        }
    }

    pub(crate) fn failed(
        &mut self,
        now: Instant,
        error: &Error,
        runtime: &Runtime,
        draining: bool,
    ) {
        runtime.meters.backend_errors.add(1);
        self.outage.get_or_insert_with(|| {
            let is_reported = self.backoff.may_warn(now);
            if is_reported {
                events::backend_unreachable(error);
            }
            Outage { began_at: now, is_reported }
        });
        self.backoff.failed(now);
        self.is_ready = false;
        if !draining {
            runtime.vitals.set(Condition::Disconnected(events::Chain(error).to_string()));
        }
    }

    /// As [`failed`](Self::failed), for a call outside the pump.
    pub(crate) fn heard_of_failure(
        &mut self,
        now: Instant,
        error: &Error,
        runtime: &Runtime,
        draining: bool,
    ) {
        let trusted = self.succeeded_at.is_some_and(|at| now < at + TRUSTED_FOR);
        if !trusted && !self.is_down() {
            self.failed(now, error, runtime, draining);
        }
    }
}
