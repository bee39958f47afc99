//! What has gone wrong with a job, as bytes. The offsets are also in `lua/lib/reclaim.lua`.
//!
//! ```text
//! facts   0 failed attempts (16) · 2 crashes (16) · failures: kind (8), attempt (16), at, ms (48),
//!         worker (64), message, after its length (16)
//! ```
//!
//! Numbers are big-endian and unsigned.

use jobq_core::{Failure, FailureKind, History, Result, WorkerId};

use crate::bytes::{Reader, saturate};
use crate::error::newer;

/// What has gone wrong with a job so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) failed_attempts: u32,
    pub(crate) crashes: u32,
    pub(crate) history: History,
}

impl Facts {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend(saturate::<u16>(self.failed_attempts).to_be_bytes());
        bytes.extend(saturate::<u16>(self.crashes).to_be_bytes());
        for failure in self.history.failures() {
            bytes.push(kind_code(failure.kind));
            bytes.extend(saturate::<u16>(failure.attempt).to_be_bytes());
            bytes.extend(&failure.at.as_millis().to_be_bytes()[2..]);
            bytes.extend(failure.worker.as_u64().to_be_bytes());
            // `Failure::new` cuts messages far below 64 KiB.
            let message = failure.message.as_bytes();
            bytes.extend(saturate::<u16>(message.len()).to_be_bytes());
            bytes.extend(&message[..message.len().min(usize::from(u16::MAX))]);
        }
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let mut rest = Reader { what: "facts", bytes };
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let failed_attempts = u32::from(rest.u16()?);
        let crashes = u32::from(rest.u16()?);
        let mut history = History::new();
        while !rest.bytes.is_empty() {
            let kind = kind_of_code(rest.u8()?)?;
            let attempt = u32::from(rest.u16()?);
            let at = rest.timestamp()?;
            let worker = WorkerId::from_u64(u64::from_be_bytes(rest.array()?));
            let length = usize::from(rest.u16()?);
            let message = String::from_utf8_lossy(rest.take(length)?).into_owned();
            history.push(Failure::new(kind, attempt, at, worker, message));
        }
        Ok(Self { failed_attempts, crashes, history })
    }
}

const fn kind_code(kind: FailureKind) -> u8 {
    match kind {
        FailureKind::Panic => 2,
        FailureKind::Timeout => 3,
        FailureKind::Crash => 4,
        FailureKind::Undecodable => 5,
        FailureKind::Parent => 6,
        // A test goes over `FailureKind::EVERY`: this is none but `Error`.
        _ => 1,
    }
}

fn kind_of_code(code: u8) -> Result<FailureKind> {
    Ok(match code {
        1 => FailureKind::Error,
        2 => FailureKind::Panic,
        3 => FailureKind::Timeout,
        4 => FailureKind::Crash,
        5 => FailureKind::Undecodable,
        6 => FailureKind::Parent,
        _ => return Err(newer(&format!("a job has a failure of kind {code}"))),
    })
}

#[cfg(test)]
mod tests {
    use jobq_core::{ErrorKind, Timestamp};

    use super::*;

    #[test]
    fn a_kind_of_failure_of_a_newer_version_says_so() {
        let worker = WorkerId::from_u64(1);
        let failure = Failure::new(FailureKind::Error, 1, Timestamp::EPOCH, worker, "no route");
        let facts = Facts { history: [failure].into_iter().collect(), ..Facts::default() };
        let mut bytes = facts.encode();
        bytes[4] = 7;

        let error = Facts::decode(&bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("failure of kind 7, which a newer jobq"), "{error}");
    }

    #[test]
    fn facts_are_read_back_whole() {
        let worker = WorkerId::from_u64(u64::MAX);
        let at = Timestamp::from_millis(1_795_321_507_042);
        let failure = |kind: &FailureKind| Failure::new(*kind, 2, at, worker, "no route: ü");
        let history = FailureKind::EVERY.iter().map(failure).collect();
        let facts = Facts { failed_attempts: 4, crashes: 1, history };

        assert_eq!(Facts::decode(&facts.encode()).unwrap(), facts);
        assert_eq!(Facts::decode(&[]).unwrap(), Facts::default());
    }
}
