//! The command line.
#![expect(clippy::exhaustive_structs, reason = "made by clap alone")]

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::limits::LimitOverrides;

/// Changes the status of many leads in the background, behind an HTTP API.
///
/// `demo` shows all of it, with no server installed. Exit codes: 0 done, 1 it failed or needs attention,
/// 2 bad usage.
#[derive(Debug, Parser)]
#[command(name = "bulk-leads", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Whether it runs until it is stopped.
    #[must_use]
    pub const fn is_server(&self) -> bool {
        matches!(self.command, Command::Serve(_) | Command::Work(_))
    }
}

/// What can be done.
#[derive(Debug, Subcommand)]
#[expect(clippy::exhaustive_enums, reason = "made by clap alone")]
pub enum Command {
    /// Change some thousand leads by the API: all of it in this process, with a client and a receiver of
    /// webhooks
    Demo(DemoArgs),
    /// Run the API, and workers unless the queue is a server
    Serve(ServeArgs),
    /// Run workers, until stopped
    Work(WorkArgs),
    /// Put invented leads into the database
    Seed(SeedArgs),
    /// Make, list, limit and revoke API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Say how bulk jobs are; exit code 1 if some are stuck
    Monitor(MonitorArgs),
    /// Forget jobs that ended long ago, which servers and workers do every hour, too
    Prune(PruneArgs),
    /// Receive webhooks, check their signatures and print them, until stopped
    Receive(ReceiveArgs),
    /// Measure the API against its bars; exit code 1 if one is missed
    Bench(BenchArgs),
}

/// Which database.
#[derive(Debug, Args)]
pub struct DatabaseArgs {
    /// The database: sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME [default: bulk-leads.db in this
    /// directory]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,
}

impl DatabaseArgs {
    /// The database's address.
    #[must_use]
    pub fn url(&self) -> String {
        self.database.clone().unwrap_or_else(|| "sqlite://bulk-leads.db".to_owned())
    }
}

/// A database and a queue for one run; both end with it unless others are given. Never taken from the
/// environment, where they are those that are worked with.
#[derive(Debug, Args)]
pub struct StageArgs {
    /// Use this database: sqlite://FILE or mysql://… [default: a temporary file]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub overwrite: OverwriteArgs,
    /// Use this queue: memory: or redis://…
    #[arg(long, default_value = "memory:", value_name = "URL")]
    pub queue: String,
    /// How many jobs that change leads run at once
    #[arg(long, default_value_t = BESIDE_THE_API, value_parser = program::at_least_one, value_name = "N")]
    pub concurrency: usize,
    /// Print the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// What may happen to leads that are there.
#[derive(Debug, Args)]
pub struct OverwriteArgs {
    /// Put invented leads in place of those that the database has, from number 1 on
    #[arg(long)]
    pub overwrite: bool,
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many leads to change
    #[arg(long, default_value_t = 5_000, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub leads: u64,
    /// How many of them cannot be changed: there is no such lead, it was deleted, or it is won
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub bad: u64,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub stage: StageArgs,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
    /// The queue: memory: or redis://…
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        default_value = "memory:",
        value_name = "URL"
    )]
    pub queue: String,
    /// How many jobs that change leads run at once in this process [default: 1 with a queue in memory,
    /// otherwise none]
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// How many leads make a chunk
    #[arg(long, default_value_t = 500, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=5_000))]
    pub chunk_leads: u64,
    /// How long a job may wait for its start, and how long it may take from there on
    #[arg(long, default_value = "30m", value_parser = job_timeout, value_name = "TIME")]
    pub job_timeout: Duration,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub stuck: StuckArgs,
}

/// When a job is stuck.
#[derive(Debug, Args)]
pub struct StuckArgs {
    /// A job is stuck when nothing was done for it for so long
    #[arg(long, default_value = "5m", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub stuck_after: Duration,
}

/// Arguments of `work`.
#[derive(Debug, Args)]
pub struct WorkArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
    /// The queue's server: redis://…
    #[arg(long, env = "REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub queue: String,
    /// How many jobs that change leads run at once
    #[arg(long, default_value_t = 4, value_parser = program::at_least_one, value_name = "N")]
    pub concurrency: usize,
    /// After what time the jobs of a worker that has died run elsewhere
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub lease: Duration,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub stuck: StuckArgs,
}

/// Arguments of `seed`.
#[derive(Debug, Args)]
pub struct SeedArgs {
    /// How many leads
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub leads: u64,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub overwrite: OverwriteArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
}

