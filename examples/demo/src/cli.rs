//! The command line.

use std::time::Duration;

use clap::Parser;

/// Runs five business systems on one queue, with their stubs, and shows how they do.
///
/// Everything is in this process and in a directory for temporary files. Exit codes: 0 every promise was kept,
/// 1 one was not or something failed, 2 bad usage.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
pub(crate) struct Cli {
    /// How long work comes in, in seconds. What is under way then is finished
    #[arg(long, default_value_t = 30, value_name = "N",
          value_parser = clap::value_parser!(u64).range(5..=3_600))]
    seconds: u64,
    /// The queue: memory:, or redis://HOST:PORT, of which database 0 must hold no jobs of these systems
    #[arg(long, default_value = "memory:", value_name = "URL")]
    pub(crate) queue: String,
    /// Leave the shop out, for which a private MariaDB server is started if one is installed
    #[arg(long)]
    pub(crate) no_shop: bool,
    /// Print what came of it as one line of JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Cli {
    pub(crate) const fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
