//! The lane of a job: whose share of a queue it takes.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::text::as_text;

/// The longest lane key, in bytes.
const MAX_LEN: usize = 100;

/// Names the jobs of one tenant, store or account within a queue.
///
/// Jobs of one lane go one after the other, by priority and then by age. Lanes of equal priority take
/// turns by their [weight](crate::Limits::weight), so that a tenant with a million jobs holds up the
/// next job of another by one turn. Each lane can have [limits](crate::Limits) of its own.
///
/// 1 to 100 bytes of printable ASCII without spaces: `7`, `store-7`, `eu/acme@example.com`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneKey(Arc<str>);

impl LaneKey {
    /// The key with this text: whatever shows itself as text may be one, such as a number.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when the text breaks the rules above.
    pub fn new(key: impl fmt::Display) -> Result<Self> {
        let key = key.to_string();
        let fault = if key.is_empty() {
            "is empty"
        } else if key.len() > MAX_LEN {
            "is longer than 100 bytes"
        } else if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            "may hold only printable ASCII without spaces"
        } else {
            return Ok(Self(Arc::from(key)));
        };
        let shown: String = key.chars().take(MAX_LEN).collect();
        Err(Error::invalid_input(format!("lane key {shown:?} {fault}")))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl FromStr for LaneKey {
    type Err = Error;

    fn from_str(key: &str) -> Result<Self> {
        Self::new(key)
    }
}

as_text!(LaneKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_lanes() {
        for key in ["7", "store-7", "eu/acme@example.com", "{a}:b"] {
            assert_eq!(LaneKey::new(key).unwrap().as_str(), key);
        }
        assert_eq!(LaneKey::new(7_u32).unwrap().as_str(), "7");
    }

    #[test]
    fn what_cannot_be_shown_on_one_line_is_refused() {
        for key in ["", "a b", "a\nb", "\0", "é", &"x".repeat(101)] {
            let error = LaneKey::new(key).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidInput, "{key:?}");
        }
    }
}
