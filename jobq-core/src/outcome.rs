//! What a handler may return, and what each answer means for its job. The one place for it:
//!
//! | the handler returns | the job | uses an attempt |
//! | --- | --- | --- |
//! | `()`, `Ok(())` | completes | – |
//! | `Ok(value)` | completes; the value is kept as its result if the job has a retention | – |
//! | `Err(any error)` | is tried again after its backoff, or is dead after the last attempt | yes |
//! | `Err(JobError::retry_after(d, error))` | is tried again after `d`, or is dead after the last attempt | yes |
//! | `Err(JobError::snooze(d))` | comes back after `d` | no |
//! | `Err(JobError::discard(why))` | completes without a result, the reason is logged | – |
//! | `Err(JobError::dead(error))` | is dead at once | – |
//! | `Err(JobError::cancelled())` | is cancelled | – |
//! | a panic | as any error; the message is kept | yes |
//! | nothing before its timeout | as any error | yes |

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::error::Chain;
use crate::msgpack::NIL;
use crate::payload::MAX_PAYLOAD_BYTES;

/// What a fallible handler returns: a value, or a [`JobError`], into which `?` turns any error.
pub type JobResult<T = ()> = Result<T, JobError>;

/// Why a job is not done. Made from any error by `?` (retry after the backoff), or by one of the
/// constructors.
///
/// It is not itself a [`std::error::Error`], for otherwise `?` could not take every error.
#[derive(Debug)]
pub struct JobError(Reason);

#[derive(Debug)]
enum Reason {
    Retry { after: Option<Duration>, error: Box<dyn StdError + Send + Sync> },
    Snooze(Duration),
    Discard(String),
    Dead(Box<dyn StdError + Send + Sync>),
    Cancelled,
}

impl JobError {
    /// Try again after the backoff of the job's type. For errors that `?` does not take, such as a text
    /// or a boxed error.
    pub fn retry(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Reason::Retry { after: None, error: error.into() })
    }

    /// Try again after `delay`, exactly: what a server's `Retry-After` asks for.
    pub fn retry_after(delay: Duration, error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Reason::Retry { after: Some(delay), error: error.into() })
    }

    /// Not now: come back after `delay`, and use no attempt. A delay that no clock will see the end of is for
    /// ever.
    #[must_use]
    pub const fn snooze(delay: Duration) -> Self {
        Self(Reason::Snooze(delay))
    }

    /// There is nothing to do any more: end the job as if it were done.
    pub fn discard(reason: impl Into<String>) -> Self {
        Self(Reason::Discard(reason.into()))
    }

    /// Trying again is of no use: put the job aside for people.
    pub fn dead(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(Reason::Dead(error.into()))
    }

    /// The handler has followed a request to cancel.
    #[must_use]
    pub const fn cancelled() -> Self {
        Self(Reason::Cancelled)
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::retry(error)
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Retry { after: None, error } | Reason::Dead(error) => Chain(&**error).fmt(f),
            Reason::Retry { after: Some(after), error } => {
                write!(f, "{} (retry after {after:?})", Chain(&**error))
            }
            Reason::Snooze(delay) => write!(f, "snoozed for {delay:?}"),
            Reason::Discard(reason) => write!(f, "discarded: {reason}"),
            Reason::Cancelled => f.write_str("cancelled"),
        }
    }
}

/// How an attempt ended, as the handler tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Done, perhaps with a result.
    Done {
        /// The encoded value; `None` for `()`.
        result: Option<Vec<u8>>,
    },
    /// Failed; try again after the delay, or after the backoff if there is none.
    Retry {
        /// The exact delay that was asked for.
        after: Option<Duration>,
        /// What went wrong.
        message: String,
    },
    /// Come back after the delay; no attempt is used.
    Snooze(Duration),
    /// Nothing to do any more.
    Discard(String),
    /// Put aside for people.
    Dead(String),
    /// A request to cancel was followed.
    Cancelled,
}

/// What a handler can return.
pub trait IntoOutcome {
    /// What it means for the job.
    fn into_outcome(self) -> Outcome;
}

impl IntoOutcome for Outcome {
    fn into_outcome(self) -> Outcome {
        self
    }
}

impl IntoOutcome for () {
    fn into_outcome(self) -> Outcome {
        Outcome::Done { result: None }
    }
}

impl<T: Serialize, E: Into<JobError>> IntoOutcome for Result<T, E> {
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(value) => match rmp_serde::to_vec_named(&value) {
                // `()` and `None` say nothing that would be worth keeping.
                Ok(bytes) if bytes == [NIL] => Outcome::Done { result: None },
                Ok(bytes) if bytes.len() > MAX_PAYLOAD_BYTES => Outcome::Dead(format!(
                    "the result has {} bytes, more than the {MAX_PAYLOAD_BYTES} allowed: store the data \
                     elsewhere and return a reference to it",
                    bytes.len()
                )),
                Ok(bytes) => Outcome::Done { result: Some(bytes) },
                // The work is done; running it again would give the same result once more.
                Err(error) => Outcome::Dead(format!("the result has no encoding: {error}")),
            },
            Err(error) => match error.into().0 {
                Reason::Retry { after, error } => {
                    Outcome::Retry { after, message: Chain(&*error).to_string() }
                }
                Reason::Snooze(delay) => Outcome::Snooze(delay),
                Reason::Discard(reason) => Outcome::Discard(reason),
                Reason::Dead(error) => Outcome::Dead(Chain(&*error).to_string()),
                Reason::Cancelled => Outcome::Cancelled,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn any_error_retries() {
        fn handler() -> JobResult {
            Err(io::Error::other("no route"))?;
            Ok(())
        }

        let outcome = handler().into_outcome();
        assert_eq!(outcome, Outcome::Retry { after: None, message: "no route".into() });
    }

    #[test]
    fn a_value_is_a_result_and_unit_is_none() {
        let unit: JobResult = Ok(());
        let value: JobResult<u8> = Ok(7);

        assert_eq!(unit.into_outcome(), Outcome::Done { result: None });
        assert_eq!(value.into_outcome(), Outcome::Done { result: Some(vec![7]) });
    }

    #[test]
    fn each_constructor_has_its_outcome() {
        let second = Duration::from_secs(1);
        for (error, outcome) in [
            (
                JobError::retry_after(second, "429"),
                Outcome::Retry { after: Some(second), message: "429".into() },
            ),
            (JobError::snooze(second), Outcome::Snooze(second)),
            (JobError::discard("gone"), Outcome::Discard("gone".into())),
            (JobError::dead("bad"), Outcome::Dead("bad".into())),
            (JobError::cancelled(), Outcome::Cancelled),
        ] {
            assert_eq!(Err::<(), _>(error).into_outcome(), outcome);
        }
    }

    #[test]
    fn the_causes_of_an_error_are_kept() {
        let error = crate::Error::invalid_input("the order is unreadable")
            .because(io::Error::other("unexpected end"));

        let Outcome::Dead(message) = Err::<(), _>(JobError::dead(error)).into_outcome() else {
            panic!("not dead");
        };
        assert_eq!(message, "the order is unreadable: unexpected end");
    }
}
