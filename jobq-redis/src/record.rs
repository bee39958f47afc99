//! Records as bytes. The header's offsets are also in `lua/lib/base.lua`.
//!
//! ```text
//! record  0 format · 1 flags · 2 priority · 3 max crashes · 4 max attempts (16) · 6 version (16)
//!         8 enqueued at, ms (48) · then, each if its flag is set: unique digest (128), retention, s (32),
//!         timeout, ms (32), unique mode (8) with its scope (8) and two times, ms (32 each), cost (16),
//!         lane, after its length (8), batch (128) and its home, after its length (8) · kind, after its
//!         length (8) · if its flag is set: metadata, after its length (16) · payload
//! ```
//!
//! Numbers are big-endian and unsigned. What most jobs do without takes no room in them.

use std::time::Duration;

use jobq_core::{
    BatchId, BatchRef, Error, ErrorKind, JobId, JobRecord, Kind, LaneKey, Metadata, Payload,
    Priority, QueueName, Result, Timestamp, Unique, UniqueKey, UniqueMode, UniqueScope,
};

use crate::bytes::{Reader, saturate};
use crate::error::newer;

const FORMAT: u8 = 1;
const HAS_UNIQUE: u8 = 1;
const HAS_RETENTION: u8 = 2;
const HAS_TIMEOUT: u8 = 4;
const HAS_METADATA: u8 = 8;
const HAS_MODE: u8 = 16;
const HAS_COST: u8 = 32;
const HAS_LANE: u8 = 64;
const HAS_BATCH: u8 = 128;

/// A record as it is stored. Its id and queue are where it is found.
pub(crate) fn encode(record: &JobRecord, enqueued_at: Timestamp) -> Vec<u8> {
    let metadata = if record.metadata.is_empty() {
        Vec::new()
    } else {
        // A map of texts always has an encoding.
        rmp_serde::to_vec_named(&record.metadata).unwrap_or_default()
    };
    let kind = record.kind.as_str();
    let payload = record.payload.as_bytes();
    let mut bytes = Vec::with_capacity(44 + kind.len() + metadata.len() + payload.len());
    let flags = flags(record, !metadata.is_empty());
    bytes.extend([FORMAT, flags, record.priority.level(), saturate::<u8>(record.max_crashes)]);
    bytes.extend(saturate::<u16>(record.max_attempts).to_be_bytes());
    bytes.extend(saturate::<u16>(record.version).to_be_bytes());
    bytes.extend(&enqueued_at.as_millis().to_be_bytes()[2..]);
    encode_options(&mut bytes, record);
    short(&mut bytes, kind);
    if !metadata.is_empty() {
        bytes.extend(saturate::<u16>(metadata.len()).to_be_bytes());
        bytes.extend(metadata);
    }
    bytes.extend(payload);
    bytes
}

fn flags(record: &JobRecord, has_metadata: bool) -> u8 {
    let flags = [
        (record.unique.is_some(), HAS_UNIQUE),
        (record.retention.is_some(), HAS_RETENTION),
        (record.timeout.is_some(), HAS_TIMEOUT),
        (has_metadata, HAS_METADATA),
        (record.unique.is_some_and(|unique| !is_plain(&unique)), HAS_MODE),
        (record.cost != 1, HAS_COST),
        (record.lane.is_some(), HAS_LANE),
        (record.batch.is_some(), HAS_BATCH),
    ];
    flags.iter().filter(|(set, _)| *set).fold(0, |flags, (_, flag)| flags | flag)
}

/// What has a flag, up to the kind.
fn encode_options(bytes: &mut Vec<u8>, record: &JobRecord) {
    if let Some(unique) = &record.unique {
        bytes.extend(unique.key.as_bytes());
    }
    if let Some(retention) = record.retention {
        // Rounded up: what was asked to be kept is kept at least as long.
        let seconds = retention.as_millis().div_ceil(1_000);
        bytes.extend(u32::try_from(seconds).unwrap_or(u32::MAX).to_be_bytes());
    }
    if let Some(timeout) = record.timeout {
        bytes.extend(ms(timeout).to_be_bytes());
    }
    if let Some(unique) = record.unique.filter(|unique| !is_plain(unique)) {
        let (mode, first, second) = mode_code(unique.mode);
        bytes.extend([mode, u8::from(unique.scope == UniqueScope::Everywhere)]);
        bytes.extend(first.to_be_bytes());
        bytes.extend(second.to_be_bytes());
    }
    if record.cost != 1 {
        bytes.extend(saturate::<u16>(record.cost).to_be_bytes());
    }
    if let Some(lane) = &record.lane {
        short(bytes, lane.as_str());
    }
    if let Some(batch) = &record.batch {
        bytes.extend(batch.id.as_bytes());
        short(bytes, batch.queue.as_str());
    }
}

