//! Which row of a supplier's list is which product of ours.

use std::collections::HashMap;

use super::index::{Found, Index};
use super::{BATCH, LinkReport};
use crate::db::{Link, Store, StoreError};
use crate::fault::FileFault;
use crate::location::Location;
use crate::row::{self, Row};
use crate::rows::{Layout, Rows};
use crate::spool::{FetchError, Limits, spool};

/// Why a list could not be linked.
#[derive(Debug, thiserror::Error)]
#[expect(clippy::exhaustive_enums, reason = "the list or the database")]
pub enum LinkError {
    /// The list cannot be fetched, or is faulty as a whole: nothing was linked.
    #[error(transparent)]
    List(#[from] FetchError),
    /// The database failed; what was linked until then stays.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Looks for the product of each row that has no link of the contractor yet, and links it.
///
/// The list is read to its end first, as in an import. May be killed and run again.
///
/// # Errors
///
/// When the list is faulty, or the database fails.
pub async fn link_supplier(
    store: &Store,
    contractor_id: i64,
    source: &Location,
    layout: Layout,
    limits: Limits,
) -> Result<LinkReport, LinkError> {
    let statements_before = store.statements();
    let spooled = spool(source, limits).await?;
    let read = tokio::task::spawn_blocking(move || read(Rows::open(spooled.file, &layout)?));
    let (rows, report) = read
        .await
        .map_err(|stopped| FetchError::Transient(stopped.to_string()))?
        .map_err(FetchError::Fault)?;

    let mut linking = Linking { report, ..Linking::default() };
    for product in store.products().await? {
        linking.index.add(product.id, Some(&product.sku), product.ean.as_deref());
    }
    for link in store.links(contractor_id).await? {
        linking.know(link);
    }
    for row in rows {
        linking.add(row);
    }
    let Linking { new, mut report, .. } = linking;
    for batch in new.chunks(BATCH) {
        store.add_links(contractor_id, batch).await?;
    }
    report.statements = store.statements() - statements_before;
    Ok(report)
}

/// A row, without what does not matter here.
struct Keys {
    line: u64,
    sku: Option<String>,
    ean: Option<String>,
}

/// The good rows, and a report that tells of the bad ones.
fn read(rows: Rows) -> Result<(Vec<Keys>, LinkReport), FileFault> {
    let (mut keys, mut report) = (Vec::new(), LinkReport::default());
    for raw in rows {
        report.read += 1;
        match row::check(raw?) {
            Ok(Row { line, sku, ean, .. }) => keys.push(Keys { line, sku, ean }),
            Err(rejection) => {
                report.rejected += 1;
                report.note(format!("line {}", rejection.line), rejection.reason);
            }
        }
    }
    Ok((keys, report))
}

#[derive(Default)]
struct Linking {
    index: Index,
    /// Products by the contractor's article number, and by EAN if there is no such number.
    by_sku: HashMap<String, i64>,
    by_ean: HashMap<String, i64>,
    /// What the contractor calls a product that is linked.
    names: HashMap<i64, String>,
    new: Vec<Link>,
    report: LinkReport,
}

impl Linking {
    fn know(&mut self, Link { product_id, sku, ean }: Link) {
        let name = sku.clone().or_else(|| ean.clone()).unwrap_or_default();
        self.names.insert(product_id, name);
        match (sku, ean) {
            (Some(sku), _) => self.by_sku.insert(sku, product_id),
            (None, Some(ean)) => self.by_ean.insert(ean, product_id),
            (None, None) => None,
        };
    }

    fn linked(&self, row: &Keys) -> Option<i64> {
        let sku = row.sku.as_ref().and_then(|sku| self.by_sku.get(sku));
        let only_ean = row.ean.as_ref().filter(|_| row.sku.is_none());
        sku.or_else(|| only_ean.and_then(|ean| self.by_ean.get(ean))).copied()
    }

    fn add(&mut self, row: Keys) {
        let about = format!("line {}", row.line);
        let found = self.index.find(row.sku.as_deref(), row.ean.as_deref());
        if let Some(product) = self.linked(&row) {
            self.report.already += 1;
            if let Found::One { product: other, .. } = found
                && other != product
            {
                let reason = format!("is linked to product {product}, but looks like {other}");
                self.report.note(about, reason);
            }
            return;
        }
        let product = match found {
            Found::Nothing => {
                self.report.unmatched += 1;
                return;
            }
            Found::Several(reason) => {
                self.report.ambiguous += 1;
                return self.report.note(about, reason);
            }
            Found::One { product, by_ean } => {
                if let Some(other) = by_ean {
                    let reason = format!("its sku is of product {product}, its ean of {other}");
                    self.report.note(about.clone(), reason);
                }
                product
            }
        };
        if let Some(name) = self.names.get(&product) {
            self.report.ambiguous += 1;
            let reason = format!("product {product} is linked to \"{name}\" of this contractor");
            return self.report.note(about, reason);
        }
        self.report.linked += 1;
        let link = Link { product_id: product, sku: row.sku, ean: row.ean };
        self.know(link.clone());
        self.new.push(link);
    }
}
