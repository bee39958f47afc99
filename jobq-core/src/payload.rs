//! A job's arguments in their stored form: MessagePack with named fields.
//!
//! Named fields survive what programs do over time: fields added with a default, reordered, removed.
//! A compact encoding survives only additions at the end.

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::msgpack;
use crate::text::json_fault;

/// The largest payload, in bytes: 1 MiB. Larger data belongs in a store of its own, with a reference
/// to it in the job.
pub const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;

/// Encoded arguments of a job.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Vec<u8>);

impl Payload {
    /// Encodes `value`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) when the value refuses to be serialised or is
    /// larger than [`MAX_PAYLOAD_BYTES`].
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let bytes = rmp_serde::to_vec_named(value)
            .map_err(|cause| Error::invalid_input("the payload has no encoding").because(cause))?;
        Self::from_bytes(bytes)
    }

    /// Takes over bytes that are already encoded. They are not decoded here.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) above [`MAX_PAYLOAD_BYTES`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self> {
        if bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(Error::invalid_input(format!(
                "the payload has {} bytes, more than the {MAX_PAYLOAD_BYTES} allowed: store the data \
                 elsewhere and enqueue a reference to it",
                bytes.len()
            )));
        }
        Ok(Self(bytes))
    }

    /// Encodes a JSON text, as tools give it.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for malformed JSON, with line and column, and
    /// above [`MAX_PAYLOAD_BYTES`].
    pub fn from_json(json: &str) -> Result<Self> {
        let value: serde_json::Value = serde_json::from_str(json).map_err(|cause| {
            let fault = json_fault(json, &cause);
            Error::invalid_input(format!("the payload is not valid JSON: {fault}"))
        })?;
        if let Some(number) = too_large(json) {
            return Err(Error::invalid_input(format!(
                "the payload is not valid JSON: {number} is beyond 64 bits: write it as text, in quotes"
            )));
        }
        Self::encode(&value)
    }

    /// The payload as a JSON text, for people and tools. Binary data shows as arrays of numbers.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::ErrorKind::Corrupt) when the bytes are not MessagePack, or hold a value that
    /// JSON has no form for.
    pub fn to_json(&self) -> Result<String> {
        let unreadable = |cause: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(crate::ErrorKind::Corrupt, "the payload cannot be shown as JSON")
                .because(cause)
        };
        let value: rmpv::Value =
            msgpack::value(&self.0).map_err(|cause| unreadable(cause.into()))?;
        serde_json::to_string(&value).map_err(|cause| unreadable(cause.into()))
    }

    /// Decodes the payload.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::ErrorKind::Corrupt), whose message says which field did not fit; also for values that
    /// are nested in each other more than 256 deep.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        let (value, left_over) = msgpack::read(&self.0).map_err(|cause| {
            Error::new(
                crate::ErrorKind::Corrupt,
                format!("the payload does not fit {}: {cause}", short_name::<T>()),
            )
        })?;
        if left_over == 0 {
            Ok(value)
        } else {
            Err(Error::new(
                crate::ErrorKind::Corrupt,
                format!("the payload has {left_over} bytes too many"),
            ))
        }
    }

    /// The encoded bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A whole number of a JSON text that would be kept as another, near it.
