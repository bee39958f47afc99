//! What is wrong with what a caller gave: one sentence for people, and one word for programs.

use std::fmt;

/// A fault of the caller's input. Nothing was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFault {
    code: &'static str,
    message: String,
}

impl InputFault {
    /// A word for programs, such as `unknown_field`, and a sentence for people.
    #[must_use]
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The word for it, such as `unknown_field`. A promise to programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }
}

impl fmt::Display for InputFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for InputFault {}

/// What the caller gave, short enough to be shown.
#[must_use]
pub fn shown(text: &str) -> String {
    text.chars().take(60).collect()
}

/// Reads a number on the command line of what there has to be one at least.
///
/// # Errors
///
/// When it is none, with what to give.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err("give a whole number, at least 1".to_owned()),
    }
}
