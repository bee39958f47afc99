//! A job as a row of the outbox, and back.
//!
//! What people look for has columns of its own. The rest is JSON, so that they can read it, and put right
//! what was set aside. Whatever is at its default is left out.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::batch::BatchRef;
use crate::clock::{Timestamp, whole_millis};
use crate::error::{Error, ErrorKind, Result};
use crate::job_ref::JobRef;
use crate::lane::LaneKey;
use crate::metadata::Metadata;
use crate::name::{Kind, QueueName};
use crate::parents::{OnParentFailure, Parent};
use crate::payload::Payload;
use crate::priority::Priority;
use crate::record::{JobRecord, NewJob, When};
use crate::unique::{Unique, UniqueMode, UniqueScope};

/// The newest form of options that this version writes and reads.
const FORMAT: u32 = 1;

/// A row, as it is in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sql) struct Row {
    pub(in crate::sql) id: String,
    pub(in crate::sql) queue: String,
    pub(in crate::sql) kind: String,
    pub(in crate::sql) payload: Vec<u8>,
    pub(in crate::sql) options: String,
}

impl Row {
    pub(in crate::sql) fn of(job: &NewJob) -> Self {
        Self {
            id: job.record.id.to_string(),
            queue: job.record.queue.as_str().to_owned(),
            kind: job.record.kind.as_str().to_owned(),
            payload: job.record.payload.as_bytes().to_owned(),
            // Numbers and texts always have a form in JSON.
            options: serde_json::to_string(&Options::of(job)).unwrap_or_default(),
        }
    }

    /// The job, `age` after it was enqueued.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](ErrorKind::Corrupt) and [`InvalidInput`](ErrorKind::InvalidInput) for what no queue
    /// could ever take.
    pub(in crate::sql) fn into_job(self, age: Duration) -> Result<NewJob> {
        let options = Options::read(&self.options)?;
        let queue = QueueName::new(&self.queue)?;
        let payload = Payload::from_bytes(self.payload)?;
        let record = JobRecord::new(self.id.parse()?, queue, Kind::new(&self.kind)?, payload);
        let job = options.applied(record, age)?;
        job.check()?;
        Ok(job)
    }
}

/// What a row says of its job beside the columns. A name that is not known is an error: an option that
/// is passed over would be one that is lost.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    format: u32,
    version: u32,
    priority: u8,
    max_attempts: u32,
    max_crashes: u32,
    cost: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timeout_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retention_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unique: Option<UniqueOption>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lane: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch: Option<Place>,
    #[serde(default, skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    after_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parents: Vec<Place>,
    #[serde(default, skip_serializing_if = "FailurePolicy::is_default")]
    on_parent_failure: FailurePolicy,
}

