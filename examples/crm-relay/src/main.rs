//! Relays messages of a CRM, in and out:
//!
//! ```text
//! cargo run --release -p crm-relay                                       # all of it, with no server
//! cargo run --release -p crm-relay -- serve --database mysql://… --queue redis://…
//! cargo run --release -p crm-relay -- work --once --limit 100            # from cron
//! ```
//!
//! Everything else is in the library of this package.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use crm_relay::cli::{Cli, Command};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    // reqwest and sqlx come without a choice of cryptography. It can only be taken once, and this is
    // the first line that runs.
    rustls::crypto::ring::default_provider().install_default().ok();
    let cli = Cli::parse();
    // What goes wrong in the demonstration is part of it, and told at its end.
    log_to_stderr(match cli.command {
        _ if cli.is_service() => "info",
        None | Some(Command::Demo(_)) => "off",
        Some(_) => "error",
    });
    match crm_relay::run(cli).await {
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
