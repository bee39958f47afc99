//! The command line.
#![expect(clippy::exhaustive_structs, reason = "made by clap alone")]

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jobq_core::Backoff;
use jobq_scheduler::Schedule;
use program::Failure;

use crate::app::Policy;
use crate::jobs::{MAX_ATTEMPTS, MOST_ATTEMPTS, PruneMessages};
use crate::queue::Upkeep;

/// Takes messages of a CRM in, and delivers messages to webhooks, signed, each in the background.
///
/// Without a command: `demo`. Exit codes: 0 done, 1 it failed, 2 bad usage or input.
#[derive(Debug, Parser)]
#[command(name = "crm-relay", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Whether it runs until it is stopped.
    #[must_use]
    pub const fn is_service(&self) -> bool {
        matches!(
            self.command,
            Some(Command::Serve(_) | Command::Work(WorkArgs { is_loop: true, .. }))
        )
    }
}

/// What can be done.
#[derive(Debug, Subcommand)]
#[expect(clippy::exhaustive_enums, reason = "made by clap alone")]
pub enum Command {
    /// Relay some hundred messages between a stub CRM and webhooks that go wrong, all in this process
    Demo(DemoArgs),
    /// Run the HTTP API, and work on messages unless told otherwise, until stopped
    Serve(ServeArgs),
    /// Work on messages: what is there (`--once`), or until stopped (`--loop`)
    Work(WorkArgs),
    /// Enqueue an outbox message
    Send(SendArgs),
    /// Put messages that have failed back into the outbox
    Retry(RetryArgs),
    /// Say where messages go
    #[command(subcommand)]
    Integrations(IntegrationsCommand),
    /// Show how the messages stand, as `GET /api/crm/metrics` does
    Metrics(MetricsArgs),
    /// Delete messages that were processed or sent long ago, as the daemon does once a day
    Prune(PruneArgs),
    /// Receive webhooks, check their signatures and print them, until stopped
    Stub(StubArgs),
}

/// Which database.
#[derive(Debug, Args)]
pub struct DatabaseArgs {
    /// The database: sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,
}

impl DatabaseArgs {
    /// The database's address.
    ///
    /// # Errors
    ///
    /// When nobody has said which: messages are not to be kept wherever it may be.
    pub fn url(&self) -> Result<String, Failure> {
        self.database.clone().ok_or_else(|| {
            let message = "which database? Give --database sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME, or \
                           set DATABASE_URL";
            Failure::usage(message)
        })
    }
}

/// Which database, and which queue.
#[derive(Debug, Args)]
pub struct PlacesArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
    /// The queue: memory: or redis://HOST:PORT. With memory: one process at a time works on a database
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        default_value = "memory:",
        value_name = "URL"
    )]
    pub queue: String,
}

/// How messages are worked on.
#[derive(Debug, Args)]
pub struct MannerArgs {
    /// How many messages are worked on at once
    #[arg(long, default_value_t = 16, value_parser = program::at_least_one, value_name = "N")]
    pub concurrency: usize,
    /// After what time the messages of a process that died are worked on elsewhere
    #[arg(long, default_value = "10s", value_parser = lease, value_name = "TIME")]
    pub lease: Duration,
    /// How long an answer of a receiver is waited for, up to 20s
    #[arg(long, default_value = "10s", value_parser = http_timeout, value_name = "TIME")]
    pub http_timeout: Duration,
    /// How long a message waits at most after its first failed delivery; twice as long after each other one
    #[arg(long, default_value = "10s", value_parser = jobq_core::duration::parse, value_name = "TIME")]
    pub first_wait: Duration,
    /// How long a message waits at most after a failed delivery, whatever the receiver asks for
    #[arg(long, default_value = "1h", value_parser = jobq_core::duration::parse, value_name = "TIME")]
    pub longest_wait: Duration,
    /// How often a message is delivered before it fails
    #[arg(long, default_value_t = MAX_ATTEMPTS, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_ATTEMPTS)))]
    pub max_attempts: u32,
}

