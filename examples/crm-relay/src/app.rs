//! What the handlers share.

use std::time::Duration;

use jobq_core::Backoff;
use program::Failure;

use crate::courier::Courier;
use crate::db::Store;
use crate::jobs::MAX_ATTEMPTS;
use crate::tally::Tally;

/// How deliveries are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record")]
pub struct Policy {
    /// How long an answer is waited for.
    pub timeout: Duration,
    /// How long to wait before the next attempt, unless the receiver says.
    pub backoff: Backoff,
    /// The longest wait that a receiver may ask for.
    pub longest_retry_after: Duration,
    /// How many attempts a message has, up to [`MOST_ATTEMPTS`](crate::jobs::MOST_ATTEMPTS).
    pub max_attempts: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            backoff: Backoff::exponential(Duration::from_secs(10), Duration::from_secs(3_600)),
            longest_retry_after: Duration::from_secs(3_600),
            max_attempts: MAX_ATTEMPTS,
        }
    }
}

/// What the handlers share. Clones are the same.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct App {
    /// The tables.
    pub store: Store,
    /// How deliveries are tried.
    pub policy: Policy,
    /// Counts what becomes of messages.
    pub tally: Tally,
    pub(crate) courier: Courier,
}

impl App {
    /// What handlers over these tables share.
    ///
    /// # Errors
    ///
    /// When the machine's certificates cannot be read.
    pub fn new(store: Store, policy: Policy, tally: Tally) -> Result<Self, Failure> {
        let courier = Courier::new(policy.timeout).map_err(|error| Failure::failed(&error))?;
        Ok(Self { store, policy, tally, courier })
    }
}
