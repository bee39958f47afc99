//! The command line.
#![expect(clippy::exhaustive_structs, reason = "made by clap alone")]

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Condenses the long texts of customers with a language model, in the background.
///
/// Exit codes: 0 done, 1 the machinery failed or something is wrong, 2 bad usage or input.
#[derive(Debug, Parser)]
#[command(name = "company-context", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Whether it runs until it is stopped.
    #[must_use]
    pub const fn is_service(&self) -> bool {
        matches!(self.command, Command::Work(_) | Command::Serve(_) | Command::Stub(_))
    }
}

/// What can be done.
#[derive(Debug, Subcommand)]
#[expect(clippy::exhaustive_enums, reason = "made by clap alone")]
pub enum Command {
    /// Create and edit invented customers, with a stub model that goes wrong, and check every one of them
    Demo(DemoArgs),
    /// Take customers over HTTP, and condense their texts, until stopped
    Serve(ServeArgs),
    /// Condense what is enqueued in Redis, until stopped
    Work(WorkArgs),
    /// Show how many jobs wait and have failed, and how many customers are condensed
    Monitor(MonitorArgs),
    /// List the jobs that have failed for good, and why
    Failed(FailedArgs),
    /// Put failed jobs back into the queue
    Retry(RetryArgs),
    /// Delete all failed jobs: their customers keep their original texts
    Flush(FlushArgs),
    /// Run a language model to try things out with, until stopped
    Stub(StubArgs),
}

/// Which database.
#[derive(Debug, Args)]
pub struct DatabaseArgs {
    /// The database: sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME [default: company-context.db in the
    /// directory for temporary files]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,
}

impl DatabaseArgs {
    /// The database's address.
    #[must_use]
    pub fn url(&self) -> String {
        self.database.clone().unwrap_or_else(|| {
            let file = std::env::temp_dir().join("company-context.db");
            format!("sqlite://{}", file.display())
        })
    }
}

/// Where texts are condensed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(clippy::exhaustive_enums, reason = "made by clap alone")]
pub enum Driver {
    /// Inside the caller, who waits for it
    Sync,
    /// By a worker in the same process, from a queue in its memory
    Memory,
    /// By workers anywhere, from a queue in Redis
    Redis,
}

/// Which queue.
#[derive(Debug, Args)]
pub struct DriverArgs {
    /// Where texts are condensed
    #[arg(long, env = "QUEUE_DRIVER", default_value = "memory")]
    pub driver: Driver,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub redis: RedisArgs,
}

/// Which Redis.
#[derive(Debug, Args)]
pub struct RedisArgs {
    /// The queue's server, for the driver redis
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        default_value = "redis://127.0.0.1",
        value_name = "URL"
    )]
    pub redis: String,
}

/// Which model, and how it is asked.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// The model's endpoint: requests go to ENDPOINT/chat
    #[arg(
        long,
        env = "MODEL_ENDPOINT",
        hide_env_values = true,
        default_value = "http://127.0.0.1:11434/api",
        value_name = "ENDPOINT"
    )]
    pub model: String,
    /// What to send as a bearer's key. Better given by the environment, where `ps` does not show it
    #[arg(long, env = "MODEL_KEY", hide_env_values = true, value_name = "KEY")]
    pub model_key: Option<String>,
    /// How many seconds an answer of the model is waited for; the whole attempt has 60
    #[arg(long, default_value_t = 45, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=55))]
    pub http_timeout: u64,
}

impl ModelArgs {
    pub(crate) const fn timeout(&self) -> Duration {
        Duration::from_secs(self.http_timeout)
    }
}

/// How a worker works.
#[derive(Debug, Args)]
pub struct MannerArgs {
    /// How many texts are condensed at once
    #[arg(long, default_value_t = 4, value_parser = program::at_least_one, value_name = "N")]
    pub concurrency: usize,
    /// After how many seconds the jobs of a worker that died run elsewhere
    #[arg(long, default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub lease: u64,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many customers; each fifth is edited while the model condenses an older text of it
    #[arg(long, default_value_t = 200, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub customers: u32,
    /// What the delays and failures of the model follow from
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// How many texts are condensed at once
    #[arg(long, default_value_t = 16, value_parser = program::at_least_one, value_name = "N")]
    pub concurrency: usize,
    /// A database of its own: sqlite://FILE or mysql://… [default: a temporary file]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub driver: DriverArgs,
    /// Print what was found as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen. Nobody is asked who they are: put it behind what does before opening it to others
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Leave the work to `work` elsewhere; needs the driver redis
    #[arg(long)]
    pub no_worker: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub driver: DriverArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub model: ModelArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub manner: MannerArgs,
}

/// Arguments of `work`.
#[derive(Debug, Args)]
pub struct WorkArgs {
    /// Run one job if there is one, and stop
    #[arg(long)]
    pub once: bool,
    /// Stop when nothing is left to do now; jobs that wait for their next attempt are not waited for
    #[arg(long)]
    pub stop_when_empty: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub redis: RedisArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub model: ModelArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub manner: MannerArgs,
    /// Print the summary as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `monitor`.
#[derive(Debug, Args)]
pub struct MonitorArgs {
    /// Exit with 1 when more jobs wait than this
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub threshold: u64,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub redis: RedisArgs,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `failed`.
#[derive(Debug, Args)]
pub struct FailedArgs {
    /// How many are listed, oldest first
    #[arg(long, default_value_t = 50, value_parser = program::at_least_one, value_name = "N")]
    pub limit: usize,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub redis: RedisArgs,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// The jobs by their ids, or `all`
    #[arg(required = true, value_name = "ID|all")]
    pub jobs: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub redis: RedisArgs,
}

/// Arguments of `flush`.
#[derive(Debug, Args)]
pub struct FlushArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub redis: RedisArgs,
}

/// Arguments of `stub`.
#[derive(Debug, Args)]
pub struct StubArgs {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:11434", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// What the delays and failures follow from
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// How many of 1,000 requests are answered with 500
    #[arg(long, default_value_t = 0, value_parser = share(), value_name = "N")]
    pub fail: u32,
    /// How many of 1,000 requests are never answered
    #[arg(long, default_value_t = 0, value_parser = share(), value_name = "N")]
    pub hang: u32,
    /// How many of 1,000 requests are answered with nothing
    #[arg(long, default_value_t = 0, value_parser = share(), value_name = "N")]
    pub empty: u32,
    /// How many of 1,000 requests are answered with nonsense, or broken off
    #[arg(long, default_value_t = 0, value_parser = share(), value_name = "N")]
    pub nonsense: u32,
    /// How many milliseconds an answer takes at least
    #[arg(long, default_value_t = 500, value_name = "MS")]
    pub least_ms: u64,
    /// How many milliseconds an answer takes at most
    #[arg(long, default_value_t = 3_000, value_name = "MS")]
    pub most_ms: u64,
}

fn share() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=1_000)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }
}
