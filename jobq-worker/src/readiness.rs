//! Whether a worker can do its work right now, for health checks.

use std::time::Duration;

use jobq_core::Vitals;
use jobq_core::vitals::Condition;
use tokio::sync::watch;
use tokio::time::Instant;

/// Whether a worker can do its work right now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// It has not reached its backend yet.
    Starting,
    /// It leases and runs jobs.
    Ready,
    /// It cannot reach its backend, or that refuses to serve any of its queues, and it keeps trying.
    Disconnected {
        /// When it noticed.
        since: Since,
        /// What went wrong, the newest failure.
        why: String,
    },
    /// It leases no more, and finishes what runs.
    Draining,
    /// It has ended.
    Stopped,
}

impl Readiness {
    /// Whether it is [`Ready`](Self::Ready).
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }
}

/// Says how a worker is: to those who watch its readiness, and by its vitals.
#[derive(Debug)]
pub(crate) struct ReadinessTeller {
    sender: watch::Sender<Readiness>,
    vitals: Vitals,
}

impl ReadinessTeller {
    pub(crate) fn new() -> Self {
        Self { sender: watch::Sender::new(Readiness::Starting), vitals: Vitals::new("worker") }
    }

    pub(crate) fn say(&self, readiness: Readiness) {
        self.vitals.set(match &readiness {
            Readiness::Starting => Condition::Starting,
            Readiness::Ready => Condition::Ready,
            Readiness::Disconnected { why, .. } => Condition::Disconnected(why.clone()),
            Readiness::Draining => Condition::Draining,
            Readiness::Stopped => Condition::Stopped,
        });
        self.sender.send_replace(readiness);
    }

    pub(crate) fn handle(&self) -> ReadinessHandle {
        ReadinessHandle { receiver: self.sender.subscribe() }
    }

    pub(crate) const fn vitals(&self) -> &Vitals {
        &self.vitals
    }
}

/// An instant that is good for asking how long ago it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since(Instant);

impl Since {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    /// How long ago it was.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Watches the readiness of a worker. Clones watch the same one.
#[derive(Clone, Debug)]
pub struct ReadinessHandle {
    pub(crate) receiver: watch::Receiver<Readiness>,
}

impl ReadinessHandle {
    /// The readiness right now.
    #[must_use]
    pub fn current(&self) -> Readiness {
        self.receiver.borrow().clone()
    }

    /// Waits for a readiness that `wanted` accepts, at once if the present one is, and gives it;
    /// `None` if the worker is gone before. Cancel safe.
    pub async fn wait_for(
        &mut self,
        mut wanted: impl FnMut(&Readiness) -> bool,
    ) -> Option<Readiness> {
        let found = self.receiver.wait_for(|readiness| wanted(readiness)).await;
        found.ok().map(|readiness| readiness.clone())
    }
}
