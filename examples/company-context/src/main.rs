//! Condenses the long texts of customers with a language model, in the background:
//!
//! ```text
//! cargo run --release -p company-context -- demo                     # all of it, with no server
//! cargo run --release -p company-context -- serve --model http://127.0.0.1:11434/api
//! cargo run --release -p company-context -- work --driver redis --database mysql://…
//! ```
//!
//! Everything else is in the library of this package.

use std::process::ExitCode;

use clap::Parser;
use company_context::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    program::choose_cryptography();
    let cli = Cli::parse();
    program::log_to_stderr(if cli.is_service() { "info" } else { "error" });
    program::end(company_context::run(cli).await)
}
