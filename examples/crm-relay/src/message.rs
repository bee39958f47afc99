//! A message, on its way in or out.

use jobq_core::Timestamp;
use program::InputFault;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::input::{check_data, check_event, check_message_id, check_name};

/// How an inbox message stands. The words are those of the column `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "each has its word in the database")]
pub enum InboxStatus {
    /// Stored and acknowledged.
    Pending,
    /// A worker has begun.
    Processing,
    /// What it says was done.
    Processed,
    /// It will never be: see `last_error`.
    Failed,
}

impl InboxStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Processing, Self::Processed, Self::Failed];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Processed => "processed",
            Self::Failed => "failed",
        }
    }

    /// Reads the word for it.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// How an outbox message stands. The words are those of the column `status`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::exhaustive_enums, reason = "each has its word in the database")]
pub enum OutboxStatus {
    /// To be delivered: now, or at `next_attempt_at`.
    Pending,
    /// A delivery is under way.
    Sending,
    /// The receiver has it.
    Sent,
    /// It will never be delivered unless somebody puts it back: see `last_error`.
    Failed,
}

impl OutboxStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Sending, Self::Sent, Self::Failed];

    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }

    /// Reads the word for it.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// A message that somebody has sent to us.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewInbox {
    pub(crate) source: String,
    pub(crate) message_id: String,
    pub(crate) event: String,
    pub(crate) payload: String,
}

impl NewInbox {
    /// A message of a source, under an id of the source's.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn new(
        source: &str,
        message_id: &str,
        event: &str,
        data: &Value,
    ) -> Result<Self, InputFault> {
        Self::of_json(source, message_id, event, &data.to_string())
    }

    /// The same with data that is JSON already, and is kept as it is.
    pub(crate) fn of_json(
        source: &str,
        message_id: &str,
        event: &str,
        data: &str,
    ) -> Result<Self, InputFault> {
        check_name("source", source)?;
        check_message_id(message_id)?;
        check_event(event)?;
        check_data(data)?;
        let [source, message_id, event, payload] =
            [source, message_id, event, data].map(str::to_owned);
        Ok(Self { source, message_id, event, payload })
    }
}

/// A message to be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewOutbox {
    pub(crate) destination: String,
    pub(crate) event: String,
    pub(crate) payload: String,
    pub(crate) caller_key: Option<String>,
}

impl NewOutbox {
    /// A message to a destination. With a key, enqueueing it again under the same key adds nothing.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn new(
        destination: &str,
        event: &str,
        data: &Value,
        key: Option<&str>,
    ) -> Result<Self, InputFault> {
        Self::of_json(destination, event, &data.to_string(), key)
    }

    /// The same with data that is JSON already, and is kept and sent as it is.
    pub(crate) fn of_json(
        destination: &str,
        event: &str,
        data: &str,
        key: Option<&str>,
    ) -> Result<Self, InputFault> {
        check_name("destination", destination)?;
        check_event(event)?;
        key.map(check_message_id).transpose()?;
        check_data(data)?;
        let [destination, event, payload] = [destination, event, data].map(str::to_owned);
        Ok(Self { destination, event, payload, caller_key: key.map(str::to_owned) })
    }
}

/// An inbox message as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct InboxMessage {
    /// Its number here.
    pub id: i64,
    /// Who has sent it.
    pub source: String,
    /// What the sender calls it.
    pub message_id: String,
    /// What it is about.
    pub event: String,
    /// What it says, as JSON.
    #[serde(skip)]
    pub payload: String,
    /// How it stands.
    pub status: InboxStatus,
    /// Why it failed.
    pub last_error: Option<String>,
    /// When it was stored.
    #[serde(serialize_with = "instant")]
    pub received_at: Timestamp,
    /// When what it says was done.
    #[serde(serialize_with = "maybe_instant")]
    pub processed_at: Option<Timestamp>,
}

/// An outbox message as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OutboxMessage {
    /// Its number here.
    pub id: i64,
    /// The `Idempotency-Key` of all its deliveries.
    pub message_id: String,
    /// Where it goes.
    pub destination: String,
    /// What it is about.
    pub event: String,
    /// What it says, as JSON.
    #[serde(skip)]
    pub payload: String,
    /// How it stands.
    pub status: OutboxStatus,
    /// How many deliveries have ended, in one way or the other, since it was enqueued, or put back.
    pub attempts: u64,
    /// How many deliveries have begun: the newest one has this number.
    #[serde(skip)]
    pub begun: u64,
    /// When it may be delivered, if it is pending.
    #[serde(serialize_with = "instant")]
    pub next_attempt_at: Timestamp,
    /// Why the last delivery failed. Empty once it was sent.
    pub last_error: Option<String>,
    /// When it was enqueued.
    #[serde(serialize_with = "instant")]
    pub created_at: Timestamp,
    /// When the row was last changed.
    #[serde(serialize_with = "instant")]
    pub updated_at: Timestamp,
    /// When the receiver had it.
    #[serde(serialize_with = "maybe_instant")]
    pub sent_at: Option<Timestamp>,
}

pub(crate) fn instant<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

pub(crate) fn maybe_instant<S: Serializer>(
    at: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}
