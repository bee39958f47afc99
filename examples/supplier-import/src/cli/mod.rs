//! The command line.
#![expect(clippy::exhaustive_structs, reason = "made by clap alone")]

mod shop;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::jobs::{MAX_CHUNK_ROWS, QUEUES};
use crate::location::Location;
use crate::mapping::MapEntry;
use crate::rows::Format;
use crate::schedules::{Plan, Supplier};

pub use shop::{BenchSyncArgs, LinkArgs, PruneArgs, ShopArgs, SyncArgs, TestConnectionArgs};

/// Imports suppliers' price lists in the background, and tells a PrestaShop what they have.
///
/// Without a command: generates a list, and imports it with a queue in memory and a database in a
/// temporary file. Exit codes: 0 done, 1 the import or the machinery failed, 2 bad usage or input.
#[derive(Debug, Parser)]
#[command(name = "supplier-import", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What to do without a command.
    #[command(flatten)]
    pub demo: DemoArgs,
}

impl Cli {
    /// Whether it runs until it is stopped.
    #[must_use]
    pub const fn is_worker(&self) -> bool {
        matches!(self.command, Some(Command::Work(_)))
    }
}

/// What can be done.
#[derive(Debug, Subcommand)]
#[expect(clippy::exhaustive_enums, reason = "made by clap alone")]
pub enum Command {
    /// Write a supplier's list of invented products
    Generate(GenerateArgs),
    /// Put invented products, and a link of the contractor to each, into the database
    Seed(SeedArgs),
    /// Import a list, and wait for its summary
    Import(ImportArgs),
    /// Run the jobs of all queues, or of some, until stopped
    Work(WorkArgs),
    /// Show the summary of an import
    Summary(SummaryArgs),
    /// Link a supplier's rows to our products, by sku or else by EAN; or, without a list, our products to
    /// those of the shop
    Link(LinkArgs),
    /// Tell the shop what the suppliers have: who may order what, and what the shop says of it
    Sync(SyncArgs),
    /// Look at everything in the shop's database that a sync needs, and say what is wrong
    TestConnection(TestConnectionArgs),
    /// Delete jobs that failed long ago
    Prune(PruneArgs),
    /// Measure a sync, on a private MariaDB server that is deleted afterwards
    BenchSync(BenchSyncArgs),
}

/// What to do without a command.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How many rows to generate
    #[arg(long, default_value_t = 12_465, value_name = "N")]
    pub rows: u64,
    /// Keep the database: sqlite://FILE or mysql://… [default: a temporary file]
    #[arg(long, value_name = "URL")]
    pub db: Option<String>,
    /// Print the summary as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// The file to write
    pub file: PathBuf,
    /// How many rows, bad ones included
    #[arg(long, default_value_t = 12_465, value_name = "N")]
    pub rows: u64,
    /// How many of them are malformed
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub bad: u64,
    /// What the stock, prices and delivery days follow from
    #[arg(long, default_value_t = 1, value_name = "S")]
    pub seed: u64,
    /// The format [default: by the file's name, or CSV]
    #[arg(long)]
    pub format: Option<Format>,
}

/// Arguments of `seed`.
#[derive(Debug, Args)]
pub struct SeedArgs {
    /// How many products
    #[arg(long, default_value_t = 12_465, value_name = "N")]
    pub products: u64,
    /// The contractor whose links they get
    #[arg(long, default_value_t = 1, value_name = "ID")]
    pub contractor: i64,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub db: DbArgs,
}

/// Which database.
#[derive(Debug, Args)]
pub struct DbArgs {
    /// The database: sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME [default: supplier-import.db in
    /// the directory for temporary files]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub db: Option<String>,
}

impl DbArgs {
    /// The database's address.
    #[must_use]
    pub fn url(&self) -> String {
        self.db.clone().unwrap_or_else(|| {
            let file = std::env::temp_dir().join("supplier-import.db");
            format!("sqlite://{}", file.display())
        })
    }
}