/// A text after its length, of 255 bytes at most.
fn short(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(saturate::<u8>(text.len()));
    bytes.extend(text.as_bytes());
}

/// Whether a unique key needs no more than its digest: it holds in its queue until the job ends.
fn is_plain(unique: &Unique) -> bool {
    unique.mode == UniqueMode::UntilFinished && unique.scope == UniqueScope::Queue
}

/// Whether a record can only be enqueued by the script that knows of flow control.
pub(crate) fn needs_flow(record: &JobRecord) -> bool {
    record.lane.is_some()
        || record.batch.is_some()
        || record.unique.is_some_and(|unique| !is_plain(&unique))
}

const UNTIL_FINISHED: u8 = 0;
const UNTIL_STARTED: u8 = 1;
const WHILE_RUNNING: u8 = 2;
const THROTTLE: u8 = 3;
const DEBOUNCE: u8 = 4;
const LATEST_WINS: u8 = 5;

/// The number of a mode, and its times in ms.
fn mode_code(mode: UniqueMode) -> (u8, u32, u32) {
    match mode {
        UniqueMode::UntilStarted => (UNTIL_STARTED, 0, 0),
        UniqueMode::WhileRunning => (WHILE_RUNNING, 0, 0),
        UniqueMode::Throttle { per } => (THROTTLE, ms(per), 0),
        UniqueMode::Debounce { delay, at_most } => (DEBOUNCE, ms(delay), at_most.map_or(0, ms)),
        UniqueMode::LatestWins => (LATEST_WINS, 0, 0),
        // A test goes over `UniqueMode::EVERY`: this is none but `UntilFinished`.
        _ => (UNTIL_FINISHED, 0, 0),
    }
}

fn mode_of_code((mode, first, second): (u8, u32, u32)) -> Result<UniqueMode> {
    let time = |ms| Duration::from_millis(u64::from(ms));
    Ok(match mode {
        UNTIL_FINISHED => UniqueMode::UntilFinished,
        UNTIL_STARTED => UniqueMode::UntilStarted,
        WHILE_RUNNING => UniqueMode::WhileRunning,
        THROTTLE => UniqueMode::Throttle { per: time(first) },
        DEBOUNCE => {
            UniqueMode::Debounce { delay: time(first), at_most: (second > 0).then(|| time(second)) }
        }
        LATEST_WINS => UniqueMode::LatestWins,
        _ => return Err(newer(&format!("a record has the unique mode {mode}"))),
    })
}

fn scope_of_code(scope: u8) -> Result<UniqueScope> {
    match scope {
        0 => Ok(UniqueScope::Queue),
        1 => Ok(UniqueScope::Everywhere),
        _ => Err(newer(&format!("a record has the unique scope {scope}"))),
    }
}

