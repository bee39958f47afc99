//! Condenses the long texts of customers with a language model, in the background:
//!
//! ```text
//! cargo run --release -p company-context -- demo                     # all of it, with no server
//! cargo run --release -p company-context -- serve --model http://127.0.0.1:11434/api
//! cargo run --release -p company-context -- work --driver redis --database mysql://…
//! ```
//!
//! Everything else is in the library of this package.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use company_context::cli::Cli;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    // reqwest and sqlx come without a choice of cryptography. It can only be taken once, and this is
    // the first line that runs.
    rustls::crypto::ring::default_provider().install_default().ok();
    let cli = Cli::parse();
    log_to_stderr(if cli.is_service() { "info" } else { "error" });
    match company_context::run(cli).await {
        Ok(code) => code,
        Err(failure) => {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            failure.exit_code()
        }
    }
}

/// `RUST_LOG` chooses otherwise. A service's log is all there is to see of it.
fn log_to_stderr(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A log that cannot be written, on a full disk, stops nobody.
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
