//! From how an attempt ended to what becomes of its job: the one place for it.

use jobq_core::backoff::ThreadRandom;
use jobq_core::{Backoff, Clock, Failure, FailureKind, Lease, Next, Outcome, StopReason};

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The handler returned.
    Returned(Outcome),
    /// The handler panicked with this message.
    Panicked(String),
    /// The handler was asked to stop, did not, and was dropped or given up.
    Abandoned,
    /// The payload could not be decoded.
    Undecodable(String),
}

/// Decides about a job.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge<'a> {
    pub(crate) lease: &'a Lease,
    pub(crate) backoff: Backoff,
    /// Why the handler was asked to stop, if it was.
    pub(crate) stop: Option<StopReason>,
    pub(crate) clock: &'a dyn Clock,
}

impl Judge<'_> {
    /// What becomes of the job. What the handler decided stands; only a failure is seen in the light of
    /// the request to stop, which may be its cause.
    pub(crate) fn decide(&self, ending: Ending) -> Next {
        match ending {
            Ending::Returned(Outcome::Done { result }) => Next::Complete { result },
            Ending::Returned(Outcome::Discard(_)) => Next::Complete { result: None },
            Ending::Returned(Outcome::Snooze(after))
                if self.stop != Some(StopReason::Cancelled) =>
            {
                Next::Snooze { after }
            }
            Ending::Returned(Outcome::Dead(message))
                if self.stop != Some(StopReason::Cancelled) =>
            {
                self.dead(FailureKind::Error, message)
            }
            Ending::Undecodable(message) => self.dead(FailureKind::Undecodable, message),
            failed => self.stopped_or_failed(failed),
        }
    }

    fn stopped_or_failed(&self, ending: Ending) -> Next {
        match self.stop {
            Some(StopReason::Cancelled) => Next::Cancel,
            // Fenced: if the lease is gone by then, nothing happens.
            Some(StopReason::Shutdown | StopReason::LeaseLost) => Next::Release,
            Some(StopReason::Timeout) => {
                self.failed(FailureKind::Timeout, None, self.timeout_message(ending))
            }
            _ => match ending {
                Ending::Returned(Outcome::Retry { after, message }) => {
                    self.failed(FailureKind::Error, after, message)
                }
                Ending::Returned(_) => Next::Cancel,
                Ending::Panicked(message) => self.failed(FailureKind::Panic, None, message),
                Ending::Abandoned => Next::Release,
                Ending::Undecodable(message) => self.dead(FailureKind::Undecodable, message),
            },
        }
    }

    fn timeout_message(&self, ending: Ending) -> String {
        let limit = self.lease.job.timeout.unwrap_or_default();
        match ending {
            Ending::Returned(Outcome::Retry { message, .. }) => {
                format!("timed out after {limit:?}: {message}")
            }
            Ending::Panicked(message) => {
                format!("timed out after {limit:?}, and panicked: {message}")
            }
            _ => format!("timed out after {limit:?}"),
        }
    }

    fn failed(
        &self,
        kind: FailureKind,
        after: Option<std::time::Duration>,
        message: String,
    ) -> Next {
        if self.lease.is_last_attempt() {
            return self.dead(kind, message);
        }
        let attempt = self.lease.attempt();
        let after =
            after.unwrap_or_else(|| self.backoff.delay(attempt, &mut ThreadRandom::default()));
        Next::Retry { after, failure: self.failure(kind, message) }
    }

    fn dead(&self, kind: FailureKind, message: String) -> Next {
        Next::Dead { failure: self.failure(kind, message) }
    }

    fn failure(&self, kind: FailureKind, message: String) -> Failure {
        let (attempt, worker) = (self.lease.attempt(), self.lease.worker);
        Failure::new(kind, attempt, self.clock.now(), worker, message)
    }
}
