//! Why a command failed.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

/// Why a command failed, in one line, and whose fault it is.
#[derive(Debug)]
pub struct Failure {
    is_usage: bool,
    message: String,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { is_usage: false, message: message.into() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { is_usage: true, message: message.into() }
    }

    /// The error and its causes, in one line.
    pub(crate) fn failed(error: &dyn Error) -> Self {
        Self::new(in_one_line(error))
    }

    /// 2 for what the caller can put right on the command line, 1 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.is_usage { 2 } else { 1 })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

impl From<private_mariadb::Fault> for Failure {
    fn from(fault: private_mariadb::Fault) -> Self {
        Self::failed(&fault)
    }
}

impl From<jobq_core::Error> for Failure {
    fn from(error: jobq_core::Error) -> Self {
        Self::failed(&error)
    }
}

/// An error and its causes, in one line.
pub(crate) fn in_one_line(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let below = error.to_string();
        // Many errors repeat their cause in their own message.
        if !message.contains(&below) {
            message = format!("{message}: {below}");
        }
        cause = error.source();
    }
    message.replace('\n', " ")
}
