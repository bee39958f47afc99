//! The signature of a webhook: HMAC-SHA256 over the time and the body, so that neither can be changed,
//! and an old message cannot be sent again for ever.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::api_key::hex;

/// The header with the seconds since 1970 at which the message was signed.
pub const TIMESTAMP_HEADER: &str = "x-bulk-timestamp";
/// The header with the signature.
pub const SIGNATURE_HEADER: &str = "x-bulk-signature";
/// The header with the name of the delivery, which is the same at each attempt: a receiver can drop a
/// repeat by it.
pub const DELIVERY_HEADER: &str = "x-bulk-delivery";

/// How far the clocks of both sides may be apart, in seconds.
pub const MAX_SKEW_S: u64 = 300;

const PREFIX: &str = "sha256=";

/// Signs a body: `sha256=` and the HMAC of `{timestamp}.{body}` in hexadecimal.
#[must_use]
pub fn sign(secret: &str, timestamp: u64, body: &[u8]) -> String {
    format!("{PREFIX}{}", hex(&mac(secret, timestamp, body).finalize().into_bytes()))
}

/// Checks the headers of a message at `now`, in seconds since 1970. In constant time.
///
/// # Errors
///
/// What is wrong with it.
pub fn verify(
    secret: &str,
    now: u64,
    timestamp: &str,
    signature: &str,
    body: &[u8],
) -> Result<(), Rejected> {
    let timestamp: u64 = timestamp.parse().map_err(|_| Rejected::Malformed)?;
    let signature = signature.strip_prefix(PREFIX).and_then(unhex).ok_or(Rejected::Malformed)?;
    mac(secret, timestamp, body).verify_slice(&signature).map_err(|_| Rejected::WrongSignature)?;
    if now.abs_diff(timestamp) > MAX_SKEW_S {
        return Err(Rejected::TooOld);
    }
    Ok(())
}

/// Why a message is not to be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejected {
    /// A header is missing or not of the form it should have.
    #[error("the headers of the signature are missing or malformed")]
    Malformed,
    /// Somebody else signed it, or it was changed.
    #[error("the signature is wrong")]
    WrongSignature,
    /// It was signed too long ago, or in the future.
    #[error("the timestamp is more than {MAX_SKEW_S} s away")]
    TooOld,
}

fn mac(secret: &str, timestamp: u64, body: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of any length.
    #[expect(clippy::expect_used, reason = "cannot fail, whatever the secret")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(timestamp.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_305_600;
    const BODY: &[u8] = br#"{"event":"bulk_job.completed"}"#;

    #[test]
    fn the_form_is_a_promise() {
        // printf '1795305600.{"event":"bulk_job.completed"}' | openssl dgst -sha256 -hmac secret
        let expected = "sha256=c633815f6f295139bfa70e1429485688cb4a6f48c49de9f32cb6bfad0dfe2722";
        assert_eq!(sign("secret", NOW, BODY), expected);
    }

    #[test]
    fn what_was_signed_is_accepted_for_five_minutes() {
        let signature = sign("secret", NOW, BODY);
        let check = |now| verify("secret", now, &NOW.to_string(), &signature, BODY);

        for now in [NOW - 300, NOW, NOW + 300] {
            assert_eq!(check(now), Ok(()));
        }
        for now in [NOW - 301, NOW + 301] {
            assert_eq!(check(now), Err(Rejected::TooOld));
        }
    }

    #[test]
    fn what_was_changed_is_rejected() {
        let (time, signature) = (NOW.to_string(), sign("secret", NOW, BODY));
        let later = (NOW + 1).to_string();

        for (secret, time, body, why) in [
            ("other", &time, BODY, Rejected::WrongSignature),
            ("secret", &later, BODY, Rejected::WrongSignature),
            ("secret", &time, &b"{}"[..], Rejected::WrongSignature),
            ("secret", &String::new(), BODY, Rejected::Malformed),
        ] {
            assert_eq!(verify(secret, NOW, time, &signature, body), Err(why));
        }
        for broken in ["", "sha256=", "sha256=zz", "sha256=0", "sha256=é0", &signature[7..]] {
            assert!(verify("secret", NOW, &time, broken, BODY).is_err(), "{broken}");
        }
    }
}
