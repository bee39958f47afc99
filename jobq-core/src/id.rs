//! Identities: of a job, of a worker, of one lease.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Result};
use crate::text::{as_text, shown};

/// The identity of a job: a UUID, made by the caller's side so that an enqueue can be repeated safely.
/// Its text is also its form with serde.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId([u8; 16]);

impl JobId {
    /// A fresh id (UUIDv7: ids made later sort later, to the millisecond).
    #[must_use]
    pub fn generate(clock: &dyn Clock) -> Self {
        let ms = clock.now().as_millis();
        let nanos = u32::try_from(ms % 1_000).unwrap_or(0) * 1_000_000;
        let time = uuid::Timestamp::from_unix(uuid::NoContext, ms / 1_000, nanos);
        Self(Uuid::new_v7(time).into_bytes())
    }

    /// The id that stands for `key`: the same key gives the same id, in every process and version.
    ///
    /// Use it to make an enqueue idempotent by something the caller already has, such as
    /// `"invoice-4711-reminder"`. (A UUIDv8 from the key's SHA-256.)
    #[must_use]
    pub fn from_key(key: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"jobq job id\0");
        hash.update(key.as_bytes());
        let digest = hash.finalize();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(Uuid::new_v8(bytes).into_bytes())
    }

    /// When a [generated](Self::generate) id was made; `None` for an id from a key.
    #[must_use]
    pub fn generated_at(&self) -> Option<Timestamp> {
        let (seconds, nanos) = Uuid::from_bytes(self.0).get_timestamp()?.to_unix();
        Some(Timestamp::from_millis(seconds * 1_000 + u64::from(nanos) / 1_000_000))
    }

    /// The id with these 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes of the id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Uuid::from_bytes(self.0).hyphenated(), f)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for JobId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Uuid::try_parse(text).map(|uuid| Self(uuid.into_bytes())).map_err(|_| {
            Error::invalid_input(format!(
                "job id {} is not a UUID, such as 0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e",
                shown(text)
            ))
        })
    }
}

as_text!(JobId);

/// The identity of a worker for one boot. Never derived from the host's name: two containers may share
/// one, and a restarted worker must not be taken for its former self.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(u64);

impl WorkerId {
    /// A fresh random identity.
    #[must_use]
    pub fn generate() -> Self {
        Self(fastrand::u64(1..))
    }

    /// The identity with this number.
    #[must_use]
    pub const fn from_u64(id: u64) -> Self {
        Self(id)
    }

    /// The identity as a number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The fencing token of one lease: a number that grows with every lease of a queue.
///
/// Hand it to the user's own store to refuse writes of an attempt that has lost its lease:
/// `UPDATE … SET fence = $token WHERE id = $id AND fence < $token`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(u64);

impl Token {
    /// The token with this number.
    #[must_use]
    pub const fn from_u64(token: u64) -> Self {
        Self(token)
    }

    /// The token as a number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    #[test]
    fn generated_ids_are_distinct_and_carry_their_time() {
        let clock = ManualClock::starting_at(Timestamp::from_millis(1_800_000_000_123));
        let (a, b) = (JobId::generate(&clock), JobId::generate(&clock));

        assert_ne!(a, b);
        assert_eq!(a.generated_at(), Some(clock.now()));
    }

    #[test]
    fn the_id_of_a_key_never_changes() {
        let id = JobId::from_key("invoice-4711-reminder");

        assert_eq!(id.to_string(), "41e8eba3-5403-8fe3-bfaa-4434da8ddee0");
        assert_eq!(id, JobId::from_key("invoice-4711-reminder"));
        assert_ne!(id, JobId::from_key("invoice-4712-reminder"));
        assert_eq!(id.generated_at(), None);
    }

    #[test]
    fn ids_are_read_back_from_their_text() {
        let id = JobId::from_key("x");

        assert_eq!(id.to_string().parse::<JobId>().unwrap(), id);
        assert!("4711".parse::<JobId>().unwrap_err().to_string().contains("is not a UUID"));
    }
}