fn ms(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// Reads a stored record.
pub(crate) fn decode(id: JobId, queue: &QueueName, bytes: &[u8]) -> Result<JobRecord> {
    let mut rest = Reader { what: "record", bytes };
    let format = rest.u8()?;
    if format != FORMAT {
        return Err(newer(&format!("job {id} has a record of format {format}")));
    }
    let flags = rest.u8()?;
    let priority = Priority::new(rest.u8()?)?;
    let max_crashes = u32::from(rest.u8()?);
    let max_attempts = u32::from(rest.u16()?);
    let version = u32::from(rest.u16()?);
    let enqueued_at = rest.timestamp()?;
    let options = Options::decode(flags, &mut rest)?;
    let kind = Kind::new(decode_short(&mut rest)?)?;
    let metadata = if flags & HAS_METADATA == 0 {
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
    record.timeout = options.timeout;
    record.retention = options.retention;
    record.unique = options.unique;
    record.cost = options.cost;
    record.lane = options.lane;
    record.batch = options.batch;
    record.metadata = metadata;
    record.enqueued_at = enqueued_at;
    Ok(record)
}

/// What has a flag, up to the kind.
struct Options {
    unique: Option<Unique>,
    retention: Option<Duration>,
    timeout: Option<Duration>,
    cost: u32,
    lane: Option<LaneKey>,
    batch: Option<BatchRef>,
}

impl Options {
    fn decode(flags: u8, rest: &mut Reader<'_>) -> Result<Self> {
        let has = |flag| flags & flag != 0;
        let key = has(HAS_UNIQUE).then(|| rest.array()).transpose()?.map(UniqueKey::from_bytes);
        let retention = has(HAS_RETENTION).then(|| rest.u32()).transpose()?;
        let timeout = has(HAS_TIMEOUT).then(|| rest.u32()).transpose()?;
        let mut unique = key.map(Unique::from);
        if has(HAS_MODE) {
            let (mode, scope) = (rest.u8()?, scope_of_code(rest.u8()?)?);
            let mode = mode_of_code((mode, rest.u32()?, rest.u32()?))?;
            unique = key.map(|key| Unique::new(key, mode));
            if scope == UniqueScope::Everywhere {
                unique = unique.map(Unique::everywhere);
            }
        }
        let cost = if has(HAS_COST) { u32::from(rest.u16()?) } else { 1 };
        let lane = if has(HAS_LANE) { Some(LaneKey::new(decode_short(rest)?)?) } else { None };
        let batch = if has(HAS_BATCH) {
            let id = BatchId::from_bytes(rest.array()?);
            Some(BatchRef::new(QueueName::new(decode_short(rest)?)?, id))
        } else {
            None
        };
        Ok(Self {
            unique,
            retention: retention.map(|seconds| Duration::from_secs(u64::from(seconds))),
            timeout: timeout.map(|ms| Duration::from_millis(u64::from(ms))),
            cost,
            lane,
            batch,
        })
    }
}

/// A text of 255 bytes at most, after its length.
fn decode_short<'a>(rest: &mut Reader<'a>) -> Result<&'a str> {
    let length = usize::from(rest.u8()?);
    rest.text(length)
}

/// A record with another time of its enqueue.
pub(crate) fn stamped(record: &[u8], enqueued_at: Timestamp) -> Vec<u8> {
    let mut bytes = record.to_vec();
    if let Some(stamp) = bytes.get_mut(8..14) {
        stamp.copy_from_slice(&enqueued_at.as_millis().to_be_bytes()[2..]);
    }
    bytes
}

/// The enqueue time from the first 14 bytes of a record.
pub(crate) fn enqueued_at(header: &[u8]) -> Result<Timestamp> {
    let mut rest = Reader { what: "record", bytes: header };
    rest.take(8)?;
    rest.timestamp()
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
        let mode = UniqueMode::Debounce {
            delay: Duration::from_secs(30),
            at_most: Some(Duration::from_secs(300)),
        };
        record.unique = Some(Unique::new(UniqueKey::from_bytes([7; 16]), mode).everywhere());
        record.cost = 300;
        record.lane = Some(LaneKey::new("store-7").unwrap());
        record.batch = Some(BatchRef::new(queue(), BatchId::from_key("b")));
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

    /// The place of the unique mode in the full record.
    fn mode_at(record: &JobRecord, bytes: &[u8]) -> usize {
        let mut mode = vec![DEBOUNCE, 1];
        mode.extend(30_000_u32.to_be_bytes());
        assert!(record.unique.is_some());
        bytes.windows(mode.len()).position(|window| window == mode).unwrap()
    }

    #[test]
    fn a_unique_mode_of_a_newer_version_says_so() {
        let mut bytes = encode(&full_record(), Timestamp::EPOCH);
        let at = mode_at(&full_record(), &bytes);
        bytes[at] = 6;

        let error = decode(JobId::from_key("a"), &queue(), &bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains("unique mode 6, which a newer jobq wrote"), "{error}");
    }

    #[test]
    fn a_unique_scope_of_a_newer_version_says_so() {
        let mut bytes = encode(&full_record(), Timestamp::EPOCH);
        let at = mode_at(&full_record(), &bytes);
        bytes[at + 1] = 2;

        let error = decode(JobId::from_key("a"), &queue(), &bytes).unwrap_err();
        assert!(error.to_string().contains("unique scope 2, which a newer jobq wrote"), "{error}");
    }

    #[test]
    fn every_unique_mode_is_read_back() {
        for mode in UniqueMode::EVERY {
            let mut record = full_record();
            record.unique = Some(Unique::new(UniqueKey::from_bytes([7; 16]), *mode));
            let bytes = encode(&record, record.enqueued_at);

            assert_eq!(decode(record.id, &queue(), &bytes).unwrap(), record);
        }
    }
}
