//! What is printed, and nowhere else.

use std::io::{self, Write};

use serde::Serialize;

/// Prints one line; a reader that has gone away is not an error.
pub(crate) fn line(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints a value as one line of JSON.
pub(crate) fn json<T: Serialize>(value: &T) {
    // Texts and numbers always have a JSON form.
    line(&serde_json::to_string(value).unwrap_or_default());
}
