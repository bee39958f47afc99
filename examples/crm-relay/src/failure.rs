//! Why something was not done, in one line, and whose fault it is.

use std::fmt;
use std::process::ExitCode;

use crate::db::StoreError;
use crate::input::InputFault;

/// Why something was not done.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What the caller can put right; `None` when the machinery fails.
    fault: Option<InputFault>,
    message: String,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { fault: None, message: message.into() }
    }

    pub(crate) fn usage(code: &'static str, message: impl Into<String>) -> Self {
        InputFault::new(code, message).into()
    }

    /// The error and its causes, in one line.
    pub(crate) fn failed(error: &dyn std::error::Error) -> Self {
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
        Self::new(message.replace('\n', " "))
    }

    /// The word for what the caller can put right; `None` when the machinery fails.
    #[must_use]
    pub fn code(&self) -> Option<&'static str> {
        self.fault.as_ref().map(InputFault::code)
    }

    /// 2 for what the caller can put right on the command line, 1 for everything else.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(if self.fault.is_some() { 2 } else { 1 })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<InputFault> for Failure {
    fn from(fault: InputFault) -> Self {
        Self { message: fault.to_string(), fault: Some(fault) }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::failed(&error)
    }
}

impl From<jobq_core::Error> for Failure {
    fn from(error: jobq_core::Error) -> Self {
        Self::failed(&error)
    }
}
