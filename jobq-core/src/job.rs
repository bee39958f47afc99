//! What a job type is.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::backoff::Backoff;
use crate::error::Result;
use crate::lane::LaneKey;
use crate::payload::OlderPayload;
use crate::priority::Priority;
use crate::unique::{UniqueKey, UniqueMode, UniqueScope};

/// How often a job is tried that says nothing of it, the first attempt included.
pub const DEFAULT_MAX_ATTEMPTS: u32 = 5;

/// How many workers a job may bring down that says nothing of it.
pub const DEFAULT_MAX_CRASHES: u32 = 3;

/// A type of job: its arguments as fields, and how such jobs are queued, retried and kept.
///
/// Usually derived; the derive writes the constants below and nothing else:
///
/// ```
/// use jobq_core::Job;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Job)]
/// #[job(queue = "mail", max_attempts = 3, timeout = "60s", backoff = "exponential(2s..10m)")]
/// struct SendWelcome {
///     user: u64,
/// }
///
/// assert_eq!(SendWelcome::KIND, "send_welcome");
/// assert_eq!(SendWelcome::QUEUE, "mail");
/// ```
///
/// The constants are defaults: an enqueue may choose otherwise, and what it chose is stored with the
/// job. Only [`BACKOFF`](Self::BACKOFF) is read when a job has failed, from the worker's program.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "not a job",
    note = "derive it: `#[derive(serde::Serialize, serde::Deserialize, jobq_core::Job)]`"
)]
pub trait Job: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The stable name by which a stored job finds its handler. Renaming the type must not change it
    /// while jobs of it are waiting.
    const KIND: &'static str;
    /// The queue such jobs wait in.
    const QUEUE: &'static str = "default";
    /// How often a job is tried, the first attempt included.
    const MAX_ATTEMPTS: u32 = DEFAULT_MAX_ATTEMPTS;
    /// How long one attempt may take; `None` for as long as it likes.
    const TIMEOUT: Option<Duration> = None;
    /// When a failed job is tried again.
    const BACKOFF: Backoff = Backoff::DEFAULT;
    /// What goes first within the queue.
    const PRIORITY: Priority = Priority::DEFAULT;
    /// How long a completed or cancelled job is kept; `None` leaves nothing behind.
    const RETENTION: Option<Duration> = None;
    /// The version of the payload's schema, from 1. Raise it with every change that an older program
    /// could not read: workers of that program then leave such jobs alone.
    const VERSION: u32 = 1;
    /// How many workers a job may bring down before it is put aside as dead.
    const MAX_CRASHES: u32 = DEFAULT_MAX_CRASHES;

    /// For how long a job holds its [unique key](Self::unique_key), and what becomes of a second one.
    const UNIQUE_MODE: UniqueMode = UniqueMode::UntilFinished;
    /// Among which jobs the unique key counts.
    const UNIQUE_SCOPE: UniqueScope = UniqueScope::Queue;
    /// How much of a rate limit one such job uses up.
    const COST: u32 = 1;

    /// What makes this job the same as another; `None` if it is like no other.
    ///
    /// # Errors
    ///
    /// When the key has no encoding.
    fn unique_key(&self) -> Result<Option<UniqueKey>> {
        Ok(None)
    }

    /// Whose share of the queue this job takes; `None` if the queue is not shared out.
    ///
    /// # Errors
    ///
    /// When what the key is made of breaks the rules of [`LaneKey`].
    fn lane_key(&self) -> Result<Option<LaneKey>> {
        Ok(None)
    }

    /// Reads a payload that an older [version](Self::VERSION) wrote. By default it is read as the
    /// current one, which is right as long as every added field has a default.
    ///
    /// # Errors
    ///
    /// When the payload cannot be understood; the job then goes to the dead with this error.
    fn upcast(older: OlderPayload) -> Result<Self> {
        older.decode()
    }
}
