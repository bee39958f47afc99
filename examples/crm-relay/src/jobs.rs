//! What is done in the background: one job for each message, and one that prunes.

use std::time::Duration;

use jobq_core::{Job, QueueName};
use serde::{Deserialize, Serialize};

/// The queue of messages that have come in.
pub const INBOX_QUEUE: &str = "crm-inbox";
/// The queue of messages to be delivered.
pub const OUTBOX_QUEUE: &str = "crm-outbox";
/// The queue of what keeps the tables small.
pub const UPKEEP_QUEUE: &str = "crm-upkeep";

/// How often a message is delivered before it fails, unless told otherwise: over half a day, mostly.
pub const MAX_ATTEMPTS: u32 = 30;
/// How often it can be told to be delivered at most.
pub const MOST_ATTEMPTS: u32 = 200;

/// Does what an inbox message says.
///
/// Its worker may die ten times before the message is held to be the reason: whoever kills processes does not
/// mean a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(
    kind = "crm.process",
    queue = "crm-inbox",
    max_attempts = 5,
    max_crashes = 10,
    timeout = "60s",
    backoff = "exponential(1s..10m)"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct ProcessMessage {
    /// The number of its row in `crm_inbox`.
    pub message: i64,
}

/// Delivers an outbox message. Each destination has a lane, so that one that does not answer holds up its own
/// messages alone.
///
/// When it is tried again is told by the handler; its own backoff is for attempts that end without a word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(
    kind = "crm.deliver",
    queue = "crm-outbox",
    lane = destination,
    max_attempts = 200,
    max_crashes = 10,
    timeout = "60s",
    backoff = "exponential(5s..1h)"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct DeliverMessage {
    /// The number of its row in `crm_outbox`.
    pub message: i64,
    /// Where it goes.
    pub destination: String,
}

/// Deletes messages that were processed or sent long ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(kind = "crm.prune", queue = "crm-upkeep", max_attempts = 3, timeout = "30m")]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct PruneMessages {
    /// For how many days messages are kept.
    pub days: u32,
}

impl PruneMessages {
    /// For how long messages are kept.
    #[must_use]
    pub fn age(&self) -> Duration {
        Duration::from_secs(u64::from(self.days) * 24 * 3_600)
    }
}

/// The queue of inbox or of outbox messages.
pub(crate) fn queue_name(name: &str) -> jobq_core::Result<QueueName> {
    QueueName::new(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_a_promise() {
        assert_eq!((ProcessMessage::KIND, ProcessMessage::QUEUE), ("crm.process", INBOX_QUEUE));
        assert_eq!((DeliverMessage::KIND, DeliverMessage::QUEUE), ("crm.deliver", OUTBOX_QUEUE));
        assert_eq!((PruneMessages::KIND, PruneMessages::QUEUE), ("crm.prune", UPKEEP_QUEUE));
        assert_eq!(DeliverMessage::MAX_ATTEMPTS, MOST_ATTEMPTS);
    }
}
