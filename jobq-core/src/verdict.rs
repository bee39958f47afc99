//! From how an attempt ended to what becomes of its job: the one place for it. For who writes a worker.

use std::time::Duration;

use crate::backoff::{Backoff, ThreadRandom};
use crate::cancellation::StopReason;
use crate::clock::Clock;
use crate::history::{Failure, FailureKind};
use crate::lease::{Lease, Next};
use crate::outcome::Outcome;

/// How an attempt ended.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a worker makes it, and has to say which")]
pub enum Ending {
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
#[expect(clippy::exhaustive_structs, reason = "a worker makes it of what it knows")]
pub struct Judge<'a> {
    /// The lease by which the attempt was made.
    pub lease: &'a Lease,
    /// How long a job of its type waits after a failure.
    pub backoff: Backoff,
    /// Why the handler was asked to stop, if it was.
    pub stop: Option<StopReason>,
    /// By which clock failures are dated.
    pub clock: &'a dyn Clock,
}

impl Judge<'_> {
    /// What becomes of the job. What the handler decided stands; only a failure is seen in the light of
    /// the request to stop, which may be its cause. A failure that asks for no delay of its own waits for the
    /// backoff, whose jitter is random; after the last attempt the job is dead.
    #[must_use]
    pub fn decide(&self, ending: Ending) -> Next {
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

    fn failed(&self, kind: FailureKind, after: Option<Duration>, message: String) -> Next {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{ManualClock, Timestamp};
    use crate::id::{JobId, Token, WorkerId};
    use crate::name::{Kind, QueueName};
    use crate::payload::Payload;
    use crate::record::JobRecord;

    /// What becomes of a job whose handler ends like this after it was asked to stop.
    fn decided(stop: StopReason, ending: Ending) -> Next {
        let clock = ManualClock::starting_at(Timestamp::from_millis(1_800_000_000_000));
        let (queue, kind) = (QueueName::new("crm").unwrap(), Kind::new("sync").unwrap());
        let payload = Payload::encode(&1).unwrap();
        let job = JobRecord::new(JobId::from_key("a"), queue, kind, payload);
        let (token, worker) = (Token::from_u64(1), WorkerId::from_u64(1));
        let lease = Arc::new(Lease::new(job, token, worker, clock.now()));
        let judge =
            Judge { lease: &lease, backoff: Backoff::default(), stop: Some(stop), clock: &clock };
        judge.decide(ending)
    }

    fn retry() -> Outcome {
        Outcome::Retry { after: Some(Duration::from_secs(1)), message: "no".into() }
    }

    /// The second table of `outcome`.
    #[test]
    fn the_reason_to_stop_decides_about_what_is_not_done() {
        use StopReason::{Cancelled, LeaseLost, Shutdown, Timeout};
        let after = Duration::from_secs(7);
        for stop in [Cancelled, Timeout, Shutdown, LeaseLost] {
            for done in [Outcome::Done { result: None }, Outcome::Discard("gone".into())] {
                let next = decided(stop, Ending::Returned(done));
                assert_eq!(next, Next::Complete { result: None }, "{stop:?}");
            }

            let snoozed = decided(stop, Ending::Returned(Outcome::Snooze(after)));
            let dead = decided(stop, Ending::Returned(Outcome::Dead("bad".into())));
            if stop == Cancelled {
                assert_eq!((snoozed, dead), (Next::Cancel, Next::Cancel));
            } else {
                assert_eq!(snoozed, Next::Snooze { after }, "{stop:?}");
                assert!(matches!(dead, Next::Dead { .. }), "{stop:?}: {dead:?}");
            }

            for not_done in [
                Ending::Returned(Outcome::Cancelled),
                Ending::Returned(retry()),
                Ending::Panicked("oh".into()),
                Ending::Abandoned,
            ] {
                let how = format!("{stop:?}: {not_done:?}");
                match (stop, decided(stop, not_done)) {
                    (Cancelled, Next::Cancel) | (Shutdown | LeaseLost, Next::Release) => {}
                    (Timeout, Next::Retry { failure, .. }) => {
                        assert_eq!(failure.kind, FailureKind::Timeout, "{how}");
                    }
                    (_, next) => panic!("{how}: {next:?}"),
                }
            }
        }
    }
}
