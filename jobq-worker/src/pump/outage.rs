//! Whether the backend can be reached, and when to try again.

use std::time::Duration;

use jobq_core::Error;
use tokio::time::Instant;

use crate::events;
use crate::readiness::{Readiness, Since};
use crate::runtime::Runtime;

/// The delays between attempts: short enough that a restart of the backend is hardly noticed, long
/// enough that a thousand workers do not keep it from coming up.
const FIRST_DELAY: Duration = Duration::from_millis(50);
const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// A failure reported from outside the pump counts for nothing this soon after a success inside it.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// When to try again what fails.
#[derive(Debug)]
pub(crate) struct Backoff {
    failures: u32,
    retry_at: Instant,
}

impl Backoff {
    pub(crate) const fn new(now: Instant) -> Self {
        Self { failures: 0, retry_at: now }
    }

    pub(crate) fn failed(&mut self, now: Instant) {
        let delay = FIRST_DELAY.saturating_mul(1 << self.failures.min(10)).min(LONGEST_DELAY);
        // Half of it at random: workers that lost the backend together do not come back together.
        self.retry_at = now + delay.mul_f64(0.5 + fastrand::f64() / 2.0);
        self.failures = self.failures.saturating_add(1);
    }

    /// There is reason to hope: it is tried at once, and if that fails, as late as before.
    pub(crate) const fn hope(&mut self, now: Instant) {
        self.retry_at = now;
    }

    pub(crate) const fn retry_at(&self) -> Instant {
        self.retry_at
    }
}

/// The connection, as the pump sees it.
#[derive(Debug, Default)]
pub(crate) struct Link {
    outage: Option<Outage>,
    succeeded_at: Option<Instant>,
}

#[derive(Debug)]
struct Outage {
    began_at: Instant,
    since: Since,
    backoff: Backoff,
}

impl Link {
    pub(crate) const fn is_down(&self) -> bool {
        self.outage.is_some()
    }

    /// Until when nothing should be sent.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.outage.as_ref().map(|outage| outage.backoff.retry_at())
    }

    /// Whether something may be sent now.
    pub(crate) fn may_try(&self, now: Instant) -> bool {
        self.retry_at().is_none_or(|retry_at| now >= retry_at)
    }

    pub(crate) fn succeeded(&mut self, now: Instant, runtime: &Runtime, draining: bool) {
        let first = self.succeeded_at.replace(now).is_none();
        let outage = self.outage.take();
        if let Some(outage) = &outage {
            events::backend_reachable(now - outage.began_at);
        }
        if (first || outage.is_some()) && !draining {
            runtime.readiness.say(Readiness::Ready);
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
        let outage = self.outage.get_or_insert_with(|| {
            events::backend_unreachable(error);
            Outage { began_at: now, since: Since::now(), backoff: Backoff::new(now) }
        });
        outage.backoff.failed(now);
        if !draining {
            let why = events::Chain(error).to_string();
            runtime.readiness.say(Readiness::Disconnected { since: outage.since, why });
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
