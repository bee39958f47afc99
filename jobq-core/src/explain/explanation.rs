//! What is said about a job to people and their tools.

use std::fmt;
use std::time::Duration;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::estimate;
use super::reasons::{ended, held, waits};
use super::standing::Standing;
use crate::backend::WorkerStatus;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::inspect::Inspect;
use crate::job_ref::JobRef;
use crate::name::Kind;
use crate::state::JobState;

/// Says why a job is not running and when it may, or how it ended; `None` if its queue does not know it:
/// it was never there, or it has ended and left nothing behind.
///
/// `now` is the time to which the times in the sentences are related: that of the backend's clock.
///
/// # Errors
///
/// As [`Inspect::standing`] and [`Inspect::workers`].
pub async fn explain(
    store: &dyn Inspect,
    job: &JobRef,
    now: Timestamp,
) -> Result<Option<Explanation>> {
    let Some(standing) = store.standing(&job.queue, job.id).await? else {
        return Ok(None);
    };
    let workers = store.workers().await?;
    Ok(Some(Explanation::new(&standing, &workers, now)))
}

/// Why a job is not running and when it may, or how it ended, in words.
///
/// As text it is for people, some lines long. Serialised it is for programs: `id`, `queue`, `kind`,
/// `state`, `reasons` with their `code`, `text` and `until`, and `starts_at`; all times in RFC 3339.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// The job.
    pub job: JobRef,
    /// Its kind.
    pub kind: Kind,
    /// Where it is in its life.
    pub state: JobState,
    /// What there is to say, the most telling first. Never empty.
    pub reasons: Vec<Reason>,
    /// About when it starts, if that can be told. From what is ahead of it and how fast that goes of
    /// late: no promise.
    pub starts_at: Option<Timestamp>,
    now: Timestamp,
}

/// One thing to be said about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reason {
    /// A word that stays the same, for programs: `queue_paused`, `lane_rate`, `no_worker`.
    pub code: &'static str,
    /// A sentence for people.
    pub text: String,
    /// When it is over, if that is a matter of time.
    pub until: Option<Timestamp>,
}

impl Reason {
    pub(super) fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), until: None }
    }

    pub(super) const fn until(mut self, until: Option<Timestamp>) -> Self {
        self.until = until;
        self
    }
}

impl Explanation {
    /// What a standing means while these workers live.
    #[must_use]
    pub fn new(standing: &Standing, workers: &[WorkerStatus], now: Timestamp) -> Self {
        let job = &standing.job;
        let (reasons, starts_at) = match job.state {
            JobState::Completed | JobState::Cancelled | JobState::Dead => (ended(job, now), None),
            JobState::Leased => (held(job, workers, now), None),
            JobState::Waiting | JobState::Scheduled | JobState::Ready => {
                let (reasons, is_served) = waits(standing, workers, now);
                (reasons, is_served.then(|| estimate::starts_at(standing, now)).flatten())
            }
        };
        Self {
            job: JobRef::new(job.record.queue.clone(), job.record.id),
            kind: job.record.kind.clone(),
            state: job.state,
            reasons,
            starts_at,
            now,
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}, kind {}: {}", self.job, self.kind, self.state)?;
        for reason in &self.reasons {
            write!(f, "\n  {}", reason.text)?;
        }
        match self.starts_at {
            Some(at) if at <= self.now => f.write_str("\n  it may start at any moment"),
            Some(at) => write!(f, "\n  it may start at about {}", moment(at, self.now)),
            None => Ok(()),
        }
    }
}

impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Explanation", 6)?;
        object.serialize_field("id", &self.job.id.to_string())?;
        object.serialize_field("queue", self.job.queue.as_str())?;
        object.serialize_field("kind", self.kind.as_str())?;
        object.serialize_field("state", self.state.as_str())?;
        object.serialize_field("reasons", &self.reasons)?;
        object.serialize_field("starts_at", &self.starts_at.map(|at| at.to_string()))?;
        object.end()
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Reason", 3)?;
        object.serialize_field("code", self.code)?;
        object.serialize_field("text", &self.text)?;
        object.serialize_field("until", &self.until.map(|at| at.to_string()))?;
        object.end()
    }
}

/// An instant, and how far away it is: `2027-01-15T08:00:30.000Z (in 30s)`.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> String {
    match (at.since(now), now.since(at)) {
        (Duration::ZERO, Duration::ZERO) => format!("{at} (now)"),
        (ahead, Duration::ZERO) => format!("{at} (in {})", span(ahead)),
        (_, past) => format!("{at} ({} ago)", span(past)),
    }
}

/// The two largest units of a duration: `2d 3h`, `5m 30s`, `250ms`.
fn span(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms < 1_000 {
        return format!("{ms}ms");
    }
    let seconds = ms / 1_000;
    let units = [("d", seconds / 86_400), ("h", seconds / 3_600 % 24), ("m", seconds / 60 % 60)];
    let parts = units.into_iter().chain([("s", seconds % 60)]);
    let shown: Vec<String> = parts
        .skip_while(|(_, count)| *count == 0)
        .take(2)
        .filter(|(_, count)| *count > 0)
        .map(|(unit, count)| format!("{count}{unit}"))
        .collect();
    shown.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_by_their_two_largest_units() {
        for (ms, shown) in [
            (0, "0ms"),
            (250, "250ms"),
            (1_999, "1s"),
            (330_000, "5m 30s"),
            (3_600_000, "1h"),
            (3_601_000, "1h"),
            (183_600_000, "2d 3h"),
        ] {
            assert_eq!(span(Duration::from_millis(ms)), shown);
        }
    }

    #[test]
    fn a_moment_says_how_far_away_it_is() {
        let now = Timestamp::from_millis(60_000);

        assert_eq!(moment(now, now), "1970-01-01T00:01:00.000Z (now)");
        assert_eq!(
            moment(Timestamp::from_millis(90_000), now),
            "1970-01-01T00:01:30.000Z (in 30s)"
        );
        assert_eq!(
            moment(Timestamp::from_millis(59_000), now),
            "1970-01-01T00:00:59.000Z (1s ago)"
        );
    }
}
