//! The command line.
#![expect(clippy::exhaustive_structs, reason = "made by clap alone")]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jobq_core::Rate;

use crate::entity::{Direction, Entity};
use crate::ids::{RecordId, StoreId};
use crate::limits::{DEFAULT_RATE, DEFAULT_STORE_CONCURRENCY};
use crate::run::Manner;
use crate::window::parse_rate;

/// Keeps customers, products, sales and activities of several stores in step with their CRMs, with never
/// more requests a minute than each store's CRM allows.
///
/// Exit codes: 0 done, 1 the machinery failed or a limit was broken, 2 bad usage or input.
#[derive(Debug, Parser)]
#[command(name = "crm-sync", version)]
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
    /// Sync invented stores with a stub CRM for a while, and count its requests by windows
    Demo(DemoArgs),
    /// Sync what is enqueued, until stopped
    Work(WorkArgs),
    /// Sync what is enqueued, and take hooks and show numbers over HTTP, until stopped
    Serve(ServeArgs),
    /// Run a CRM to try things out with, until stopped
    Stub(StubArgs),
    /// Put invented stores and records into the database
    Seed(SeedArgs),
    /// A record was made or changed: sync it before what is synced as a whole
    Hook(HookArgs),
    /// Sync one record
    Sync(SyncArgs),
    /// Sync all records of an entity, after everything else
    FullSync(FullSyncArgs),
    /// Show or change how many requests a store's CRM allows, at once for all workers
    Rate(RateArgs),
    /// Show the numbers
    Status(StatusArgs),
    /// Take away what ended some days ago: rows of the log, and dead jobs
    CleanUp(CleanUpArgs),
}

/// Which database.
#[derive(Debug, Args)]
pub struct DatabaseArgs {
    /// The database: sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME [default: crm-sync.db in the
    /// directory for temporary files]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,
}

impl DatabaseArgs {
    /// The database's address.
    #[must_use]
    pub fn url(&self) -> String {
        self.database.clone().unwrap_or_else(|| {
            let file = std::env::temp_dir().join("crm-sync.db");
            format!("sqlite://{}", file.display())
        })
    }
}

/// Which queue.
#[derive(Debug, Args)]
pub struct QueueArgs {
    /// The queue: memory: or redis://…
    #[arg(
        long,
        env = "REDIS_URL",
        hide_env_values = true,
        default_value = "memory:",
        value_name = "URL"
    )]
    pub queue: String,
}

/// Which database, and which queue.
#[derive(Debug, Args)]
pub struct PlacesArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub queue: QueueArgs,
}

/// How workers work.
#[derive(Debug, Args)]
pub struct MannerArgs {
    /// How many requests each store's CRM allows in a window aligned to the clock, unless `rate` has said
    /// otherwise
    #[arg(long, default_value_t = DEFAULT_RATE, value_parser = parse_rate, value_name = "RATE")]
    pub rate: Rate,
    /// How many jobs run at once
    #[arg(long, default_value_t = 32, value_parser = program::at_least_one, value_name = "N")]
    pub concurrency: usize,
    /// How many requests of one store are under way at once, over all workers
    #[arg(long, default_value_t = DEFAULT_STORE_CONCURRENCY, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub store_concurrency: u32,
    /// After how many seconds the jobs of a worker that died run elsewhere
    #[arg(long, default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub lease: u64,
    /// How many seconds an answer of a CRM is waited for
    #[arg(long, default_value_t = 10, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=30))]
    pub http_timeout: u64,
    /// By how many milliseconds the CRMs' clocks may differ from this machine's
    #[arg(long, default_value_t = 0, value_name = "MS",
          value_parser = clap::value_parser!(u64).range(0..=1_000))]
    pub clock_skew: u64,
}

impl MannerArgs {
    pub(crate) const fn manner(&self) -> Manner {
        Manner {
            rate: self.rate,
            store_concurrency: self.store_concurrency,
            concurrency: self.concurrency,
            lease: Duration::from_secs(self.lease),
            http_timeout: Duration::from_secs(self.http_timeout),
            skew: Duration::from_millis(self.clock_skew),
        }
    }
}

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many stores, each with its own account at the stub CRM
    #[arg(long, default_value_t = 3, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub stores: u32,
    /// How many requests each store's CRM allows in a window
    #[arg(long, default_value_t = DEFAULT_RATE, value_parser = parse_rate, value_name = "RATE")]
    pub rate: Rate,
    /// For how long
    #[arg(long, default_value_t = 130, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// How many workers
    #[arg(long, default_value_t = 4, value_parser = program::at_least_one, value_name = "N")]
    pub workers: usize,
    /// A database in place of a temporary file; one that holds stores of anybody else is refused
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub database: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub queue: QueueArgs,
    /// Print the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `work`.
