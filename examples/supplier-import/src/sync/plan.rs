//! What a sync has to write: read from the links, compared with what the shop was told last.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Note, Settings, Totals};
use crate::availability::{self, Availability, Supply};
use crate::db::{LinkedProduct, Store, StoreError, StoredLink};

/// What is to be written.
#[derive(Debug)]
pub(super) struct Plan {
    /// By availability, so that a batch says few different things.
    pub(super) targets: Vec<Target>,
    /// What is noted with the links of each availability.
    pub(super) told: HashMap<Availability, String>,
    pub(super) totals: Totals,
    pub(super) notes: Vec<Note>,
}

/// A product to write.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) availability: Availability,
    /// Ours.
    pub(super) product: i64,
    /// The shop's.
    pub(super) shop_product: i64,
    pub(super) links: Vec<i64>,
}

/// What we read of a link's metadata.
#[derive(Deserialize)]
struct Metadata {
    last_availability: Option<Value>,
}

impl Plan {
    /// Reads all links, some thousand products at a time, and keeps only those of products to write.
    pub(super) async fn read(
        store: &Store,
        shop: &str,
        settings: &Settings,
    ) -> Result<Self, StoreError> {
        let mut reading = Reading {
            shop,
            settings,
            told: HashMap::new(),
            plan: Self {
                targets: Vec::new(),
                told: HashMap::new(),
                totals: Totals::default(),
                notes: Vec::new(),
            },
        };
        let mut after = Some(i64::MIN);
        while let Some(last) = after {
            let (products, next) = store.linked_products(last).await?;
            for product in products {
                reading.add(product);
            }
            after = next;
        }
        let Reading { mut plan, told, .. } = reading;
        plan.targets.sort_by_key(|target| (target.availability, target.shop_product));
        plan.told = told.into_iter().map(|(which, told)| (which, told.to_string())).collect();
        Ok(plan)
    }
}

struct Reading<'a> {
    shop: &'a str,
    settings: &'a Settings,
    told: HashMap<Availability, Value>,
    plan: Plan,
}

impl Reading<'_> {
    fn add(&mut self, product: LinkedProduct) {
        let totals = &mut self.plan.totals;
        let supplies = match supplies(&product.links) {
            Ok(supplies) => supplies,
            Err(reason) => {
                totals.faulty += 1;
                return Note::keep(&mut self.plan.notes, product.id, reason);
            }
        };
        if supplies.is_empty() {
            totals.without_availability += 1;
            return;
        }
        let Some(shop_product) = product.shop_product_id else {
            totals.not_linked += 1;
            return;
        };
        totals.products += 1;
        let Settings { min_stock_threshold, only_changed, texts, .. } = self.settings;
        let availability = Availability::of(&supplies, *min_stock_threshold);
        let told = self
            .told
            .entry(availability)
            .or_insert_with(|| availability::told(self.shop, availability, texts));
        if *only_changed && product.links.iter().all(|link| last(link).as_ref() == Some(told)) {
            totals.unchanged += 1;
            return;
        }
        let links = product.links.iter().map(|link| link.id).collect();
        self.plan.targets.push(Target { availability, product: product.id, shop_product, links });
    }
}

/// What the suppliers say that have said anything. One whose words we cannot read might be the one that
/// counts, so its product is left alone.
fn supplies(links: &[StoredLink]) -> Result<Vec<Supply>, String> {
    let said =
        links.iter().filter_map(|link| Some((link.id, link.supplier_availability.as_deref()?)));
    said.map(|(id, json)| {
        serde_json::from_str(json)
            .map_err(|error| format!("supplier_availability of link {id} is malformed: {error}"))
    })
    .collect()
}

/// What the shop was told last. What cannot be read counts as nothing: it is told again.
fn last(link: &StoredLink) -> Option<Value> {
    let metadata: Metadata = serde_json::from_str(link.metadata.as_deref()?).ok()?;
    metadata.last_availability
}
