//! What can go wrong with the machinery. A job that fails is not an [`Error`]: see
//! [`Outcome`](crate::Outcome). A lease that is gone is not one either: see [`Held`](crate::Held).

use std::error::Error as StdError;
use std::fmt;

/// A result whose error is jobq's.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a caller can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The backend cannot be reached or did not answer in time. The call may or may not have had its
    /// effect; every call of the contract says whether it may be repeated.
    Unavailable,
    /// The backend has no room left. What did not fit was not written.
    Full,
    /// The caller gave something that can never be accepted: a bad name, an oversized payload.
    InvalidInput,
    /// A queue or lane has as many jobs as its [limit](crate::Limits::max_size) allows. Nothing
    /// was written; try again when some have been done.
    Limited,
    /// What was named is not known: a job, a batch, a lane.
    NotFound,
    /// What was named is not in a state for this: a batch that is closed already.
    Conflict,
    /// A job that was waited for did not complete.
    Failed,
    /// What was waited for did not come in the time given.
    TimedOut,
    /// The backend refuses: wrong password, missing permission, an unsuitable server. Or the machine
    /// does: a port that is in use, signals that cannot be listened for.
    Refused,
    /// What is stored cannot be understood.
    Corrupt,
    /// The program is put together wrongly: two handlers for one kind, a missing state.
    Misconfigured,
}

impl ErrorKind {
    const fn word(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Full => "full",
            Self::InvalidInput => "invalid input",
            Self::Limited => "limited",
            Self::NotFound => "not found",
            Self::Conflict => "conflict",
            Self::Failed => "failed",
            Self::TimedOut => "timed out",
            Self::Refused => "refused",
            Self::Corrupt => "corrupt",
            Self::Misconfigured => "misconfigured",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why a call failed: a [kind](Self::kind) to act on, a sentence for people, and the cause below it.
pub struct Error {
    inner: Box<Inner>,
}

struct Inner {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` says what went wrong and, where it can, what to do.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { inner: Box::new(Inner { kind, message: message.into(), source: None }) }
    }

    /// The same error, caused by `source`.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// What a caller can act on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// Short for an [`ErrorKind::InvalidInput`].
    #[must_use]
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// Whether the same call may succeed later with nothing changed but time.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.kind(), ErrorKind::Unavailable | ErrorKind::Full | ErrorKind::Limited)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.inner.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.inner.kind)
            .field("message", &self.inner.message)
            .field("source", &self.inner.source)
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// An error and its causes in one line: what each says, from the error down, joined by `: `.
///
/// A cause whose text is already there, as of those who repeat it in their own message, is told once. Line
/// breaks become spaces.
///
/// ```
/// use jobq_core::error::Chain;
/// use jobq_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::Unavailable, "cannot reach 10.0.0.1").because("no route\nto host");
/// assert_eq!(Chain(&error).to_string(), "cannot reach 10.0.0.1: no route to host");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Chain<'a>(pub &'a (dyn StdError + 'a));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.to_string();
        let mut cause = self.0.source();
        while let Some(source) = cause {
            let below = source.to_string();
            if !text.contains(&below) {
                text.push_str(": ");
                text.push_str(&below);
            }
            cause = source.source();
        }
        for (nth, line) in text.lines().enumerate() {
            f.write_str(if nth == 0 { "" } else { " " })?;
            f.write_str(line)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_tells_each_cause_once_and_in_one_line() {
        let bottom = Error::new(ErrorKind::Unavailable, "no route\r\nto host");
        let middle = Error::new(ErrorKind::Unavailable, "cannot connect").because(bottom);
        let repeating = format!("the queue is away: {middle}");
        let top = Error::new(ErrorKind::Unavailable, repeating).because(middle);

        assert_eq!(Chain(&top).to_string(), "the queue is away: cannot connect: no route to host");
    }
}
