//! Keys by which equal jobs are kept from waiting twice.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// What makes a job the same as another: at most one job of a queue holds a key at a time.
///
/// A job holds its key from its enqueue until it ends (completed, dead, cancelled or deleted). The key
/// is a digest of the kind and the chosen values, so it has one size whatever went in.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct UniqueKey([u8; 16]);

impl UniqueKey {
    /// The key of jobs of `kind` for which `value` is equal.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when the value refuses to be serialised.
    pub fn new<T: Serialize + ?Sized>(kind: &str, value: &T) -> Result<Self> {
        let encoded = rmp_serde::to_vec_named(value).map_err(|cause| {
            Error::invalid_input(format!(
                "the unique key of a job of kind {kind:?} has no encoding"
            ))
            .because(cause)
        })?;
        let mut hash = Sha256::new();
        // The kind's length keeps ("ab", "c") and ("a", "bc") apart.
        hash.update((kind.len() as u64).to_be_bytes());
        hash.update(kind.as_bytes());
        hash.update(&encoded);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_of_one_kind_have_one_key() {
        let key = UniqueKey::new("crm.sync", &(7, "customer")).unwrap();

        assert_eq!(key, UniqueKey::new("crm.sync", &(7, "customer")).unwrap());
        assert_ne!(key, UniqueKey::new("crm.sync", &(8, "customer")).unwrap());
        assert_ne!(key, UniqueKey::new("crm.push", &(7, "customer")).unwrap());
    }
}
