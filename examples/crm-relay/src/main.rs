//! Relays messages of a CRM, in and out:
//!
//! ```text
//! cargo run --release -p crm-relay                                       # all of it, with no server
//! cargo run --release -p crm-relay -- serve --database mysql://… --queue redis://…
//! cargo run --release -p crm-relay -- work --once --limit 100            # from cron
//! ```
//!
//! Everything else is in the library of this package.

use std::process::ExitCode;

use clap::Parser;
use crm_relay::cli::{Cli, Command};

#[tokio::main]
async fn main() -> ExitCode {
    program::choose_cryptography();
    let cli = Cli::parse();
    // What goes wrong in the demonstration is part of it, and told at its end.
    program::log_to_stderr(match cli.command {
        _ if cli.is_service() => "info",
        None | Some(Command::Demo(_)) => "off",
        Some(_) => "error",
    });
    program::end(crm_relay::run(cli).await)
}
