//! The limits of queues and lanes that the program gives: set before anything is leased.

use jobq_core::{Error, Result};
use tokio::time::Instant;

use super::Pump;
use crate::events;
use crate::summary::EndReason;

impl Pump {
    /// Whether limits must be set before jobs may be leased. They are set one after the other: the call
    /// is begun here unless one is under way.
    pub(super) fn must_set_limits(&mut self) -> bool {
        let Some((scope, limits)) = self.runtime.config.given_limits.get(self.limits_set) else {
            return false;
        };
        // A worker that leases nothing more has no use for them.
        if self.phase.is_draining() {
            return false;
        }
        if self.calls.is_empty() {
            let call = self.caller().set_limits(scope.clone(), limits.clone());
            self.calls.begin(call);
        }
        true
    }

    pub(super) fn limits_answered(&mut self, result: Result<()>, now: Instant) {
        match result {
            Err(error) if !error.is_transient() => {
                // It can be reached, and will not change its mind.
                self.note_link(Ok(()), now);
                self.refused = Some(self.refusal(error));
                self.drain(EndReason::Refused, now);
            }
            Err(error) => self.note_link(Err(error), now),
            Ok(()) => {
                if let Some((scope, limits)) = self.runtime.config.given_limits.get(self.limits_set)
                {
                    events::limits_set(scope, limits);
                }
                self.limits_set += 1;
                self.note_link(Ok(()), now);
            }
        }
    }

    fn refusal(&self, error: Error) -> Error {
        let scope = self.runtime.config.given_limits.get(self.limits_set);
        let what = scope.map_or_else(String::new, |(scope, _)| format!(" of {scope}"));
        let message = format!("the worker cannot start: the limits{what} are refused");
        Error::new(error.kind(), message).because(error)
    }
}