impl MannerArgs {
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            timeout: self.http_timeout,
            backoff: Backoff::exponential(self.first_wait, self.longest_wait),
            longest_retry_after: self.longest_wait,
            max_attempts: self.max_attempts,
        }
    }
}

/// When the tables are pruned.
#[derive(Debug, Args)]
pub struct UpkeepArgs {
    /// When messages are pruned that were processed or sent long ago
    #[arg(long, default_value = "03:30", value_parser = time_of_day, value_name = "HH:MM")]
    pub prune_at: String,
    /// Where it is that time, such as Europe/Warsaw
    #[arg(long, default_value = "UTC", value_parser = timezone, value_name = "ZONE")]
    pub timezone: String,
    /// For how many days they are kept
    #[arg(long, default_value_t = 30, value_name = "DAYS",
          value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub keep_days: u32,
}

impl UpkeepArgs {
    pub(crate) fn upkeep(&self) -> Upkeep {
        Upkeep {
            prune_at: self.prune_at.clone(),
            timezone: self.timezone.clone(),
            keep_days: self.keep_days,
        }
    }
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many messages come in, and how many go out
    #[arg(long, default_value_t = 200, value_name = "N",
          value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub messages: u32,
    /// What the faults of the webhooks follow from
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// A database of its own: sqlite://FILE or mysql://… [default: a temporary file]
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// A queue of its own: memory: or redis://HOST:PORT
    #[arg(long, default_value = "memory:", value_name = "URL")]
    pub queue: String,
    /// Print what was found as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8085", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// What callers have to show as a bearer's token. Better given by the environment, where `ps` does not
    /// show it
    #[arg(
        long,
        env = "CRM_TOKEN",
        hide_env_values = true,
        default_value = "",
        value_name = "TOKEN"
    )]
    pub token: String,
    /// Leave the work to `work` elsewhere
    #[arg(long)]
    pub no_worker: bool,
    /// How many messages a pass has at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub places: PlacesArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub manner: MannerArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub upkeep: UpkeepArgs,
}

/// Arguments of `work`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("mode").required(true).args(["once", "is_loop"]))]
pub struct WorkArgs {
    /// Work on what is there, and stop: for cron. A message whose next attempt is not due yet is left to a
    /// later run
    #[arg(long)]
    pub once: bool,
    /// Work until stopped, woken by each message
    #[arg(long = "loop")]
    pub is_loop: bool,
    /// How many messages a pass has at most; `--once` is one pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub places: PlacesArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub manner: MannerArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub upkeep: UpkeepArgs,
    /// Print each pass as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// Where it goes: the destination of an integration
    #[arg(value_name = "DESTINATION")]
    pub destination: String,
    /// What it is about, such as contact.updated
    #[arg(value_name = "EVENT")]
    pub event: String,
    /// What it says: a JSON object
    #[arg(long, default_value = "{}", value_name = "JSON")]
    pub data: String,
    /// A key under which it is enqueued once, however often this is run
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub places: PlacesArgs,
}

/// Arguments of `retry`.
#[derive(Debug, Args)]
pub struct RetryArgs {
    /// The outbox messages by their numbers, or `all`
    #[arg(required = true, value_name = "ID|all")]
    pub messages: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub places: PlacesArgs,
}

/// What can be done with integrations.
#[derive(Debug, Subcommand)]
#[expect(clippy::exhaustive_enums, reason = "made by clap alone")]
pub enum IntegrationsCommand {
    /// Add one, in place of the destination's active one
    Add(AddArgs),
    /// List them, without their secrets
    List(DatabaseArgs),
    /// Have messages go to one, in place of the destination's active one
    Activate(WhichArgs),
    /// Have no messages go to one any more
    Deactivate(WhichArgs),
    /// Give one a new secret; messages are signed with the old one, too, for a while
    Rotate(RotateArgs),
}

/// Arguments of `integrations add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// Whose messages go there
    #[arg(value_name = "DESTINATION")]
    pub destination: String,
    /// Where they go
    #[arg(value_name = "URL")]
    pub webhook_url: String,
    /// What they are signed with [default: one is made, and printed]
    #[arg(long, env = "WEBHOOK_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub secret: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
}

