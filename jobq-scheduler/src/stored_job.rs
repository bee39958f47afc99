//! Jobs in the form in which the definitions of schedules keep them.

use std::time::Duration;

use jobq_core::{
    Error, JobId, JobRecord, Kind, LaneKey, Metadata, Payload, Priority, QueueName, Result, Unique,
    UniqueKey, UniqueMode, UniqueScope,
};
use serde::{Deserialize, Serialize};

/// A job's record in a form that can be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredJob {
    pub(crate) queue: String,
    kind: String,
    #[serde(with = "bytes")]
    payload: Vec<u8>,
    version: u32,
    priority: u8,
    max_attempts: u32,
    max_crashes: u32,
    timeout: Option<Duration>,
    retention: Option<Duration>,
    unique: Option<StoredUnique>,
    lane: Option<String>,
    cost: u32,
    metadata: Vec<(String, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredUnique {
    key: [u8; 16],
    everywhere: bool,
    mode: StoredMode,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum StoredMode {
    UntilFinished,
    UntilStarted,
    WhileRunning,
    Throttle(Duration),
    Debounce(Duration, Option<Duration>),
    LatestWins,
}

impl StoredJob {
    pub(crate) fn of(record: &JobRecord) -> Result<Self> {
        Ok(Self {
            queue: record.queue.to_string(),
            kind: record.kind.to_string(),
            payload: record.payload.as_bytes().to_vec(),
            version: record.version,
            priority: record.priority.level(),
            max_attempts: record.max_attempts,
            max_crashes: record.max_crashes,
            timeout: record.timeout,
            retention: record.retention,
            unique: record.unique.as_ref().map(StoredUnique::of).transpose()?,
            lane: record.lane.as_ref().map(ToString::to_string),
            cost: record.cost,
            metadata: owned(record.metadata.iter()),
        })
    }

    pub(crate) fn record(&self) -> Result<JobRecord> {
        let mut record = JobRecord::new(
            JobId::from_bytes([0; 16]),
            QueueName::new(&self.queue)?,
            Kind::new(&self.kind)?,
            Payload::from_bytes(self.payload.clone())?,
        );
        record.version = self.version;
        record.priority = Priority::new(self.priority)?;
        record.max_attempts = self.max_attempts;
        record.max_crashes = self.max_crashes;
        record.timeout = self.timeout;
        record.retention = self.retention;
        record.unique = self.unique.as_ref().map(StoredUnique::unique);
        record.lane = self.lane.as_ref().map(LaneKey::new).transpose()?;
        record.cost = self.cost;
        let mut metadata = Metadata::new();
        for (key, value) in &self.metadata {
            metadata.insert(key.clone(), value.clone());
        }
        record.metadata = metadata;
        Ok(record)
    }
}

fn owned<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(String, String)> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

impl StoredUnique {
    fn of(unique: &Unique) -> Result<Self> {
        let mode = match unique.mode {
            UniqueMode::UntilFinished => StoredMode::UntilFinished,
            UniqueMode::UntilStarted => StoredMode::UntilStarted,
            UniqueMode::WhileRunning => StoredMode::WhileRunning,
            UniqueMode::Throttle { per } => StoredMode::Throttle(per),
            UniqueMode::Debounce { delay, at_most } => StoredMode::Debounce(delay, at_most),
            UniqueMode::LatestWins => StoredMode::LatestWins,
            _ => return Err(Error::invalid_input("this unique mode cannot be scheduled")),
        };
        let everywhere = unique.scope == UniqueScope::Everywhere;
        Ok(Self { key: *unique.key.as_bytes(), everywhere, mode })
    }

    fn unique(&self) -> Unique {
        let mode = match self.mode {
            StoredMode::UntilFinished => UniqueMode::UntilFinished,
            StoredMode::UntilStarted => UniqueMode::UntilStarted,
            StoredMode::WhileRunning => UniqueMode::WhileRunning,
            StoredMode::Throttle(per) => UniqueMode::Throttle { per },
            StoredMode::Debounce(delay, at_most) => UniqueMode::Debounce { delay, at_most },
            StoredMode::LatestWins => UniqueMode::LatestWins,
        };
        let unique = Unique::new(UniqueKey::from_bytes(self.key), mode);
        if self.everywhere { unique.everywhere() } else { unique }
    }
}

/// Bytes as such, and not as a list of numbers.
mod bytes {
    use std::fmt;

    use serde::de::{SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }

        from.deserialize_byte_buf(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::encoded;

    #[test]
    fn a_payload_takes_no_more_room_than_it_has_bytes() {
        let mut record = crate::faults::record("one");
        let length = |record: &JobRecord| encoded(&StoredJob::of(record).unwrap()).len();
        let before = length(&record) - record.payload.as_bytes().len();
        record.payload = Payload::from_bytes(vec![200; 5_000]).unwrap();

        assert!(length(&record) <= before + 5_003, "{}", length(&record));
    }

    #[test]
    fn a_job_comes_back_as_it_was() {
        let payload = Payload::encode("payload").unwrap();
        let mut record = JobRecord::new(
            JobId::from_bytes([0; 16]),
            QueueName::new("mail").unwrap(),
            Kind::new("send").unwrap(),
            payload,
        );
        record.lane = Some(LaneKey::new("store-1").unwrap());
        record.metadata.insert("a", "b");
        record.retention = Some(Duration::from_secs(60));
        let key = UniqueKey::from_bytes([7; 16]);
        for mode in [
            UniqueMode::UntilFinished,
            UniqueMode::UntilStarted,
            UniqueMode::WhileRunning,
            UniqueMode::Throttle { per: Duration::from_secs(1) },
            UniqueMode::Debounce { delay: Duration::from_secs(1), at_most: None },
            UniqueMode::LatestWins,
        ] {
            record.unique = Some(Unique::new(key, mode));
            let stored = StoredJob::of(&record).unwrap();
            let bytes = encoded(&stored);
            let read: StoredJob = rmp_serde::from_slice(&bytes).unwrap();
            assert_eq!(read.record().unwrap(), record);
        }
        record.unique = Some(Unique::new(key, UniqueMode::UntilFinished).everywhere());
        assert_eq!(StoredJob::of(&record).unwrap().record().unwrap(), record);
    }
}
