//! API keys: `blk_<id>_<secret>`. The id finds the key and may be shown; of the secret only a hash is
//! kept, so that who reads the table cannot call the API.

use std::fmt;
use std::str::FromStr;

use program::Failure;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Bytes of an id and of a secret.
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 24;

/// A key as its owner has it. Shown once, when it is made.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    id: String,
    secret: String,
}

impl ApiKey {
    /// A fresh key.
    ///
    /// # Errors
    ///
    /// When the machine has no random numbers to give.
    pub fn generate() -> Result<Self, NoRandomness> {
        Ok(Self { id: random_hex::<ID_BYTES>()?, secret: random_hex::<SECRET_BYTES>()? })
    }

    /// The part that finds the key, and may be shown.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is kept of the secret. A plain hash is enough: nobody guesses 192 random bits.
    #[must_use]
    pub fn secret_hash(&self) -> String {
        hex(&Sha256::digest(self.secret.as_bytes()))
    }

    /// Whether this is the key that such a hash was kept of. Takes as long for a secret that is nearly
    /// right as for any other.
    #[must_use]
    pub fn matches(&self, secret_hash: &str) -> bool {
        self.secret_hash().as_bytes().ct_eq(secret_hash.as_bytes()).into()
    }

    /// The key as its owner is given it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("blk_{}_{}", self.id, self.secret)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blk_{}_…", self.id)
    }
}

impl FromStr for ApiKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let parts = text.strip_prefix("blk_").and_then(|rest| rest.split_once('_'));
        let (id, secret) = parts.ok_or(NotAKey)?;
        let is_hex = |part: &str, bytes: usize| {
            part.len() == 2 * bytes && part.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        if is_hex(id, ID_BYTES) && is_hex(secret, SECRET_BYTES) {
            Ok(Self { id: id.to_owned(), secret: secret.to_owned() })
        } else {
            Err(NotAKey)
        }
    }
}

/// A text that is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not an API key")]
#[non_exhaustive]
pub struct NotAKey;

/// The machine has no random numbers to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine has no random numbers to give")]
#[non_exhaustive]
pub struct NoRandomness;

impl From<NoRandomness> for Failure {
    fn from(error: NoRandomness) -> Self {
        Self::failed(&error)
    }
}

/// Random bytes that nobody can foresee, in hexadecimal.
pub(crate) fn random_hex<const N: usize>() -> Result<String, NoRandomness> {
    let mut bytes = [0; N];
    let source = rustls::crypto::ring::default_provider().secure_random;
    source.fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(hex(&bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_matches_its_own_hash_alone() {
        let (key, other) = (ApiKey::generate().unwrap(), ApiKey::generate().unwrap());

        let read: ApiKey = key.reveal().parse().unwrap();

        assert_eq!(read, key);
        assert!(read.matches(&key.secret_hash()));
        assert!(!read.matches(&other.secret_hash()));
        assert!(!read.matches(""));
        assert!(!key.reveal().contains(&key.secret_hash()));
        assert!(!format!("{key:?}").contains(&key.secret));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let key = ApiKey::generate().unwrap().reveal();
        let longer = format!("{key}0");
        let wrong = key.replace("blk_", "xyz_");
        for text in ["", "blk_", "blk__", "blk_a_b", &key[..key.len() - 1], &longer, &wrong] {
            assert_eq!(text.parse::<ApiKey>(), Err(NotAKey), "{text}");
        }
    }
}
