//! A supplier's price list, imported in the background:
//!
//! ```text
//! cargo run --release -p supplier-import                                # all of it, with no server
//! cargo run --release -p supplier-import -- generate --rows 12465 list.csv
//! cargo run --release -p supplier-import -- seed --products 12465 --db mysql://user:password@host/shop
//! cargo run --release -p supplier-import -- import list.csv --db mysql://… --queue redis://127.0.0.1
//! cargo run --release -p supplier-import -- work --db mysql://… --backend redis://127.0.0.1
//! ```
//!
//! Everything else is in the library of this package.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use supplier_import::cli::Cli;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    // reqwest and sqlx come without a choice of cryptography. It can only be taken once, and this is
    // the first line that runs.
    rustls::crypto::ring::default_provider().install_default().ok();
    let cli = Cli::parse();
    log_to_stderr(if cli.is_worker() { "info" } else { "error" });
    match supplier_import::run(cli).await {
        Ok(code) => code,
        Err(failure) => {
            // Nobody is left to tell when stderr is closed.
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            failure.exit_code()
        }
    }
}

/// `RUST_LOG` chooses otherwise. A worker's log is all there is to see of it; elsewhere it would only
/// get in the way of the progress bar.
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
