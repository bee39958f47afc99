//! The first lines that a program runs, and the last.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// Chooses the cryptography for reqwest and sqlx, which come without a choice. It can only be taken once: a
/// program does so in its first line, and whoever does so later changes nothing.
pub fn choose_cryptography() {
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// Writes the log to stderr: as much of it as `default` says, unless `RUST_LOG` chooses otherwise.
///
/// A service's log is all there is to see of it; elsewhere it would only get in the way.
///
/// # Panics
///
/// When there is a log already.
pub fn log_to_stderr(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A log that cannot be written, on a full disk, stops nobody.
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}

/// Says on stderr why a program has failed, if it has, and gives what it ends with.
#[must_use]
pub fn end(done: Result<ExitCode, Failure>) -> ExitCode {
    match done {
        Ok(code) => code,
        Err(failure) => {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            failure.exit_code()
        }
    }
}
