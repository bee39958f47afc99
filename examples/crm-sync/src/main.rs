//! Keeps stores in step with their CRMs:
//!
//! ```text
//! cargo run --release -p crm-sync -- demo                     # all of it, with no server
//! cargo run --release -p crm-sync -- seed --database mysql://user:password@host/crm
//! cargo run --release -p crm-sync -- work --database mysql://… --queue redis://127.0.0.1
//! cargo run --release -p crm-sync -- full-sync customer --database mysql://… --queue redis://…
//! ```
//!
//! Everything else is in the library of this package.

use std::process::ExitCode;

use clap::Parser;
use crm_sync::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    program::choose_cryptography();
    let cli = Cli::parse();
    program::log_to_stderr(if cli.is_service() { "info" } else { "error" });
    program::end(crm_sync::run(cli).await)
}
