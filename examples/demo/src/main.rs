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

use std::process::ExitCode;

use clap::Parser;
use program::Failure;

use crate::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    program::choose_cryptography();
    let cli = Cli::parse();
    // What goes wrong here goes wrong on purpose, and is counted; `RUST_LOG` shows it.
    program::log_to_stderr("off");
    program::end(show::show(&cli).await.map_err(|fault| Failure::new(fault.to_string())))
}