/// The format alone, of whatever else there is.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// A job or a batch, by its queue and id.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    queue: String,
    id: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct UniqueOption {
    key: String,
    mode: Mode,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    everywhere: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Mode {
    UntilFinished,
    UntilStarted,
    WhileRunning,
    Throttle { per_ms: u64 },
    Debounce { delay_ms: u64, at_most_ms: Option<u64> },
    LatestWins,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FailurePolicy {
    #[default]
    Fail,
    Skip,
    Continue,
}

impl FailurePolicy {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Options {
    fn of(job: &NewJob) -> Self {
        let record = &job.record;
        let place = |queue: &QueueName, id: String| Place { queue: queue.as_str().to_owned(), id };
        let (at_ms, after_ms) = match job.when {
            When::Now => (None, None),
            When::At(instant) => (Some(instant.as_millis()), None),
            When::After(delay) => (None, Some(whole_millis(delay))),
        };
        Self {
            format: FORMAT,
            version: record.version,
            priority: record.priority.level(),
            max_attempts: record.max_attempts,
            max_crashes: record.max_crashes,
            cost: record.cost,
            timeout_ms: record.timeout.map(whole_millis),
            retention_ms: record.retention.map(whole_millis),
            unique: record.unique.as_ref().map(UniqueOption::of),
            lane: record.lane.as_ref().map(|lane| lane.as_str().to_owned()),
            batch: record.batch.as_ref().map(|batch| place(&batch.queue, batch.id.to_string())),
            metadata: record.metadata.clone(),
            at_ms,
            after_ms,
            parents: job
                .parents
                .iter()
                .map(|parent| place(&parent.job.queue, parent.job.id.to_string()))
                .collect(),
            on_parent_failure: match job.on_parent_failure {
                OnParentFailure::Fail => FailurePolicy::Fail,
                OnParentFailure::Skip => FailurePolicy::Skip,
                OnParentFailure::Continue => FailurePolicy::Continue,
            },
        }
    }

    fn read(json: &str) -> Result<Self> {
        let unreadable = |cause: serde_json::Error| {
            Error::new(ErrorKind::Corrupt, format!("the options are unreadable: {cause}"))
        };
        let Format { format } = serde_json::from_str(json).map_err(unreadable)?;
        if format > FORMAT {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the options have format {format}, which a newer jobq wrote: upgrade the relay, \
                     then restore this row"
                ),
            ));
        }
        serde_json::from_str(json).map_err(unreadable)
    }

    fn applied(self, mut record: JobRecord, age: Duration) -> Result<NewJob> {
        record.version = self.version;
        record.priority = Priority::new(self.priority)?;
        record.max_attempts = self.max_attempts;
        record.max_crashes = self.max_crashes;
        record.cost = self.cost;
        record.timeout = self.timeout_ms.map(Duration::from_millis);
        record.retention = self.retention_ms.map(Duration::from_millis);
        record.unique = self.unique.map(UniqueOption::read).transpose()?;
        record.lane = self.lane.map(LaneKey::new).transpose()?;
        record.metadata = self.metadata;
        if let Some(batch) = self.batch {
            record.batch = Some(BatchRef::new(QueueName::new(&batch.queue)?, batch.id.parse()?));
        }
        let when = match (self.at_ms, self.after_ms) {
            (Some(ms), _) => When::At(Timestamp::from_millis(ms)),
            // The queue counts from when it gets the job: what has passed of the delay is over.
            (None, Some(ms)) => When::After(Duration::from_millis(ms).saturating_sub(age)),
            (None, None) => When::Now,
        };
        let mut job = NewJob::new(record, when);
        for parent in self.parents {
            let parent = JobRef::new(QueueName::new(&parent.queue)?, parent.id.parse()?);
            job.parents.push(Parent::known(parent));
        }
        job.on_parent_failure = match self.on_parent_failure {
            FailurePolicy::Fail => OnParentFailure::Fail,
            FailurePolicy::Skip => OnParentFailure::Skip,
            FailurePolicy::Continue => OnParentFailure::Continue,
        };
        Ok(job)
    }
}

impl UniqueOption {
    fn of(unique: &Unique) -> Self {
        let mode = match unique.mode {
            UniqueMode::UntilFinished => Mode::UntilFinished,
            UniqueMode::UntilStarted => Mode::UntilStarted,
            UniqueMode::WhileRunning => Mode::WhileRunning,
            UniqueMode::Throttle { per } => Mode::Throttle { per_ms: whole_millis(per) },
            UniqueMode::Debounce { delay, at_most } => Mode::Debounce {
                delay_ms: whole_millis(delay),
                at_most_ms: at_most.map(whole_millis),
            },
            UniqueMode::LatestWins => Mode::LatestWins,
        };
        let everywhere = unique.scope == UniqueScope::Everywhere;
        Self { key: unique.key.to_string(), mode, everywhere }
    }