/// Arguments of `integrations activate` and `deactivate`.
#[derive(Debug, Args)]
pub struct WhichArgs {
    /// Its number
    #[arg(value_name = "ID")]
    pub id: i64,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
}

/// Arguments of `integrations rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Its number
    #[arg(value_name = "ID")]
    pub id: i64,
    /// For how long messages are signed with the old secret, too
    #[arg(long, default_value = "1d", value_parser = jobq_core::duration::parse, value_name = "TIME")]
    pub overlap: Duration,
    /// Do so although the last change is not over: its old secret is forgotten at once
    #[arg(long)]
    pub force: bool,
    /// The new secret, which `ps` shows [default: one is made, and printed]. Not by the environment: what is there
    /// is the old one
    #[arg(long, value_name = "SECRET")]
    pub secret: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
}

/// Arguments of `metrics`.
#[derive(Debug, Args)]
pub struct MetricsArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
}

/// Arguments of `prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// For how many days messages are kept
    #[arg(long, default_value_t = 30, value_name = "DAYS",
          value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub keep_days: u32,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
}

/// Arguments of `stub`.
#[derive(Debug, Args)]
pub struct StubArgs {
    /// Where to listen; messages go to http://ADDRESS/hooks/NAME
    #[arg(long, default_value = "127.0.0.1:8086", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// What the messages are signed with
    #[arg(long, env = "WEBHOOK_SECRET", hide_env_values = true, value_name = "SECRET")]
    pub secret: String,
    /// What the faults follow from
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// How many of 1,000 deliveries are refused with 500
    #[arg(long, default_value_t = 0, value_parser = share(), value_name = "N")]
    pub fail: u32,
    /// How many of 1,000 deliveries are taken, and answered with 500 all the same
    #[arg(long, default_value_t = 0, value_parser = share(), value_name = "N")]
    pub lose: u32,
    /// How many of 1,000 deliveries are asked to come back in a second
    #[arg(long, default_value_t = 0, value_parser = share(), value_name = "N")]
    pub busy: u32,
    /// How many of 1,000 deliveries are taken, and never answered
    #[arg(long, default_value_t = 0, value_parser = share(), value_name = "N")]
    pub hang: u32,
    /// How many of 1,000 deliveries are refused with 422
    #[arg(long, default_value_t = 0, value_parser = share(), value_name = "N")]
    pub refuse: u32,
}

fn share() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(0..=1_000)
}

/// What a worker demands, told before anything is opened.
fn lease(text: &str) -> Result<Duration, String> {
    let time = jobq_core::duration::parse(text).map_err(|error| error.to_string())?;
    if time < Duration::from_millis(100) { Err("give at least 100ms".to_owned()) } else { Ok(time) }
}

fn time_of_day(text: &str) -> Result<String, String> {
    checked(text, Schedule::daily_at(text))
}

fn timezone(text: &str) -> Result<String, String> {
    checked(text, Schedule::daily_at("00:00").timezone(text))
}

fn checked(text: &str, schedule: Schedule) -> Result<String, String> {
    let timing = schedule.job(PruneMessages { days: 1 }).timing();
    timing.map(|_| text.to_owned()).map_err(|error| error.to_string())
}

/// A worker that stops waits 25 seconds for what runs, so that no delivery may take longer.
fn http_timeout(text: &str) -> Result<Duration, String> {
    let time = jobq_core::duration::parse(text).map_err(|error| error.to_string())?;
    let most = Duration::from_secs(20);
    if time.is_zero() || time > most {
        Err("give more than 0, up to 20s".to_owned())
    } else {
        Ok(time)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn work_needs_one_mode() {
        let parse = |args: &str| Cli::try_parse_from(args.split(' '));

        assert!(parse("crm-relay work").is_err());
        assert!(parse("crm-relay work --once --loop").is_err());
        assert!(parse("crm-relay work --once --limit 0").is_err());
        assert!(parse("crm-relay work --once --limit 5").is_ok());
        assert!(parse("crm-relay").unwrap().command.is_none());
    }
}
