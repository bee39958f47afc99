//! Log lines of the commands that run until they are told to stop.

use std::io;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use super::output;

/// How log lines are written.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum LogFormat {
    Text,
    Json,
}

/// Writes the log to standard error from now on.
pub(super) fn to_stderr(format: LogFormat) {
    let usual = if output::is_quiet() { "warn" } else { "info" };
    let wanted = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let wanted = wanted.filter(|directives| !directives.trim().is_empty());
    let read = wanted.map(EnvFilter::try_new).transpose();
    let unread = read.as_ref().err().map(ToString::to_string);
    let filter = read.ok().flatten().unwrap_or_else(|| EnvFilter::new(usual));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A log that cannot be written, on a full disk, stops nobody.
        .with_writer(io::stderr)
        .log_internal_errors(false)
        .with_ansi(output::may_colour());
    // The program's own subscriber, if it has set one, stays.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    if let Some(fault) = unread {
        tracing::warn!(target: "jobq", "RUST_LOG is left out, as it cannot be read: {fault}");
    }
}
