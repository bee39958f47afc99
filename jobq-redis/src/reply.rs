//! Answers of scripts, taken apart.

use std::collections::HashMap;

use jobq_core::{JobId, JobRef, LeaseRef, QueueName, Result, Token, WorkerId};
use redis::Value;

use crate::error::malformed;

/// A list.
pub(crate) fn list(value: Value) -> Result<Vec<Value>> {
    match value {
        Value::Array(items) => Ok(items),
        Value::Nil => Ok(Vec::new()),
        other => Err(malformed(&format!("a list was expected, not {}", name_of(&other)))),
    }
}

/// Bytes; a missing value is empty.
pub(crate) fn bytes(value: Value) -> Result<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Nil => Ok(Vec::new()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        other => Err(malformed(&format!("bytes were expected, not {}", name_of(&other)))),
    }
}

/// A text.
pub(crate) fn text(value: Value) -> Result<String> {
    String::from_utf8(bytes(value)?).map_err(|_| malformed("a text was expected"))
}

/// A count, as an integer or its text.
pub(crate) fn count(value: Value) -> Result<u64> {
    match value {
        Value::Int(number) => u64::try_from(number).map_err(|_| malformed("a count is negative")),
        other => {
            let text = text(other)?;
            text.parse().map_err(|_| malformed(&format!("{text:?} is not a count")))
        }
    }
}

/// A count that may be missing.
pub(crate) fn optional_count(value: Value) -> Result<Option<u64>> {
    match value {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) if bytes.is_empty() => Ok(None),
        other => count(other).map(Some),
    }
}

/// A job id.
pub(crate) fn id(value: Value) -> Result<JobId> {
    id_from(&bytes(value)?)
}

/// A job id from its bytes.
pub(crate) fn id_from(bytes: &[u8]) -> Result<JobId> {
    <[u8; 16]>::try_from(bytes)
        .map(JobId::from_bytes)
        .map_err(|_| malformed("a job id has 16 bytes"))
}

/// A job: its id, then the name of its queue, if that is not `queue`.
pub(crate) fn job_ref(bytes: &[u8], queue: &QueueName) -> Result<JobRef> {
    let (id, other) =
        bytes.split_at_checked(16).ok_or_else(|| malformed("a job begins with its id"))?;
    let queue = if other.is_empty() {
        queue.clone()
    } else {
        QueueName::new(String::from_utf8_lossy(other))?
    };
    Ok(JobRef::new(queue, id_from(id)?))
}

/// A flat list of names and values; values that are no texts are left out.
pub(crate) fn text_pairs(value: Value) -> Result<HashMap<String, String>> {
    let pairs: Vec<(Value, Value)> = match value {
        Value::Map(pairs) => pairs,
        other => {
            let mut items = list(other)?.into_iter();
            std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect()
        }
    };
    Ok(pairs
        .into_iter()
        .filter_map(|(name, value)| Some((text(name).ok()?, text(value).ok()?)))
        .collect())
}

/// Members of a sorted set with their scores, which are whole: one after the other, or in newer protocols in pairs.
pub(crate) fn scored(value: Value) -> Result<Vec<(Vec<u8>, u64)>> {
    let mut items = Vec::new();
    for item in list(value)? {
        match item {
            Value::Array(pair) => items.extend(pair),
            item => items.push(item),
        }
    }
    let mut items = items.into_iter();
    let pairs = std::iter::from_fn(|| Some((items.next()?, items.next()?)));
    let score = |score| match score {
        // As a text it would be told by its digits.
        Value::Double(score) if score >= 0.0 && score.fract() == 0.0 => Ok(score as u64),
        other => count(other),
    };
    pairs.map(|(member, at)| Ok((bytes(member)?, score(at)?))).collect()
}

/// Whether a script for queues without flow control says that this is not one. It has done nothing then.
pub(crate) fn is_flow(value: &Value) -> bool {
    matches!(value, Value::BulkString(word) if word == b"flow")
}

/// A flat list of names and values, as bytes.
pub(crate) fn pairs(value: Value) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let pairs: Vec<(Value, Value)> = match value {
        Value::Map(pairs) => pairs,
        other => {
            let mut items = list(other)?.into_iter();
            std::iter::from_fn(|| Some((items.next()?, items.next()?))).collect()
        }
    };
    pairs.into_iter().map(|(name, value)| Ok((bytes(name)?, bytes(value)?))).collect()
}

/// A lease as a member of the leased set: token, id, worker.
pub(crate) fn member(lease: LeaseRef) -> [u8; 32] {
    let mut member = [0; 32];
    member[..8].copy_from_slice(&lease.token.as_u64().to_be_bytes());
    member[8..24].copy_from_slice(lease.id.as_bytes());
    member[24..].copy_from_slice(&lease.worker.as_u64().to_be_bytes());
    member
}

/// The worker and token of a member of the leased set.
pub(crate) fn holder(member: &[u8]) -> Option<(WorkerId, Token)> {
    let token = u64::from_be_bytes(member.get(..8)?.try_into().ok()?);
    let worker = u64::from_be_bytes(member.get(24..32)?.try_into().ok()?);
    Some((WorkerId::from_u64(worker), Token::from_u64(token)))
}

const fn name_of(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nothing",
        Value::Int(_) => "an integer",
        Value::BulkString(_) | Value::SimpleString(_) | Value::Okay => "a text",
        Value::Array(_) => "a list",
        _ => "something else",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_read_in_both_protocols() {
        let member = || Value::BulkString(b"job".to_vec());
        let old = [member(), Value::BulkString(b"1732320000000".to_vec())];
        let new = [Value::Array(vec![member(), Value::Double(1_732_320_000_000.0)])];
        for answer in [old.to_vec(), new.to_vec()] {
            let read = scored(Value::Array(answer)).unwrap();
            assert_eq!(read, [(b"job".to_vec(), 1_732_320_000_000)]);
        }
        let doubles = [-1.0, 1.5, f64::NAN, f64::INFINITY].map(Value::Double);
        let texts = ["-1", "1.5", "nan", "inf"].map(|text| Value::BulkString(text.into()));
        for wrong in doubles.into_iter().chain(texts) {
            scored(Value::Array(vec![member(), wrong])).unwrap_err();
        }
    }
}