    fn read(self) -> Result<Unique> {
        let mode = match self.mode {
            Mode::UntilFinished => UniqueMode::UntilFinished,
            Mode::UntilStarted => UniqueMode::UntilStarted,
            Mode::WhileRunning => UniqueMode::WhileRunning,
            Mode::Throttle { per_ms } => {
                UniqueMode::Throttle { per: Duration::from_millis(per_ms) }
            }
            Mode::Debounce { delay_ms, at_most_ms } => UniqueMode::Debounce {
                delay: Duration::from_millis(delay_ms),
                at_most: at_most_ms.map(Duration::from_millis),
            },
            Mode::LatestWins => UniqueMode::LatestWins,
        };
        let unique = Unique::new(self.key.parse()?, mode);
        Ok(if self.everywhere { unique.everywhere() } else { unique })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::BatchId;
    use crate::id::JobId;
    use crate::unique::UniqueKey;

    const SECOND: Duration = Duration::from_secs(1);

    fn plain() -> NewJob {
        let payload = Payload::from_bytes(vec![1, 2, 3]).unwrap();
        let queue = QueueName::new("billing").unwrap();
        let kind = Kind::new("send_invoice").unwrap();
        NewJob::new(JobRecord::new(JobId::from_key("a"), queue, kind, payload), When::Now)
    }

    fn full() -> NewJob {
        let mut job = plain();
        let other = QueueName::new("other").unwrap();
        job.record.version = 3;
        job.record.priority = Priority::new(7).unwrap();
        job.record.max_attempts = 9;
        job.record.max_crashes = 2;
        job.record.cost = 11;
        job.record.timeout = Some(SECOND);
        job.record.retention = Some(60 * SECOND);
        job.record.lane = Some(LaneKey::new("store-7").unwrap());
        let id = "0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e".parse::<BatchId>().unwrap();
        job.record.batch = Some(BatchRef::new(other.clone(), id));
        job.record.metadata.insert("traceparent", "00-…");
        job.when = When::At(Timestamp::from_millis(1_795_305_600_000));
        job.parents = vec![Parent::known(JobRef::new(other, JobId::from_key("b")))];
        job.on_parent_failure = OnParentFailure::Continue;
        job
    }

    #[test]
    fn every_option_survives_the_table() {
        for job in [plain(), full()] {
            assert_eq!(Row::of(&job).into_job(Duration::ZERO).unwrap(), job);
        }
    }

    #[test]
    fn every_unique_mode_survives_the_table() {
        let key = UniqueKey::from_bytes([7; 16]);
        let debounce = |at_most| UniqueMode::Debounce { delay: SECOND, at_most };
        for unique in [
            Unique::new(key, UniqueMode::UntilFinished),
            Unique::new(key, UniqueMode::UntilStarted).everywhere(),
            Unique::new(key, UniqueMode::WhileRunning),
            Unique::new(key, UniqueMode::Throttle { per: SECOND }).everywhere(),
            Unique::new(key, debounce(None)),
            Unique::new(key, debounce(Some(2 * SECOND))),
            Unique::new(key, UniqueMode::LatestWins),
        ] {
            let mut job = plain();
            job.record.unique = Some(unique);
            assert_eq!(Row::of(&job).into_job(SECOND).unwrap(), job);
        }
    }

    #[test]
    fn a_delay_has_begun_with_the_enqueue() {
        let mut job = plain();
        job.when = When::After(5 * SECOND);

        let later = |age| Row::of(&job).into_job(age).unwrap().when;
        assert_eq!(later(2 * SECOND), When::After(3 * SECOND));
        assert_eq!(later(9 * SECOND), When::After(Duration::ZERO));
    }

    #[test]
    fn what_no_queue_could_take_is_refused_with_the_reason() {
        let spoilt = |spoil: fn(&mut Row)| {
            let mut row = Row::of(&plain());
            spoil(&mut row);
            row.into_job(Duration::ZERO).unwrap_err().to_string()
        };
        for (error, reason) in [
            (spoilt(|row| row.id = "4711".into()), "is not a UUID"),
            (spoilt(|row| row.queue = "a b".into()), "queue name \"a b\""),
            (spoilt(|row| row.kind = String::new()), "kind \"\" is empty"),
            (spoilt(|row| row.payload = vec![0; 1_048_577]), "more than the 1048576 allowed"),
            (spoilt(|row| row.options = "{".into()), "the options are unreadable"),
            (spoilt(|row| row.options = row.options.replace("cost", "coast")), "coast"),
            (spoilt(|row| row.options = row.options.replace(":5,", ":0,")), "max_attempts"),
            (spoilt(|row| row.options = "{\"format\":2,\"new\":1}".into()), "upgrade the relay"),
        ] {
            assert!(error.contains(reason), "{error}");
        }
    }
}
