//! Which product of ours is which of the shop's.

use std::collections::{HashMap, HashSet};

use super::index::{Found, Index};
use super::{BATCH, LinkReport};
use crate::db::{ProductKey, ProductPair, Store};
use crate::ean;
use crate::shop::{Connection, Shop};
use crate::sync::SyncError;

/// Looks for each product of ours in the shop: its sku among the references, or else its EAN. A link that
/// holds stays as it is; one whose product the shop has no more is looked for anew.
///
/// May be killed and run again. Nothing in the shop is changed.
///
/// # Errors
///
/// When either database fails; what was linked until then stays.
pub async fn link_shop(store: &Store, shop: &Shop) -> Result<LinkReport, SyncError> {
    let statements_before = store.statements();
    let mut connection = Connection::open(shop).await?;
    let (mut index, mut there) = (Index::default(), HashSet::new());
    for product in connection.products().await? {
        // As our own are written: a UPC-A in the form of an EAN-13, and nothing with a wrong check digit.
        let ean = ean::parse(&product.ean).ok();
        index.add(product.id, Some(&product.reference), ean.as_deref());
        there.insert(product.id);
    }
    let statements = connection.close().await?;

    let pairs = store.shop_products().await?;
    let kept = pairs.into_iter().filter(|pair| there.contains(&pair.counterpart));
    let mut linking = Linking {
        index,
        product_of: kept.map(|pair| (pair.counterpart, pair.product)).collect(),
        new: Vec::new(),
        report: LinkReport::default(),
    };
    let linked: HashSet<i64> = linking.product_of.values().copied().collect();
    for product in store.products().await? {
        linking.add(&product, linked.contains(&product.id));
    }
    let Linking { new, mut report, .. } = linking;
    for batch in new.chunks(BATCH) {
        store.link_shop_products(batch).await?;
    }
    report.statements = statements + store.statements() - statements_before;
    Ok(report)
}

struct Linking {
    index: Index,
    /// Ours, by the shop's.
    product_of: HashMap<i64, i64>,
    new: Vec<ProductPair>,
    report: LinkReport,
}

impl Linking {
    fn add(&mut self, product: &ProductKey, is_linked: bool) {
        let about = || format!("product {} ({})", product.id, product.sku);
        self.report.read += 1;
        if is_linked {
            self.report.already += 1;
            return;
        }
        let counterpart = match self.index.find(Some(&product.sku), product.ean.as_deref()) {
            Found::Nothing => {
                self.report.unmatched += 1;
                return;
            }
            Found::Several(reason) => {
                self.report.ambiguous += 1;
                return self.report.note(about(), format!("in the shop, {reason}"));
            }
            Found::One { product: counterpart, by_ean } => {
                if let Some(other) = by_ean {
                    let reason = format!(
                        "its sku is of product {counterpart} of the shop, its ean of product {other}"
                    );
                    self.report.note(about(), reason);
                }
                counterpart
            }
        };
        if let Some(other) = self.product_of.get(&counterpart) {
            self.report.ambiguous += 1;
            let reason = format!("product {counterpart} of the shop is linked to product {other}");
            return self.report.note(about(), reason);
        }
        self.report.linked += 1;
        self.product_of.insert(counterpart, product.id);
        self.new.push(ProductPair { product: product.id, counterpart });
    }
}
