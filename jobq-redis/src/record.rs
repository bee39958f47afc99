//! Records and facts as bytes. The header's offsets are also in `lua/lib/base.lua`, the facts' in
//! `lua/lib/reclaim.lua`.
//!
//! ```text
//! record  0 format · 1 flags · 2 priority · 3 max crashes · 4 max attempts (16) · 6 version (16)
//!         8 enqueued at, ms (48) · then, each if its flag is set: unique digest (128), retention, s (32),
//!         timeout, ms (32) · kind, after its length (8) · if its flag is set: metadata, after its length
//!         (16) · payload
//! facts   0 failed attempts (16) · 2 crashes (16) · failures: kind (8), attempt (16), at, ms (48),
//!         worker (64), message, after its length (16)
//! ```
//!
//! Numbers are big-endian and unsigned. What most jobs do without takes no room in them.

use std::time::Duration;

use jobq_core::{
    Error, ErrorKind, Failure, FailureKind, History, JobId, JobRecord, Kind, Metadata, Payload,
    Priority, QueueName, Result, Timestamp, UniqueKey, WorkerId,
};

const FORMAT: u8 = 1;
const HAS_UNIQUE: u8 = 1;
const HAS_RETENTION: u8 = 2;
const HAS_TIMEOUT: u8 = 4;
const HAS_METADATA: u8 = 8;

/// A record as it is stored. Its id and queue are where it is found.
pub(crate) fn encode(record: &JobRecord, enqueued_at: Timestamp) -> Vec<u8> {
    let metadata = if record.metadata.is_empty() {
        Vec::new()
    } else {
        // A map of texts always has an encoding.
        rmp_serde::to_vec_named(&record.metadata).unwrap_or_default()
    };
    let kind = record.kind.as_str().as_bytes();
    let payload = record.payload.as_bytes();
    let mut bytes = Vec::with_capacity(44 + kind.len() + metadata.len() + payload.len());
    let flags = [
        (record.unique.is_some(), HAS_UNIQUE),
        (record.retention.is_some(), HAS_RETENTION),
        (record.timeout.is_some(), HAS_TIMEOUT),
        (!metadata.is_empty(), HAS_METADATA),
    ];
    let flags = flags.iter().filter(|(set, _)| *set).fold(0, |flags, (_, flag)| flags | flag);
    bytes.extend([FORMAT, flags, record.priority.level(), saturate::<u8>(record.max_crashes)]);
    bytes.extend(saturate::<u16>(record.max_attempts).to_be_bytes());
    bytes.extend(saturate::<u16>(record.version).to_be_bytes());
    bytes.extend(&enqueued_at.as_millis().to_be_bytes()[2..]);
    if let Some(unique) = &record.unique {
        bytes.extend(unique.key.as_bytes());
    }
    if let Some(retention) = record.retention {
        // Rounded up: what was asked to be kept is kept at least as long.
        let seconds = retention.as_millis().div_ceil(1_000);
        bytes.extend(u32::try_from(seconds).unwrap_or(u32::MAX).to_be_bytes());
    }
    if let Some(timeout) = record.timeout {
        bytes.extend(u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).to_be_bytes());
    }
    bytes.push(saturate::<u8>(kind.len()));
    bytes.extend(kind);
    if !metadata.is_empty() {
        bytes.extend(saturate::<u16>(metadata.len()).to_be_bytes());
        bytes.extend(metadata);
    }
    bytes.extend(payload);
    bytes
}

/// `JobRecord::check` has bounded every number before; this only has to satisfy the types.
fn saturate<T: Saturated>(number: impl TryInto<T>) -> T {
    number.try_into().unwrap_or(T::MAX)
}

trait Saturated {
    const MAX: Self;
}

impl Saturated for u8 {
    const MAX: Self = Self::MAX;
}

impl Saturated for u16 {
    const MAX: Self = Self::MAX;
}

/// Reads a stored record.
pub(crate) fn decode(id: JobId, queue: &QueueName, bytes: &[u8]) -> Result<JobRecord> {
    let mut rest = Reader { what: "record", bytes };
    let format = rest.u8()?;
    if format != FORMAT {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "job {id} has a record of format {format}, which a newer jobq wrote: upgrade this one"
            ),
        ));
    }
    let flags = rest.u8()?;
    let priority = Priority::new(rest.u8()?)?;
    let max_crashes = u32::from(rest.u8()?);
    let max_attempts = u32::from(rest.u16()?);
    let version = u32::from(rest.u16()?);
    let enqueued_at = rest.timestamp()?;
    let has = |flag| flags & flag != 0;
    let unique = has(HAS_UNIQUE).then(|| rest.array()).transpose()?.map(UniqueKey::from_bytes);
    let retention = has(HAS_RETENTION).then(|| rest.u32()).transpose()?;
    let retention = retention.map(|seconds| Duration::from_secs(u64::from(seconds)));
    let timeout = has(HAS_TIMEOUT).then(|| rest.u32()).transpose()?;
    let timeout = timeout.map(|ms| Duration::from_millis(u64::from(ms)));
    let kind_length = usize::from(rest.u8()?);
    let kind = Kind::new(rest.text(kind_length)?)?;
    let metadata = if !has(HAS_METADATA) {
        Metadata::new()
    } else {
        let length = usize::from(rest.u16()?);
        rmp_serde::from_slice(rest.take(length)?).map_err(|cause| {
            Error::new(ErrorKind::Corrupt, format!("the metadata of job {id} is unreadable"))
                .because(cause)
        })?
    };
    let payload = Payload::from_bytes(rest.bytes.to_vec())?;
    let mut record = JobRecord::new(id, queue.clone(), kind, payload);
    record.version = version;
    record.priority = priority;
    record.max_attempts = max_attempts;
    record.max_crashes = max_crashes;
    record.timeout = timeout;
    record.retention = retention;
    record.unique = unique.map(Into::into);
    record.metadata = metadata;
    record.enqueued_at = enqueued_at;
    Ok(record)
}

