//! What is printed, and nowhere else.

use std::io::{self, ErrorKind, Write};

use program::Failure;
// For what a service does: nobody need read it.
pub(crate) use program::report::{json, line};

/// Prints one line of what was asked for; a reader that has gone away is not an error.
///
/// # Errors
///
/// When it cannot be written, as on a full disk.
pub(crate) fn tell(text: &str) -> Result<(), Failure> {
    match write(text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(unwritten(&error)),
        _ => Ok(()),
    }
}

/// Prints one line that is not shown again.
///
/// # Errors
///
/// When it cannot be written, or nobody reads it.
pub(crate) fn tell_once(text: &str) -> Result<(), Failure> {
    write(text).map_err(|error| unwritten(&error))
}

/// Tells people what they should know, whatever the log shows.
pub(crate) fn warn(text: &str) {
    // Nobody is left to tell when stderr is closed.
    let _ = writeln!(io::stderr(), "warning: {text}");
}

fn write(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

fn unwritten(error: &io::Error) -> Failure {
    Failure::new(format!("the output cannot be written: {error}"))
}