/// How to read a list, and whose it is.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Read no more than this many rows
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// The format [default: by the first character of the file]
    #[arg(long)]
    pub format: Option<Format>,
    /// The column or element that holds a field, such as sku=KOD; an empty name if there is none.
    /// Fields: sku, ean, stock_quantity, delivery_days, purchase_price
    #[arg(long = "map", value_name = "FIELD=NAME")]
    pub map: Vec<MapEntry>,
    /// What separates the columns of a CSV file: one character, or "tab"
    #[arg(long, default_value = ",", value_parser = delimiter, value_name = "CHAR")]
    pub delimiter: u8,
    /// The contractor whose links are updated
    #[arg(long, default_value_t = 1, value_name = "ID")]
    pub contractor: i64,
    /// Refuse files that are larger, in bytes
    #[arg(long, default_value_t = 1 << 30, value_name = "N")]
    pub max_bytes: u64,
    /// How many seconds a server may keep us waiting
    #[arg(long, default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub http_timeout: u64,
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The list: a path, or an http:// or https:// address
    #[arg(value_name = "FILE|URL")]
    pub source: Location,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub list: ListArgs,
    /// How many rows make a chunk
    #[arg(long, default_value_t = 500, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_CHUNK_ROWS)))]
    pub chunk_rows: u32,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub db: DbArgs,
    /// The queue: memory: or redis://…
    #[arg(long, default_value = "memory:", value_name = "URL")]
    pub queue: String,
    /// How many jobs run at once
    #[arg(long, default_value_t = 4, value_parser = program::at_least_one, value_name = "N")]
    pub concurrency: usize,
    /// Only enqueue the import and print its id: `work` elsewhere does the rest
    #[arg(long)]
    pub enqueue_only: bool,
    /// Give up waiting when nothing has moved for so long; the jobs stay in the queue
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    pub give_up_after: u64,
    /// Print the summary as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `work`.
#[derive(Debug, Args)]
pub struct WorkArgs {
    /// The queues to serve, with commas; those in front go first
    #[arg(long, value_delimiter = ',', default_values = QUEUES, value_name = "NAMES")]
    pub queue: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub db: DbArgs,
    /// The queue's server: redis://…
    #[arg(
        long,
        alias = "queue-url",
        env = "REDIS_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub backend: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub shop: ShopArgs,
    /// How many jobs run at once
    #[arg(long, default_value_t = 4, value_parser = program::at_least_one, value_name = "N")]
    pub concurrency: usize,
    /// Stop when nothing is left to do
    #[arg(long)]
    pub stop_when_empty: bool,
    /// Run the schedules, too: imports every hour, the shop's availability every half an hour if there is a
    /// shop, pruning at 02:00
    #[arg(long)]
    pub scheduler: bool,
    /// A supplier whose list is imported every hour: its contractor and where the list is. May be repeated
    #[arg(long, requires = "scheduler", value_name = "ID=FILE|URL")]
    pub supplier: Vec<Supplier>,
    /// By whose clocks it is 02:00
    #[arg(long, requires = "scheduler", default_value = "UTC", value_name = "ZONE")]
    pub timezone: String,
}

impl WorkArgs {
    /// What the schedules do; `None` if they are run elsewhere.
    pub(crate) fn plan(&self) -> Option<Plan> {
        self.scheduler.then(|| Plan {
            suppliers: self.supplier.clone(),
            has_shop: self.shop.shop.is_some(),
            timezone: self.timezone.clone(),
        })
    }
}

/// Arguments of `summary`.
#[derive(Debug, Args)]
pub struct SummaryArgs {
    /// The import's id
    #[arg(value_name = "ID")]
    pub import_id: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub db: DbArgs,
    /// Print it as one line of JSON
    #[arg(long)]
    pub json: bool,
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        _ if text == "tab" || text == "\\t" => Ok(b'\t'),
        [b'"' | b'\r' | b'\n' | 0] => Err("a quote or a line break cannot be the delimiter".into()),
        [byte] if byte.is_ascii() => Ok(*byte),
        _ => Err("give one character, such as ';', or \"tab\"".into()),
    }
}
