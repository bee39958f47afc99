//! Reads MessagePack that somebody else has written.

use rmp_serde::Deserializer;
use rmp_serde::decode::Error;
use serde::de::DeserializeOwned;

/// How deep values may be nested in each other. Each level takes some of the thread's stack, which ends the process
/// when it is used up; this many need a small part of it.
pub(crate) const MAX_DEPTH: usize = 256;

/// Nil: how `()` reads, which is stored as no result.
pub(crate) const NIL: u8 = 0xc0;

/// The first value in the bytes, and how many bytes follow it.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), Error> {
    let mut rest = bytes;
    let mut from = Deserializer::new(&mut rest);
    from.set_max_depth(MAX_DEPTH);
    let value = T::deserialize(&mut from)?;
    Ok((value, rest.len()))
}

/// The one value in the bytes; what follows it is not looked at.
pub(crate) fn value<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    read(bytes).map(|(value, _)| value)
}
