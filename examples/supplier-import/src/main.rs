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

use std::process::ExitCode;

use clap::Parser;
use supplier_import::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    program::choose_cryptography();
    let cli = Cli::parse();
    program::log_to_stderr(if cli.is_worker() { "info" } else { "error" });
    program::end(supplier_import::run(cli).await)
}
