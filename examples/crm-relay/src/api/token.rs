//! What callers have to show.

use std::fmt;

use axum::http::{HeaderMap, header};
use program::InputFault;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A token shorter than this can be guessed.
const SHORTEST: usize = 16;

/// What callers have to show as `Authorization: Bearer …`. Only a hash is kept.
#[derive(Clone)]
pub struct Token {
    hash: [u8; 32],
}

impl Token {
    /// The token of this text.
    ///
    /// # Errors
    ///
    /// When it is so short that it could be guessed.
    pub fn new(text: &str) -> Result<Self, InputFault> {
        if text.len() < SHORTEST {
            let message = format!(
                "the token has less than {SHORTEST} characters: make one by `openssl rand -hex 24`, and give \
                 it as CRM_TOKEN"
            );
            return Err(InputFault::new("weak_token", message));
        }
        Ok(Self { hash: Sha256::digest(text.as_bytes()).into() })
    }

    /// Whether a request shows it. Takes as long for one that is nearly right as for any other.
    pub(super) fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some((scheme, text)) = shown.and_then(|value| value.split_once(' ')) else {
            return false;
        };
        let hash: [u8; 32] = Sha256::digest(text.trim().as_bytes()).into();
        scheme.eq_ignore_ascii_case("bearer") && bool::from(hash.ct_eq(&self.hash))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_token_itself_will_do() {
        let token = Token::new("0123456789abcdef").unwrap();
        for (shown, is_good) in [
            ("Bearer 0123456789abcdef", true),
            ("bearer 0123456789abcdef", true),
            ("Bearer 0123456789abcdeF", false),
            ("Bearer 0123456789abcde", false),
            ("Bearer 0123456789abcdef0", false),
            ("Basic 0123456789abcdef", false),
            ("0123456789abcdef", false),
            ("Bearer ", false),
            ("", false),
        ] {
            let value = HeaderValue::from_str(shown).unwrap();
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
            assert_eq!(token.is_shown(&headers), is_good, "{shown}");
        }
        assert!(!token.is_shown(&HeaderMap::new()));
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn a_token_that_could_be_guessed_is_refused() {
        assert_eq!(Token::new("secret").unwrap_err().code(), "weak_token");
    }
}
