//! Why something was not done, in one line, and whose fault it is.

use std::error::Error;
use std::fmt;
use std::process::ExitCode;

use jobq_core::ErrorKind;

use crate::input::InputFault;

/// Why something was not done.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Whether the caller can put it right; if not, the machinery has failed.
    is_usage: bool,
    code: Option<&'static str>,
    message: String,
}

impl Failure {
    /// The machinery has failed.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { is_usage: false, code: None, message: message.into() }
    }

    /// The caller can put it right on the command line.
    #[must_use]
    pub fn usage(message: impl Into<String>) -> Self {
        Self { is_usage: true, code: None, message: message.into() }
    }

    /// The machinery has failed: the error and its causes, in one line.
    #[must_use]
    pub fn failed(error: &dyn Error) -> Self {
        Self::new(in_one_line(error))
    }

    /// Why a worker or a scheduler did not start, or has ended: how it is set up, the caller can put right.
    #[must_use]
    pub fn of_worker(error: jobq_core::Error) -> Self {
        let failure = Self::failed(&error);
        Self { is_usage: error.kind() == ErrorKind::Misconfigured, ..failure }
    }

    /// The word for a fault of the caller's input; `None` for everything else.
    #[must_use]
    pub const fn code(&self) -> Option<&'static str> {
        self.code
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

impl From<InputFault> for Failure {
    fn from(fault: InputFault) -> Self {
        Self { is_usage: true, code: Some(fault.code()), message: fault.to_string() }
    }
}

impl From<jobq_core::Error> for Failure {
    fn from(error: jobq_core::Error) -> Self {
        Self::failed(&error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(&error)
    }
}

/// An error and its causes, in one line.
#[must_use]
pub fn in_one_line(error: &dyn Error) -> String {
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

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn causes_are_told_once_and_in_one_line() {
        #[derive(Debug)]
        struct Above(io::Error);
        impl fmt::Display for Above {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the file is lost\nfor good")
            }
        }
        impl Error for Above {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }

        let told = in_one_line(&Above(io::Error::other("the disk is full")));
        let repeated = in_one_line(&Above(io::Error::other("lost")));

        assert_eq!(told, "the file is lost for good: the disk is full");
        assert_eq!(repeated, "the file is lost for good");
    }

    #[test]
    fn only_a_fault_of_the_input_has_a_code() {
        let fault = InputFault::new("unknown_field", "there is no field");

        assert_eq!(Failure::from(fault).code(), Some("unknown_field"));
        assert_eq!(Failure::usage("which database?").code(), None);
        assert_eq!(Failure::new("the database is away").code(), None);
    }

    #[test]
    fn what_the_caller_can_put_right_ends_with_two() {
        let code = |failure: Failure| format!("{:?}", failure.exit_code());
        let [one, two] = [1, 2].map(|code| format!("{:?}", ExitCode::from(code)));
        let of_kind = |kind| Failure::of_worker(jobq_core::Error::new(kind, "no"));

        assert_eq!(code(Failure::usage("which database?")), two);
        assert_eq!(code(InputFault::new("unknown_field", "there is no field").into()), two);
        assert_eq!(code(of_kind(ErrorKind::Misconfigured)), two);
        assert_eq!(code(of_kind(ErrorKind::Unavailable)), one);
        assert_eq!(code(Failure::new("the database is away")), one);
    }
}
