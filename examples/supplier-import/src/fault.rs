//! What is wrong with a supplier file as a whole. What is wrong with one row is a
//! [rejection](crate::row::Rejection).

use std::fmt;
use std::io;

/// A fault of the file: the import fails, and nothing of the file is imported.
///
/// Reading the file once more would find the same, so such a fault is never retried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFault {
    line: Option<u64>,
    message: String,
}

impl FileFault {
    /// A fault of the file as a whole.
    pub fn new(message: impl Into<String>) -> Self {
        Self { line: None, message: message.into() }
    }

    /// A fault found at a line, counted from 1.
    pub fn at(line: u64, message: impl Into<String>) -> Self {
        Self { line: Some(line), message: message.into() }
    }

    /// The line it was found at, from 1.
    #[must_use]
    pub const fn line(&self) -> Option<u64> {
        self.line
    }

    /// Hands the fault through a parser that only knows I/O errors.
    pub(crate) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// The fault inside an I/O error, or one that tells of the I/O error.
    pub(crate) fn from_io(error: &io::Error) -> Self {
        error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Self>())
            .cloned()
            .unwrap_or_else(|| Self::new(format!("the file cannot be read: {error}")))
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for FileFault {}

/// A text from outside, fit for one line of a report: cut, and without control characters.
pub(crate) fn shown(text: &str) -> String {
    const MAX: usize = 40;
    let mut short: String =
        text.chars().take(MAX).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MAX).is_some() {
        short.push('…');
    }
    short
}

/// Some names for a report: quoted, with commas, no more than a dozen.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MAX: usize = 12;
    let mut names = names.into_iter();
    let mut text = names
        .by_ref()
        .take(MAX)
        .map(|name| format!("\"{}\"", shown(name)))
        .collect::<Vec<_>>()
        .join(", ");
    if names.next().is_some() {
        text.push_str(", …");
    }
    text
}
