//! The whole mission at once: five business systems, one queue, one scheduler.
//!
//! ```text
//! cargo run --release -p demo                                  # no server, about half a minute
//! cargo run --release -p demo -- --seconds 60 --queue redis://127.0.0.1
//! ```
//!
//! Read [`system`] first: what a system shows. Then [`systems`], each in a file of its own, and [`show`]: how
//! they are started, watched and stopped together.

mod board;
mod cli;
mod queue;
mod show;
mod system;
mod systems;
mod tally;
mod verdict;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    // reqwest and sqlx come without a choice of cryptography. It can only be taken once, and this is
    // the first line that runs.
    rustls::crypto::ring::default_provider().install_default().ok();
    let cli = Cli::parse();
    // What goes wrong here goes wrong on purpose, and is counted; `RUST_LOG` shows it.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A log that cannot be written, on a full disk, stops nobody.
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match show::show(&cli).await {
        Ok(code) => code,
        Err(fault) => {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(std::io::stderr(), "error: {fault}");
            ExitCode::FAILURE
        }
    }
}
