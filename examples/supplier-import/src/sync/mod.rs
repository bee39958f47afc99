//! Tells the shop what the suppliers have: reads all links, and writes what has changed, batch by batch.
//!
//! - A batch is one transaction in the shop: a product has both its new `out_of_stock` and its new texts, or
//!   neither.
//! - What the shop was told is noted with the links *after* the shop has committed it. A sync that is killed,
//!   or cut off from either database, has noted no more than was written; the next one writes the rest,
//!   and at most one batch once more, which changes nothing.
//! - One sync of a shop runs at a time: it holds a lock in the shop's own server, which ends with its
//!   connection.

mod plan;
mod report;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::availability::Texts;
use crate::db::{Store, StoreError, Told};
use crate::shop::{Change, Connection, Shop, ShopError};
use plan::{Plan, Target};

pub use report::{Note, SyncReport, Totals};

/// The most products that one transaction may lock in the shop.
pub const MAX_BATCH: u32 = 5_000;

/// How to sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by whoever starts a sync")]
pub struct Settings {
    /// How many a supplier must have for the product to be ordered.
    pub min_stock_threshold: u32,
    /// Leave out what the shop was told before.
    pub only_changed: bool,
    /// What the shop says.
    pub texts: Texts,
    /// How many products one transaction writes, from 1 to [`MAX_BATCH`].
    pub batch: u32,
}

impl Default for Settings {
    /// From 20 on, only what has changed, in English, a thousand products at a time.
    fn default() -> Self {
        Self { min_stock_threshold: 20, only_changed: true, texts: Texts::default(), batch: 1_000 }
    }
}

/// Why a sync ended early. What was written until then is noted.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "there are two databases")]
pub enum SyncError {
    /// The shop's database.
    #[error(transparent)]
    Shop(#[from] ShopError),
    /// Ours.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A sync that is under way. Dropped, it has written what it has written.
#[derive(Debug)]
pub struct SyncRun {
    store: Store,
    connection: Connection,
    settings: Settings,
    plan: Plan,
    /// How many of the targets were written, or found missing.
    done: usize,
    began_at: Instant,
    statements_before: u64,
    report: SyncReport,
}

impl SyncRun {
    /// Looks at the shop's tables, takes its lock, and finds out what is to be written.
    ///
    /// # Errors
    ///
    /// When either database fails, or another sync of the shop runs. Nothing is written then.
    pub async fn begin(store: &Store, shop: &Shop, settings: Settings) -> Result<Self, SyncError> {
        let (began_at, statements_before) = (Instant::now(), store.statements());
        let mut connection = Connection::open(shop).await?;
        connection.require_transactions().await?;
        connection.lock().await?;
        let mut plan = Plan::read(store, &shop.identity(), &settings).await?;
        let report = SyncReport {
            shop: shop.to_string(),
            totals: plan.totals,
            notes: std::mem::take(&mut plan.notes),
            ..SyncReport::default()
        };
        Ok(Self {
            store: store.clone(),
            connection,
            settings,
            plan,
            done: 0,
            began_at,
            statements_before,
            report,
        })
    }

    /// How many products are done, of how many.
    #[must_use]
    pub const fn progress(&self) -> (usize, usize) {
        (self.done, self.plan.targets.len())
    }

    /// Writes the next batch. `false` if there is none.
    ///
    /// # Errors
    ///
    /// When either database fails. Nothing more can be written then.
    pub async fn write_batch(&mut self) -> Result<bool, SyncError> {
        let size = self.settings.batch.clamp(1, MAX_BATCH) as usize;
        let left = &self.plan.targets[self.done..];
        let batch = &left[..left.len().min(size)];
        if batch.is_empty() {
            return Ok(false);
        }
        let missing = self.connection.write(&changes(batch), &self.settings.texts).await?;
        let missing: HashSet<i64> = missing.into_iter().collect();
        let mut told = Vec::with_capacity(batch.len());
        for target in batch {
            if missing.contains(&target.shop_product) {
                self.report.totals.missing_in_shop += 1;
                let reason = format!("the shop has no product {}", target.shop_product);
                Note::keep(&mut self.report.notes, target.product, reason);
                continue;
            }
            let said = self.plan.told.get(&target.availability).map_or("null", String::as_str);
            told.extend(target.links.iter().map(|link| Told { link_id: *link, told: said }));
        }
        // In the order in which an import locks them, so that the two do not deadlock.
        told.sort_by_key(|told| told.link_id);
        if !told.is_empty() {
            self.store.note_availability(&told).await?;
        }
        self.report.totals.written += (batch.len() - missing.len()) as u64;
        self.report.batches += 1;
        self.done += batch.len();
        Ok(true)
    }

    /// Says goodbye to the shop, and how it went.
    pub async fn end(mut self) -> SyncReport {
        self.count();
        // Everything is written; the lock ends with the connection if not with a goodbye.
        if let Ok(statements) = self.connection.close().await {
            self.report.shop_statements = statements;
        }
        self.report.finished()
    }

    /// How it went until it failed.
    #[must_use]
    pub fn failed(mut self, error: &SyncError) -> SyncReport {
        self.count();
        self.report.error = Some(program::in_one_line(error));
        self.report.left = (self.plan.targets.len() - self.done) as u64;
        self.report.finished()
    }

    fn count(&mut self) {
        self.report.seconds = self.began_at.elapsed().as_millis() as f64 / 1_000.0;
        self.report.own_statements = self.store.statements() - self.statements_before;
        self.report.shop_statements = self.connection.statements();
    }
}

/// Syncs from the beginning to the end.
///
/// # Errors
///
/// When it could not even begin; an error after that is in the report.
pub async fn sync(store: &Store, shop: &Shop, settings: Settings) -> Result<SyncReport, SyncError> {
    let mut sync = SyncRun::begin(store, shop, settings).await?;
    loop {
        match sync.write_batch().await {
            Ok(true) => {}
            Ok(false) => return Ok(sync.end().await),
            Err(error) => return Ok(sync.failed(&error)),
        }
    }
}

/// The products of a batch by what the shop shall say of them. They are sorted by that.
fn changes(batch: &[Target]) -> Vec<Change> {
    batch
        .chunk_by(|a, b| a.availability == b.availability)
        .map(|same| Change {
            availability: same[0].availability,
            products: same.iter().map(|target| target.shop_product).collect(),
        })
        .collect()
}
