//! Bulk updates of leads in the background, behind an HTTP API:
//!
//! ```text
//! cargo run --release -p bulk-leads -- demo                                # all of it, with no server
//! cargo run --release -p bulk-leads -- seed --leads 10000
//! cargo run --release -p bulk-leads -- keys add --user 7
//! cargo run --release -p bulk-leads -- serve --listen 127.0.0.1:8080
//! cargo run --release -p bulk-leads -- work --database mysql://… --queue redis://127.0.0.1
//! ```
//!
//! Everything else is in the library of this package.

use std::process::ExitCode;

use bulk_leads::cli::Cli;
use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    program::choose_cryptography();
    let cli = Cli::parse();
    program::log_to_stderr(if cli.is_server() { "info" } else { "error" });
    program::end(bulk_leads::run(cli).await)
}