#[derive(Debug, Args)]
pub struct WorkArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub manner: MannerArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub places: PlacesArgs,
    /// Stop when nothing is left that may be done now; schedules are not run then
    #[arg(long)]
    pub stop_when_empty: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub schedules: ScheduleArgs,
    /// Print what was done as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// How schedules are run.
#[derive(Debug, Args)]
pub struct ScheduleArgs {
    /// By whose clocks everything is synced, and what is old taken away, at night
    #[arg(long, default_value = "UTC", value_name = "ZONE")]
    pub timezone: String,
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub schedules: ScheduleArgs,
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub manner: MannerArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub places: PlacesArgs,
}

/// Arguments of `stub`.
#[derive(Debug, Args)]
pub struct StubArgs {
    /// Where to listen; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Write every request to the end of this file too, one JSON object a line
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// What goes wrong by chance follows from this number
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// How many of 1,000 requests are answered with 500
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = of_a_thousand)]
    pub fail: u32,
    /// How many of 1,000 requests are answered late
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = of_a_thousand)]
    pub slow: u32,
    /// How many of 1,000 requests are answered with 429
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = of_a_thousand)]
    pub throttle: u32,
    /// How many of 1,000 requests are done and not answered: the connection is cut
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = of_a_thousand)]
    pub cut: u32,
    /// How late a late answer comes
    #[arg(long, default_value_t = 2_000, value_name = "MS")]
    pub slow_ms: u64,
    /// What a 429 asks for
    #[arg(long, default_value_t = 2, value_name = "SECONDS")]
    pub retry_after: u32,
}

/// Arguments of `seed`.
#[derive(Debug, Args)]
pub struct SeedArgs {
    /// How many stores; they take turns with the providers
    #[arg(long, default_value_t = 3, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub stores: u32,
    /// How many customers of each store
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    pub customers: u64,
    /// How many products of each store
    #[arg(long, default_value_t = 500, value_name = "N")]
    pub products: u64,
    /// How many sales of each store
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub sales: u64,
    /// How many activities of each store
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub activities: u64,
    /// Where the stub CRM is
    #[arg(long, default_value = "http://127.0.0.1:8090", value_name = "URL")]
    pub crm: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub database: DatabaseArgs,
}

/// What has happened to a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(clippy::exhaustive_enums, reason = "made by clap alone")]
pub enum Event {
    /// It was made.
    Created,
    /// It was changed.
    Updated,
}

/// Which record, and which way.
#[derive(Debug, Args)]
pub struct RecordArgs {
    /// customer, product, sale or activity
    pub entity: Entity,
    /// Its number in the store
    pub record: RecordId,
    /// Whose it is
    #[arg(long, default_value = "1", value_name = "STORE")]
    pub store: StoreId,
    /// to_crm or from_crm
    #[arg(long, default_value = "to_crm", value_name = "WAY")]
    pub direction: Direction,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub places: PlacesArgs,
    /// Print the answer as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `hook`.
#[derive(Debug, Args)]
pub struct HookArgs {
    /// What has happened
    pub event: Event,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub record: RecordArgs,
}

/// Arguments of `sync`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub record: RecordArgs,
}

/// Arguments of `full-sync`.
#[derive(Debug, Args)]
pub struct FullSyncArgs {
    /// customer, product, sale or activity
    pub entity: Entity,
    /// Of one store [default: of all]
    #[arg(long, value_name = "STORE")]
    pub store: Option<StoreId>,
    /// to_crm or from_crm
    #[arg(long, default_value = "to_crm", value_name = "WAY")]
    pub direction: Direction,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub places: PlacesArgs,
    /// Print the answer as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `rate`.
#[derive(Debug, Args)]
pub struct RateArgs {
    /// The new rate, such as 200/min [default: show the one in force]
    #[arg(value_parser = parse_rate, conflicts_with = "reset")]
    pub rate: Option<Rate>,
    /// Of one store [default: of all that have none of their own]
    #[arg(long, value_name = "STORE")]
    pub store: Option<StoreId>,
    /// Take back what was changed
    #[arg(long)]
    pub reset: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub places: PlacesArgs,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub places: PlacesArgs,
    /// Print the numbers as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `clean-up`.
#[derive(Debug, Args)]
pub struct CleanUpArgs {
    /// What ended more than so many days ago
    #[arg(long, default_value_t = 7, value_name = "N")]
    pub days: u32,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub places: PlacesArgs,
    /// Print the answer as one line of JSON
    #[arg(long)]
    pub json: bool,
}

fn of_a_thousand(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if number <= 1_000 => Ok(number),
        _ => Err("give a whole number, 0 to 1000".to_owned()),
    }
}
