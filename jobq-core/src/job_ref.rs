//! Where a job is found.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::id::JobId;
use crate::name::QueueName;
use crate::text::{as_text, shown};

/// A job by its queue and id: all it takes to find it.
///
/// Its text is `crm/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e`, which is also its form with serde: put it into
/// the payload of another job, or into a database, and make a [handle](crate::Queue::handle) of it there.
///
/// ```
/// use jobq_core::{JobId, JobRef, QueueName};
///
/// let job = JobRef::new(QueueName::new("crm")?, JobId::from_key("invoice-4711"));
/// assert_eq!(job.to_string().parse::<JobRef>()?, job);
/// # Ok::<(), jobq_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct JobRef {
    /// Its queue.
    pub queue: QueueName,
    /// Its id.
    pub id: JobId,
}

impl JobRef {
    /// The job `id` of `queue`.
    #[must_use]
    pub const fn new(queue: QueueName, id: JobId) -> Self {
        Self { queue, id }
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.queue, self.id)
    }
}

impl FromStr for JobRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (queue, id) = parts(text, "job")?;
        Ok(Self::new(queue.parse()?, id.parse()?))
    }
}

as_text!(JobRef);

/// The two sides of a text that names something by its queue and its id.
pub(crate) fn parts<'a>(text: &'a str, what: &str) -> Result<(&'a str, &'a str)> {
    text.split_once('/').ok_or_else(|| {
        Error::invalid_input(format!(
            "{} does not say where a {what} is by its queue and id, as \
             crm/0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e does",
            shown(text)
        ))
    })
}

/// What a job is enqueued to come after.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum After {
    /// A delay.
    Delay(Duration),
    /// The end of other jobs.
    Jobs(Vec<JobRef>),
}

impl From<Duration> for After {
    fn from(delay: Duration) -> Self {
        Self::Delay(delay)
    }
}

impl From<JobRef> for After {
    fn from(job: JobRef) -> Self {
        Self::Jobs(vec![job])
    }
}

impl From<&JobRef> for After {
    fn from(job: &JobRef) -> Self {
        Self::Jobs(vec![job.clone()])
    }
}

impl From<Vec<JobRef>> for After {
    fn from(jobs: Vec<JobRef>) -> Self {
        Self::Jobs(jobs)
    }
}

impl<const N: usize> From<[JobRef; N]> for After {
    fn from(jobs: [JobRef; N]) -> Self {
        Self::Jobs(jobs.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{BatchId, BatchRef};

    const ID: &str = "0192f3c1-7b1e-7c3a-9d2e-5b6f7a8c9d0e";

    #[test]
    fn where_something_is_reads_back_from_its_text() {
        let text = format!("crm.sync/{ID}");
        let job: JobRef = text.parse().unwrap();
        let batch: BatchRef = text.parse().unwrap();

        assert_eq!((job.queue.as_str(), job.id.to_string().as_str()), ("crm.sync", ID));
        assert_eq!((batch.queue.as_str(), batch.id.to_string().as_str()), ("crm.sync", ID));
        assert_eq!((job.to_string(), batch.to_string()), (text.clone(), text));
    }

    #[test]
    fn what_says_no_place_is_refused_with_its_reason() {
        for (text, why) in [
            (ID.to_owned(), "does not say where a job is by its queue and id, as crm/0192f3c1"),
            (String::new(), "\"\" does not say"),
            (format!("/{ID}"), "queue name \"\" is empty"),
            (format!("a b/{ID}"), "may hold only ASCII letters"),
            ("crm/4711".to_owned(), "job id \"4711\" is not a UUID"),
            (format!("crm/{ID}/x"), "is not a UUID"),
            ("x".repeat(1_000_000), "does not say"),
        ] {
            let told = text.parse::<JobRef>().unwrap_err().to_string();
            assert!(told.contains(why) && told.len() < 300, "{told}");
        }
        let told = "4711".parse::<BatchRef>().unwrap_err().to_string();
        assert!(told.contains("where a batch is"), "{told}");
        let told = "crm/4711".parse::<BatchRef>().unwrap_err().to_string();
        assert!(told.contains("batch id \"4711\" is not a UUID"), "{told}");
    }

    #[test]
    fn texts_are_the_form_with_serde_in_any_format() {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        struct Told {
            queue: QueueName,
            kind: crate::name::Kind,
            lane: crate::lane::LaneKey,
            job: JobRef,
            id: JobId,
            batch: Option<BatchRef>,
            batch_id: BatchId,
            key: crate::unique::UniqueKey,
        }
        let told = Told {
            queue: QueueName::new("crm").unwrap(),
            kind: "sync".parse().unwrap(),
            lane: "7".parse().unwrap(),
            job: format!("crm/{ID}").parse().unwrap(),
            id: ID.parse().unwrap(),
            batch: Some(format!("import/{ID}").parse().unwrap()),
            batch_id: ID.parse().unwrap(),
            key: crate::unique::UniqueKey::from_bytes([7; 16]),
        };
        let json = serde_json::to_value(&told).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "queue": "crm", "kind": "sync", "lane": "7", "job": format!("crm/{ID}"), "id": ID,
                "batch": format!("import/{ID}"), "batch_id": ID, "key": "07".repeat(16),
            })
        );
        assert_eq!(serde_json::from_value::<Told>(json).unwrap(), told);
        let payload = crate::Payload::encode(&told).unwrap();
        assert_eq!(payload.decode::<Told>().unwrap(), told);

        for (field, malformed, why) in [
            ("queue", "a b", "queue name \"a b\" may hold only"),
            ("job", ID, "does not say where a job is"),
            ("id", "4711", "is not a UUID"),
            ("key", "4711", "is not 32 hexadecimal digits"),
        ] {
            let mut json = serde_json::to_value(&told).unwrap();
            json[field] = malformed.into();
            let fault = serde_json::from_value::<Told>(json).unwrap_err().to_string();
            assert!(fault.contains(why), "{fault}");
        }
    }
}
