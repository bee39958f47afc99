//! Keys by which equal jobs are kept from waiting twice.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::canonical::canonical;
use crate::duration;
use crate::error::{Error, Result};
use crate::every::every;
use crate::text::{as_text, shown};

/// What makes a job unique: a key, for how long a job holds it, and where no other may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unique {
    /// What makes it the same as another.
    pub key: UniqueKey,
    /// For how long a job holds the key, and what becomes of a second one.
    pub mode: UniqueMode,
    /// Among which jobs the key counts.
    pub scope: UniqueScope,
}

impl Unique {
    /// A key that a job holds in its queue as `mode` says.
    #[must_use]
    pub const fn new(key: UniqueKey, mode: UniqueMode) -> Self {
        Self { key, mode, scope: UniqueScope::Queue }
    }

    /// The same, among all queues.
    #[must_use]
    pub const fn everywhere(mut self) -> Self {
        self.scope = UniqueScope::Everywhere;
        self
    }

    /// Refuses what no backend could keep.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput), naming the time and its limit, or the scope.
    pub fn check(&self) -> Result<()> {
        let possible = |what: &str, time: Duration| {
            if (MIN_TIME..=MAX_TIME).contains(&time) {
                Ok(())
            } else {
                Err(Error::invalid_input(format!(
                    "{what} of {} is not possible: 1ms to 49d",
                    duration::text(time)
                )))
            }
        };
        match self.mode {
            UniqueMode::Throttle { per } => possible("a throttle", per)?,
            UniqueMode::Debounce { delay, at_most } => {
                possible("a debounce", delay)?;
                let at_most = at_most.unwrap_or(delay);
                possible("the most a debounce may add up to,", at_most)?;
                if at_most < delay {
                    return Err(Error::invalid_input(format!(
                        "a debounce of {} cannot add up to at most {}",
                        duration::text(delay),
                        duration::text(at_most)
                    )));
                }
            }
            _ => {}
        }
        match self.scope {
            UniqueScope::Everywhere if !self.mode.refuses() => Err(Error::invalid_input(
                "a unique key counts among all queues only in the modes until_finished, until_started \
                 and throttle: the others change a job that waits, which may be in another queue",
            )),
            _ => Ok(()),
        }
    }
}

impl UniqueMode {
    /// Whether a second job is refused, and no other touched.
    const fn refuses(self) -> bool {
        matches!(self, Self::UntilFinished | Self::UntilStarted | Self::Throttle { .. })
    }
}

impl From<UniqueKey> for Unique {
    fn from(key: UniqueKey) -> Self {
        Self::new(key, UniqueMode::UntilFinished)
    }
}

/// The times of unique modes fit 32 bits of milliseconds.
const MIN_TIME: Duration = Duration::from_millis(1);
const MAX_TIME: Duration = Duration::from_millis(u32::MAX as u64);

/// For how long a job holds its unique key, and what becomes of a second job with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UniqueMode {
    /// From the enqueue until the job ends: a second one is a
    /// [`Duplicate`](crate::Enqueued::Duplicate) of it, also while it runs or backs off.
    #[default]
    UntilFinished,
    /// From the enqueue until it is first leased: a second one is a duplicate only as long as the first
    /// has not started.
    UntilStarted,
    /// While it is leased: any number may wait, one runs at a time.
    WhileRunning,
    /// For a time that starts with the enqueue, whatever becomes of the job, unless it is cancelled or
    /// deleted: a second one within it is a duplicate.
    Throttle {
        /// How long.
        per: Duration,
    },
    /// The job waits for a delay that starts anew with each further one, and the newest takes the place
    /// of the one before: that ends as cancelled. Held until it is first leased.
    Debounce {
        /// How long after the newest enqueue the job is due.
        delay: Duration,
        /// How long after the first enqueue it is due whatever comes.
        at_most: Option<Duration>,
    },
    /// One runs and one waits: a further one takes the place of the one that waits, which ends as
    /// cancelled. The one that waits is not leased before the other's lease has ended.
    LatestWins,
}

impl UniqueMode {
    every!(
        UntilFinished,
        UntilStarted,
        WhileRunning,
        Throttle { per: MIN_TIME },
        Debounce { delay: MIN_TIME, at_most: Some(MAX_TIME) },
        LatestWins,
    );

    /// Whether a job with this mode takes the place of one that waits with its key.
    pub(crate) const fn replaces(self) -> bool {
        matches!(self, Self::Debounce { .. } | Self::LatestWins)
    }