/// What can be done with keys.
#[derive(Debug, Subcommand)]
#[expect(clippy::exhaustive_enums, reason = "made by clap alone")]
pub enum KeysCommand {
    /// Make a key and print it: it cannot be shown again
    Add(AddKeyArgs),
    /// List the keys, without their secrets
    List(ListKeysArgs),
    /// Give a key other limits than everybody has
    Limit(LimitKeyArgs),
    /// Make a key of no use any more
    Revoke(RevokeKeyArgs),
}

/// Limits in place of everybody's.
#[derive(Debug, Args)]
pub struct LimitArgs {
    /// Jobs of the user that have not ended [default: 10]
    #[arg(long, value_name = "N")]
    pub max_pending_jobs: Option<u32>,
    /// Jobs of the user in a day, UTC [default: 100]
    #[arg(long, value_name = "N")]
    pub max_jobs_per_day: Option<u32>,
    /// Leads of one job [default: 10000]
    #[arg(long, value_name = "N")]
    pub max_leads_per_job: Option<u32>,
    /// Leads of the user in a day, UTC [default: 50000]
    #[arg(long, value_name = "N")]
    pub max_leads_per_day: Option<u32>,
    /// Seconds from one job of the user to the next, a day at most [default: 30]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=86_400))]
    pub min_seconds_between_jobs: Option<u32>,
}

impl LimitArgs {
    /// The limits given.
    #[must_use]
    pub fn overrides(&self) -> LimitOverrides {
        LimitOverrides {
            max_pending_jobs: self.max_pending_jobs.map(u64::from),
            max_jobs_per_day: self.max_jobs_per_day.map(u64::from),
            max_leads_per_job: self.max_leads_per_job.map(u64::from),
            max_leads_per_day: self.max_leads_per_day.map(u64::from),
            min_seconds_between_jobs: self.min_seconds_between_jobs.map(u64::from),
        }
    }
}

/// Arguments of `keys add`.
#[derive(Debug, Args)]
pub struct AddKeyArgs {
    /// Who calls with it
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    pub user: i64,
    /// What people call it
    #[arg(long, default_value = "", value_name = "TEXT")]
    pub name: String,
    /// Its jobs go before those of ordinary callers
    #[arg(long)]
    pub premium: bool,
    /// Who is told when a job ends
    #[arg(long, value_name = "URL", value_parser = webhook_url)]
    pub webhook: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub limits: LimitArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
    /// Print it as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `keys list`.
#[derive(Debug, Args)]
pub struct ListKeysArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
    /// Print each as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `keys limit`.
#[derive(Debug, Args)]
pub struct LimitKeyArgs {
    /// The key's id, as `keys list` shows it
    #[arg(value_name = "KEY")]
    pub id: String,
    /// Forget the limits it had before; without this, those that are not given stay
    #[arg(long)]
    pub reset: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub limits: LimitArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
}

/// Arguments of `keys revoke`.
#[derive(Debug, Args)]
pub struct RevokeKeyArgs {
    /// The key's id, as `keys list` shows it
    #[arg(value_name = "KEY")]
    pub id: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
}

/// Arguments of `monitor`.
#[derive(Debug, Args)]
pub struct MonitorArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub stuck: StuckArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
    /// Print it as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Forget jobs that were completed or cancelled so long ago
    #[arg(long, default_value = "7d", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub completed: Duration,
    /// Forget jobs that failed or timed out so long ago
    #[arg(long, default_value = "30d", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub failed: Duration,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
}

/// Arguments of `receive`.
#[derive(Debug, Args)]
pub struct ReceiveArgs {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8081", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// The secret that `keys add --webhook` has printed
    #[arg(long, env = "WEBHOOK_SECRET", hide_env_values = true, value_name = "TEXT")]
    pub secret: String,
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// How many requests with 10,000 leads each
    #[arg(long, default_value_t = 500, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub requests: u32,
    /// How often five clients send 4,600 leads together
    #[arg(long, default_value_t = 10, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: u32,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub stage: StageArgs,
}

/// How many jobs run at once beside an API unless said otherwise: they want the cores that answer callers.
pub(crate) const BESIDE_THE_API: usize = 1;

const TIMEOUTS: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(30 * 24 * 3_600);

fn job_timeout(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if TIMEOUTS.contains(&time) {
        return Ok(time);
    }
    let [least, most] = [*TIMEOUTS.start(), *TIMEOUTS.end()].map(humantime::format_duration);
    Err(format!("give a time from {least} to {most}"))
}

fn webhook_url(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(text.to_owned())
    } else {
        Err("give an http:// or https:// address".to_owned())
    }
}