/// The enqueue time from the first 14 bytes of a record.
pub(crate) fn enqueued_at(header: &[u8]) -> Result<Timestamp> {
    let mut rest = Reader { what: "record", bytes: header };
    rest.take(8)?;
    rest.timestamp()
}

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
            let kind = kind_of_code(rest.u8()?);
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
        _ => 1,
    }
}

const fn kind_of_code(code: u8) -> FailureKind {
    match code {
        2 => FailureKind::Panic,
        3 => FailureKind::Timeout,
        4 => FailureKind::Crash,
        5 => FailureKind::Undecodable,
        _ => FailureKind::Error,
    }
}

struct Reader<'a> {
    what: &'static str,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(length).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, format!("stored {} end too early", self.what))
        })?;
        self.bytes = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn timestamp(&mut self) -> Result<Timestamp> {
        let mut ms = [0; 8];
        ms[2..].copy_from_slice(self.take(6)?);
        Ok(Timestamp::from_millis(u64::from_be_bytes(ms)))
    }

    fn text(&mut self, length: usize) -> Result<&'a str> {
        std::str::from_utf8(self.take(length)?).map_err(|_| {
            Error::new(ErrorKind::Corrupt, format!("stored {} hold no text", self.what))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> QueueName {
        QueueName::new("mail").unwrap()
    }

    fn full_record() -> JobRecord {
        let payload = Payload::encode("hello").unwrap();
        let mut record = JobRecord::new(
            JobId::from_key("a"),
            queue(),
            Kind::new("send_welcome").unwrap(),
            payload,
        );
        record.version = 3;
        record.priority = Priority::new(9).unwrap();
        record.max_attempts = 65_535;
        record.max_crashes = 255;
        record.timeout = Some(Duration::from_millis(1_500));
        record.retention = Some(Duration::from_secs(604_800));
        record.unique = Some(UniqueKey::from_bytes([7; 16]).into());
        record.metadata.insert("tenant", "7");
        record.enqueued_at = Timestamp::from_millis(1_795_321_507_042);
        record
    }

    #[test]
    fn a_record_is_read_back_whole() {
        let plain = JobRecord::new(
            JobId::from_key("b"),
            queue(),
            Kind::new("k").unwrap(),
            Payload::from_bytes(Vec::new()).unwrap(),
        );
        for record in [full_record(), plain] {
            let bytes = encode(&record, record.enqueued_at);

            assert_eq!(decode(record.id, &queue(), &bytes).unwrap(), record);
            assert_eq!(enqueued_at(&bytes).unwrap(), record.enqueued_at);
        }
    }

    #[test]
    fn a_record_that_ends_early_is_an_error_wherever_it_ends() {
        let record = full_record();
        let bytes = encode(&record, record.enqueued_at);
        let header = bytes.len() - record.payload.as_bytes().len();

        for end in 0..header {
            let error = decode(record.id, &queue(), &bytes[..end]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "cut at {end}");
        }
    }

    #[test]
    fn a_record_of_a_newer_format_says_so() {
        let mut bytes = encode(&full_record(), Timestamp::EPOCH);
        bytes[0] = 9;

        let error = decode(JobId::from_key("a"), &queue(), &bytes).unwrap_err();
        assert!(error.to_string().contains("format 9, which a newer jobq wrote"), "{error}");
    }

    #[test]
    fn facts_are_read_back_whole() {
        let worker = WorkerId::from_u64(u64::MAX);
        let at = Timestamp::from_millis(1_795_321_507_042);
        let history =
            [FailureKind::Error, FailureKind::Panic, FailureKind::Timeout, FailureKind::Crash]
                .map(|kind| Failure::new(kind, 2, at, worker, "no route: ü"))
                .into_iter()
                .collect();
        let facts = Facts { failed_attempts: 4, crashes: 1, history };

        assert_eq!(Facts::decode(&facts.encode()).unwrap(), facts);
        assert_eq!(Facts::decode(&[]).unwrap(), Facts::default());
    }
}