fn too_large(json: &str) -> Option<&str> {
    let (mut rest, mut in_text) = (json, false);
    while let Some(first) = rest.bytes().next() {
        let length = match first {
            b'\\' if in_text => 2,
            b'"' => {
                in_text = !in_text;
                1
            }
            b'-' | b'0'..=b'9' if !in_text => {
                let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
                let number = &rest[..rest.find(|c| !is_part(c)).unwrap_or(rest.len())];
                let is_whole = !number.contains(['.', 'e', 'E']);
                if is_whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
                    return Some(number);
                }
                number.len()
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        rest = rest.get(length..)?;
    }
    None
}

/// The last segment of a type's path: enough for a message, and nothing depends on it.
fn short_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

impl fmt::Debug for Payload {
    /// The size alone: payloads may hold secrets, and logs are read by many.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// A payload that an older version of its job type wrote.
#[derive(Clone, Debug)]
pub struct OlderPayload {
    version: u32,
    payload: Payload,
}

impl OlderPayload {
    /// A payload written by `version` of its job type.
    #[must_use]
    pub const fn new(version: u32, payload: Payload) -> Self {
        Self { version, payload }
    }

    /// The version of the job type that wrote it.
    #[must_use]
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Decodes it as the type that wrote it.
    ///
    /// # Errors
    ///
    /// As [`Payload::decode`].
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T> {
        self.payload.decode()
    }

    /// The error for a version that nobody upcasts any more.
    #[must_use]
    pub fn unsupported(&self) -> Error {
        Error::new(
            crate::ErrorKind::Corrupt,
            format!("nothing reads payloads of version {} any more", self.version),
        )
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Old {
        user: u64,
        name: String,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Reordered {
        #[serde(default)]
        added: Option<u8>,
        name: String,
        user: u64,
    }

    #[test]
    fn fields_may_be_added_and_reordered() {
        let payload = Payload::encode(&Old { user: 1, name: "a".into() }).unwrap();

        let read: Reordered = payload.decode().unwrap();
        assert_eq!(read, Reordered { added: None, name: "a".into(), user: 1 });
    }

    #[test]
    fn values_that_are_nested_too_deep_are_refused_and_end_nobody() {
        let nested = |depth: usize| {
            let bytes = [vec![0x91; depth], vec![0xc0]].concat();
            Payload::from_bytes(bytes).unwrap()
        };

        nested(200).to_json().unwrap();
        for depth in [1_000, 100_000] {
            let error = nested(depth).to_json().unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Corrupt, "{error}");
            let error = nested(depth).decode::<Box<[serde::de::IgnoredAny]>>().unwrap_err();
            assert!(error.to_string().contains("depth"), "{error}");
        }
    }

    #[test]
    fn json_goes_in_and_comes_out() {
        let payload = Payload::from_json(r#"{"user":1,"name":"a"}"#).unwrap();

        assert_eq!(payload.decode::<Old>().unwrap(), Old { user: 1, name: "a".into() });
        assert_eq!(payload.to_json().unwrap(), r#"{"name":"a","user":1}"#);
    }

    #[test]
    fn a_whole_number_that_would_be_another_is_refused() {
        for (json, number) in [
            ("18446744073709551616", "18446744073709551616"),
            (r#"{"a":["\\\"1",-9223372036854775809]}"#, "-9223372036854775809"),
        ] {
            let told = Payload::from_json(json).unwrap_err().to_string();
            assert!(told.contains(&format!("{number} is beyond 64 bits")), "{told}");
        }
        for json in [
            "[18446744073709551615,-9223372036854775808,1e30,123456789012345678901234567890.0]",
            r#"{"é\\":"18446744073709551616","18446744073709551616":"\"18446744073709551616"}"#,
        ] {
            assert!(Payload::from_json(json).is_ok(), "{json}");
        }
    }

    #[test]
    fn malformed_json_is_refused_with_its_place() {
        let error = Payload::from_json("{\"user\":").unwrap_err();

        assert!(error.to_string().contains("it ends too early, in line 1 column 8"), "{error}");
        let error = Payload::from_json(" ").unwrap_err();
        assert_eq!(error.to_string(), "the payload is not valid JSON: it is empty");
    }

    #[test]
    fn the_limit_is_exact() {
        assert!(Payload::from_bytes(vec![0; MAX_PAYLOAD_BYTES]).is_ok());
        let error = Payload::from_bytes(vec![0; MAX_PAYLOAD_BYTES + 1]).unwrap_err();
        assert!(
            error.to_string().contains("1048577 bytes, more than the 1048576 allowed"),
            "{error}"
        );
    }

    #[test]
    fn a_payload_that_does_not_fit_says_which_type_and_why() {
        let error = Payload::from_json(r#"{"user":"x"}"#).unwrap().decode::<Old>().unwrap_err();

        assert!(error.to_string().starts_with("the payload does not fit Old: "), "{error}");
    }

    #[test]
    fn hostile_bytes_are_errors_not_panics() {
        let deep = vec![0x91; 200_000];
        let long_map = vec![0xdf, 0xff, 0xff, 0xff, 0xff];
        for bytes in [deep, long_map, vec![], vec![0xc1], vec![0x01, 0x01]] {
            assert!(Payload::from_bytes(bytes).unwrap().decode::<Old>().is_err());
        }
    }
}