    /// Whether a job with this mode may be a [`Duplicate`](crate::Enqueued::Duplicate) of the one that
    /// holds its key, and so not be added.
    #[must_use]
    pub const fn makes_duplicates(self) -> bool {
        !matches!(self, Self::WhileRunning)
    }
}

/// Among which jobs a unique key counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UniqueScope {
    /// Those of the queue.
    #[default]
    Queue,
    /// Those of all queues. Only for the modes that refuse a second job: until finished, until started,
    /// throttle. On Redis this needs a server that is no cluster.
    Everywhere,
}

/// What makes a job the same as another.
///
/// The key is a digest of the kind and of what the chosen values are in JSON, so it has one size whatever
/// went in. Values that are the same JSON have the same key, whatever their types: `7_u8`, `7_i64` and `7.0`,
/// a struct and a map with its fields in any order, an `Option` and what is in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UniqueKey([u8; 16]);

impl UniqueKey {
    /// The key of jobs of `kind` for which `value` is equal.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when the value has no form in JSON, such as a map
    /// whose keys are structs.
    pub fn new<T: Serialize + ?Sized>(kind: &str, value: &T) -> Result<Self> {
        let json = serde_json::to_string(value).map_err(|cause| {
            Error::invalid_input(format!(
                "what makes a job of kind {kind:?} unique has no form in JSON: {cause}"
            ))
            .because(cause)
        })?;
        Self::from_json(kind, &json)
    }

    /// The same key, of a value that is given as JSON, as tools give it: of a type that lists fields, the
    /// array of their values.
    ///
    /// ```
    /// use jobq_core::UniqueKey;
    ///
    /// let key = UniqueKey::new("crm.sync", &(7_u32, "customer"))?;
    /// assert_eq!(UniqueKey::from_json("crm.sync", r#"[7, "customer"]"#)?, key);
    /// # Ok::<(), jobq_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for malformed JSON, with line and column.
    pub fn from_json(kind: &str, json: &str) -> Result<Self> {
        let form = canonical(json).map_err(|fault| {
            Error::invalid_input(format!("what makes a job unique is not valid JSON: {fault}"))
        })?;
        let mut hash = Sha256::new();
        // The kind's length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((kind.len() as u64).to_be_bytes());
        hash.update(kind.as_bytes());
        hash.update(form.as_bytes());
        let digest = hash.finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Ok(Self(key))
    }

    /// The key with these 16 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for UniqueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for UniqueKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for UniqueKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        u128::from_str_radix(text, 16)
            .ok()
            .filter(|_| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .map(|key| Self(key.to_be_bytes()))
            .ok_or_else(|| {
                Error::invalid_input(format!(
                    "unique key {} is not 32 hexadecimal digits",
                    shown(text)
                ))
            })
    }
}

as_text!(UniqueKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_backend_could_keep_is_refused() {
        let key = UniqueKey::from_bytes([1; 16]);
        let second = Duration::from_secs(1);
        let debounce = |at_most| UniqueMode::Debounce { delay: second, at_most };
        for unique in [
            Unique::new(key, UniqueMode::Throttle { per: Duration::ZERO }),
            Unique::new(key, debounce(Some(second / 2))),
            Unique::new(key, debounce(None)).everywhere(),
            Unique::new(key, UniqueMode::LatestWins).everywhere(),
            Unique::new(key, UniqueMode::WhileRunning).everywhere(),
        ] {
            assert!(unique.check().is_err(), "{unique:?}");
        }
        for unique in [
            Unique::new(key, debounce(None)),
            Unique::new(key, UniqueMode::UntilStarted).everywhere(),
            Unique::new(key, UniqueMode::Throttle { per: second }).everywhere(),
        ] {
            assert!(unique.check().is_ok(), "{unique:?}");
        }
    }

    #[test]
    fn the_key_of_a_value_never_changes() {
        let key = UniqueKey::new("crm.sync", &(7, "customer", 0.5, None::<u8>)).unwrap();

        assert_eq!(key.to_string(), "8c2ce020e5431c88ed434fd2898a6367");
    }

    #[test]
    fn equal_values_of_one_kind_have_one_key() {
        let key = UniqueKey::new("crm.sync", &(7, "customer")).unwrap();

        assert_eq!(key, UniqueKey::new("crm.sync", &(7, "customer")).unwrap());
        assert_ne!(key, UniqueKey::new("crm.sync", &(8, "customer")).unwrap());
        assert_ne!(key, UniqueKey::new("crm.push", &(7, "customer")).unwrap());
    }
}
