//! How a command ends other than well: one line for people, and a code for programs.

use std::io;
use std::process::ExitCode;

use jobq_core::{Error, ErrorKind, JobId, QueueName};

use super::{connect, output};
use crate::events::Chain;

/// Why a command did not succeed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The command was wrong: code 2.
    Usage(String),
    /// Something went wrong: code 1.
    Failed(String),
    /// Something went wrong that has been told already: code 1.
    Told,
}

impl Failure {
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }

    pub(super) fn unknown_job(id: JobId) -> Self {
        Self::Failed(format!(
            "nothing is known of job {id}: it was never enqueued, or it has ended and left nothing behind \
             (jobs with a retention are kept)"
        ))
    }

    /// The same, with the queue that it was about.
    pub(super) fn about(self, queue: &QueueName) -> Self {
        match self {
            Self::Failed(why) => Self::Failed(format!("queue {queue}: {why}")),
            other => other,
        }
    }

    /// Says why, and gives the code.
    pub(super) fn report(self) -> ExitCode {
        match self {
            Self::Told => ExitCode::from(1),
            Self::Failed(why) => {
                output::complain(&why);
                ExitCode::from(1)
            }
            Self::Usage(why) => {
                output::complain(&why);
                ExitCode::from(2)
            }
        }
    }
}

/// How a command ends that has told what it could not look at.
pub(super) const fn whole(is_whole: bool) -> Result<(), Failure> {
    if is_whole { Ok(()) } else { Err(Failure::Told) }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let why = Chain(&error).to_string();
        match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::Misconfigured => Self::Usage(why),
            ErrorKind::Unavailable => Self::Failed(format!("{why} ({})", connect::whence())),
            _ => Self::Failed(why),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(format!("cannot write: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_that_cannot_be_reached_comes_with_a_hint() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = Error::new(ErrorKind::Unavailable, "cannot reach 10.0.0.1").because(refused);

        let Failure::Failed(why) = Failure::from(error) else { panic!("another code") };
        assert_eq!(
            why,
            "cannot reach 10.0.0.1: connection refused (say where the jobs are by --backend or \
             REDIS_URL)"
        );
    }

    #[test]
    fn a_wrong_input_is_a_wrong_command() {
        assert_eq!(
            Failure::from(Error::invalid_input("queue name \"\" is empty")),
            Failure::Usage("queue name \"\" is empty".into())
        );
    }
}
