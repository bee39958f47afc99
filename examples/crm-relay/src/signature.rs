//! The signature of a message: HMAC-SHA256 over its id, the time and the body, so that none of them can be
//! changed, and an old message cannot be sent again for ever.
//!
//! ```text
//! Idempotency-Key: 0192f3c1-7d0e-7a4b-9d6b-0242ac120002
//! X-Crm-Signature: t=1795305600,v1=5f2c…,v1=09ab…
//! ```
//!
//! Each `v1` is the HMAC-SHA256, in hexadecimal, of `{Idempotency-Key}.{t}.{body}` under one secret. A receiver
//!
//! 1. takes the body as it came, byte by byte, before anything parses it;
//! 2. computes the HMAC under its own secret, and compares it with each `v1`, in constant time: one that
//!    matches is enough, any others are for other secrets;
//! 3. refuses a message whose `t` is more than five minutes away from its clock;
//! 4. remembers the `Idempotency-Key` for some days, and answers a repeat with success without doing
//!    anything.
//!
//! While a secret is changed there are two `v1`, one by the new secret and one by the old: the receiver can take
//! over the new one at any time within the overlap. [`verify`] does steps 2 and 3.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The header with the id of the message, the same at each attempt: a receiver can drop a repeat by it.
pub const KEY_HEADER: &str = "idempotency-key";
/// The header with the time, and the signatures.
pub const SIGNATURE_HEADER: &str = "x-crm-signature";
/// The header with the event. It is also in the body, which is signed.
pub const EVENT_HEADER: &str = "x-crm-event";

/// How far the clocks of both sides may be apart, in seconds.
pub const MAX_SKEW_S: u64 = 300;
/// How many signatures are looked at.
const MOST: usize = 8;

/// What the signature header of a message says, signed under each of these secrets.
#[must_use]
pub fn sign<S: AsRef<str>>(secrets: &[S], key: &str, seconds: u64, body: &[u8]) -> String {
    let mut header = format!("t={seconds}");
    for secret in secrets {
        header.push_str(",v1=");
        header.push_str(&hex(&mac(secret.as_ref(), key, seconds, body).finalize().into_bytes()));
    }
    header
}

/// Checks the headers of a message at `now`, in seconds since 1970, under any of these secrets. In constant
/// time.
///
/// # Errors
///
/// What is wrong with it.
pub fn verify<S: AsRef<str>>(
    secrets: &[S],
    now: u64,
    key: &str,
    signature: &str,
    body: &[u8],
) -> Result<(), Rejected> {
    let mut seconds = None;
    let mut signatures = Vec::new();
    for part in signature.split(',') {
        match part.trim().split_once('=') {
            Some(("t", text)) => seconds = text.parse::<u64>().ok(),
            Some(("v1", text)) if signatures.len() < MOST => {
                signatures.push(unhex(text).ok_or(Rejected::Malformed)?);
            }
            // A later version of the signature may stand beside this one.
            _ => {}
        }
    }
    let seconds = seconds.ok_or(Rejected::Malformed)?;
    if key.is_empty() || signatures.is_empty() {
        return Err(Rejected::Malformed);
    }
    let mut is_good = false;
    for secret in secrets {
        let mac = mac(secret.as_ref(), key, seconds, body);
        for signature in &signatures {
            is_good |= mac.clone().verify_slice(signature).is_ok();
        }
    }
    if !is_good {
        return Err(Rejected::WrongSignature);
    }
    if now.abs_diff(seconds) > MAX_SKEW_S {
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
    #[error("it was signed more than {MAX_SKEW_S} s away from now")]
    TooOld,
}

fn mac(secret: &str, key: &str, seconds: u64, body: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of any length.
    #[expect(clippy::expect_used, reason = "cannot fail, whatever the secret")]
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length will do");
    mac.update(key.as_bytes());
    mac.update(b".");
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    mac
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

/// The machine has no random numbers to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine has no random numbers to give")]
#[non_exhaustive]
pub struct NoRandomness;

/// A secret that nobody can foresee: 192 random bits in hexadecimal.
///
/// # Errors
///
/// When the machine has no random numbers to give.
pub fn random_secret() -> Result<String, NoRandomness> {
    let mut bytes = [0; 24];
    let source = rustls::crypto::ring::default_provider().secure_random;
    source.fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_305_600;
    const BODY: &[u8] = br#"{"event":"contact.updated"}"#;

    fn check(now: u64, key: &str, header: &str, body: &[u8]) -> Result<(), Rejected> {
        verify(&["secret"], now, key, header, body)
    }

    #[test]
    fn the_form_is_a_promise() {
        // printf 'm-1.1795305600.{"event":"contact.updated"}' | openssl dgst -sha256 -hmac secret
        let expected =
            "t=1795305600,v1=cf3b41c4dc415ab91d4192704b0c7f14e35938718b561657aa953a32d2590b5c";
        assert_eq!(sign(&["secret"], "m-1", NOW, BODY), expected);
    }

    #[test]
    fn what_was_signed_is_accepted_for_five_minutes() {
        let header = sign(&["secret"], "m-1", NOW, BODY);

        for now in [NOW - 300, NOW, NOW + 300] {
            assert_eq!(check(now, "m-1", &header, BODY), Ok(()));
        }
        for now in [NOW - 301, NOW + 301] {
            assert_eq!(check(now, "m-1", &header, BODY), Err(Rejected::TooOld));
        }
    }

    #[test]
    fn while_a_secret_is_changed_either_will_do() {
        let header = sign(&["new", "old"], "m-1", NOW, BODY);

        for secrets in [&["new"][..], &["old"], &["old", "other"]] {
            assert_eq!(verify(secrets, NOW, "m-1", &header, BODY), Ok(()));
        }
        let other = verify(&["other"], NOW, "m-1", &header, BODY);
        assert_eq!(other, Err(Rejected::WrongSignature));
    }

    #[test]
    fn what_was_changed_is_rejected() {
        let header = sign(&["secret"], "m-1", NOW, BODY);
        let later = header.replace("t=1795305600", "t=1795305601");

        for (key, header, body) in
            [("m-2", &header, BODY), ("m-1", &later, BODY), ("m-1", &header, &b"{}"[..])]
        {
            assert_eq!(check(NOW, key, header, body), Err(Rejected::WrongSignature));
        }
        let (_, hex) = header.split_once(",v1=").unwrap();
        for broken in [
            "",
            "t=1795305600",
            hex,
            &format!("v1={hex}"),
            &format!("t=x,v1={hex}"),
            "t=1795305600,v1=zz",
            "t=1795305600,v1=é0",
            "t=1795305600,v1=0",
        ] {
            assert_eq!(check(NOW, "m-1", broken, BODY), Err(Rejected::Malformed), "{broken}");
        }
        assert_eq!(check(NOW, "", &header, BODY), Err(Rejected::Malformed));
        assert!(check(NOW, "m-1", "t=1795305600,v1=", BODY).is_err());
    }
}
