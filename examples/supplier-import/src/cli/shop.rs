//! The commands that have to do with the shop.

use clap::Args;
use program::Failure;

use super::{DbArgs, ListArgs};
use crate::availability::{TextEntry, Texts};
use crate::location::Location;
use crate::shop::Shop;
use crate::sync::{MAX_BATCH, Settings};

/// Which shop.
#[derive(Debug, Args)]
pub struct ShopArgs {
    /// The shop's database: mysql://USER:PASSWORD@HOST/NAME
    #[arg(long, env = "SHOP_URL", hide_env_values = true, value_name = "URL")]
    pub shop: Option<String>,
    /// What the names of the shop's tables begin with
    #[arg(long, default_value = "ps_", value_name = "PREFIX")]
    pub prefix: String,
    /// The shop's number, where there are several in one database
    #[arg(long, default_value_t = 1, value_name = "ID")]
    pub shop_id: u32,
}

impl ShopArgs {
    /// The shop, if one was given.
    pub(crate) fn open(&self) -> Result<Option<Shop>, Failure> {
        let shop = self.shop.as_deref().map(|url| Shop::new(url, &self.prefix, self.shop_id));
        shop.transpose().map_err(|error| Failure::usage(error.to_string()))
    }

    /// The shop.
    pub(crate) fn required(&self) -> Result<Shop, Failure> {
        self.open()?.ok_or_else(|| {
            Failure::usage("which shop? Give --shop mysql://USER:PASSWORD@HOST/NAME, or SHOP_URL")
        })
    }
}

/// Arguments of `sync`.
#[derive(Debug, Args)]
pub struct SyncArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub shop: ShopArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub db: DbArgs,
    /// How many a supplier must have for a product to be ordered that the shop has not in stock
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub threshold: u32,
    /// Write everything, also what the shop was told before
    #[arg(long)]
    pub all: bool,
    /// What the shop says of a product it has in stock; with a number in front for one of its languages only
    /// [default: "In stock"]
    #[arg(long, value_name = "[LANGUAGE=]TEXT")]
    pub available_now: Vec<TextEntry>,
    /// What the shop says of a product that can be ordered, with {days} where the days until delivery go
    /// [default: "Delivery time: {days} d"]
    #[arg(long, value_name = "[LANGUAGE=]TEXT")]
    pub available_later: Vec<TextEntry>,
    /// How many products one transaction in the shop writes
    #[arg(long, default_value_t = 1_000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_BATCH)))]
    pub batch: u32,
    /// Only enqueue the sync there, for the workers and their shop: redis://…
    #[arg(long, value_name = "URL")]
    pub queue: Option<String>,
    /// Print the report as one line of JSON
    #[arg(long)]
    pub json: bool,
}

impl SyncArgs {
    /// How to sync.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            min_stock_threshold: self.threshold,
            only_changed: !self.all,
            texts: Texts::with(self.available_now.clone(), self.available_later.clone()),
            batch: self.batch,
        }
    }
}

/// Arguments of `link`.
#[derive(Debug, Args)]
pub struct LinkArgs {
    /// The supplier's list: a path, or an http:// or https:// address; without it, the shop's products are
    /// linked
    #[arg(value_name = "FILE|URL")]
    pub source: Option<Location>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub list: ListArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub shop: ShopArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub db: DbArgs,
    /// Only enqueue the linking there, for the workers and their shop: redis://…
    #[arg(long, value_name = "URL")]
    pub queue: Option<String>,
    /// Print the report as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `test-connection`.
#[derive(Debug, Args)]
pub struct TestConnectionArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented where it is defined")]
    pub shop: ShopArgs,
    /// Print what was found as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Delete the jobs that failed for good at least so many hours ago
    #[arg(long, default_value_t = 168, value_name = "N")]
    pub hours: u32,
    /// The queue's server: redis://…
    #[arg(long, alias = "queue", env = "REDIS_URL", hide_env_values = true, value_name = "URL")]
    pub backend: String,
    /// Print how many were deleted as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `bench-sync`.
#[derive(Debug, Args)]
pub struct BenchSyncArgs {
    /// How many products
    #[arg(long, default_value_t = 12_465, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub products: u64,
    /// Print the figures as one line of JSON
    #[arg(long)]
    pub json: bool,
}
