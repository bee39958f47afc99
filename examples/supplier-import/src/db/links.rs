//! Products and their links: to a contractor's articles, and to products of the shop.

use std::collections::BTreeMap;

use serde::Serialize;

use super::driver::{Record, Step, StoreError, values};
use super::store::{Store, json_list, now};

/// How many products one statement reads.
const PAGE: i64 = 5_000;

/// What a product of ours may be found by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProductKey {
    /// Its key.
    pub id: i64,
    /// Our article number.
    pub sku: String,
    /// Its international article number.
    pub ean: Option<String>,
}

/// An article of a contractor that is a product of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the linking")]
pub struct Link {
    /// The product.
    #[serde(rename = "id")]
    pub product_id: i64,
    /// The contractor's article number.
    pub sku: Option<String>,
    /// The international article number.
    pub ean: Option<String>,
}

/// A product of ours and what it is elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the linking")]
pub struct ProductPair {
    /// Ours.
    pub product: i64,
    /// The shop's.
    pub counterpart: i64,
}

/// A product that at least one contractor supplies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkedProduct {
    /// Its key.
    pub id: i64,
    /// What it is in the shop; `None` if it is not linked to it.
    pub shop_product_id: Option<i64>,
    /// Its links, at least one.
    pub links: Vec<StoredLink>,
}

/// What a link says of its product's availability.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredLink {
    /// Its key.
    pub id: i64,
    /// What the contractor last said, as JSON; `None` if nothing was imported yet.
    pub supplier_availability: Option<String>,
    /// What else is known of the link, as JSON.
    pub metadata: Option<String>,
}

/// What the shop was told of a link's product.
#[derive(Clone, Debug, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the sync")]
pub struct Told<'a> {
    /// The link.
    #[serde(rename = "id")]
    pub link_id: i64,
    /// The JSON to store.
    pub told: &'a str,
}

impl Store {
    /// How many statements this program has sent to the database since it was opened.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.driver.statements()
    }

    /// All products.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn products(&self) -> Result<Vec<ProductKey>, StoreError> {
        let sql = "SELECT id, sku, ean FROM products WHERE id > ? ORDER BY id LIMIT ?";
        let mut products: Vec<ProductKey> = Vec::new();
        loop {
            let after = products.last().map_or(i64::MIN, |product| product.id);
            let page = self.driver.query(sql, values![after, PAGE]).await?;
            let is_last = (page.len() as i64) < PAGE;
            products.extend(page.iter().map(|row| ProductKey {
                id: row.int(0).unwrap_or_default(),
                sku: row.text(1).unwrap_or_default().to_owned(),
                ean: row.text(2).map(str::to_owned),
            }));
            if is_last {
                return Ok(products);
            }
        }
    }

    /// All links of a contractor.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn links(&self, contractor_id: i64) -> Result<Vec<Link>, StoreError> {
        let sql = "SELECT id, product_id, external_sku, external_ean FROM integration_product_links
                   WHERE contractor_id = ? AND id > ? ORDER BY id LIMIT ?";
        let mut links = Vec::new();
        let mut after = i64::MIN;
        loop {
            let page = self.driver.query(sql, values![contractor_id, after, PAGE]).await?;
            links.extend(page.iter().map(|row| Link {
                product_id: row.int(1).unwrap_or_default(),
                sku: row.text(2).map(str::to_owned),
                ean: row.text(3).map(str::to_owned),
            }));
            match page.last() {
                Some(row) if page.len() as i64 == PAGE => after = row.int(0).unwrap_or_default(),
                _ => return Ok(links),
            }
        }
    }

    /// Adds links of a contractor. One whose article number the contractor has already stays as it is.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn add_links(&self, contractor_id: i64, links: &[Link]) -> Result<(), StoreError> {
        let values = values![contractor_id, now(), json_list(links)];
        self.driver.transaction(&[Step::new(self.driver.dialect().add_links, values)]).await?;
        Ok(())
    }

    /// Which products are in the shop, and as what.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn shop_products(&self) -> Result<Vec<ProductPair>, StoreError> {
        let sql = "SELECT product_id, shop_product_id FROM shop_products
                   WHERE product_id > ? ORDER BY product_id LIMIT ?";
        let mut pairs: Vec<ProductPair> = Vec::new();
        loop {
            let after = pairs.last().map_or(i64::MIN, |pair| pair.product);
            let page = self.driver.query(sql, values![after, PAGE]).await?;
            let is_last = (page.len() as i64) < PAGE;
            pairs.extend(page.iter().map(|row| ProductPair {
                product: row.int(0).unwrap_or_default(),
                counterpart: row.int(1).unwrap_or_default(),
            }));
            if is_last {
                return Ok(pairs);
            }
        }
    }

    /// Notes what products are in the shop, in place of what was noted of them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn link_shop_products(&self, pairs: &[ProductPair]) -> Result<(), StoreError> {
        let step = Step::new(self.driver.dialect().link_shop_products, values![json_list(pairs)]);
        self.driver.transaction(&[step]).await?;
        Ok(())
    }

    /// Some products after the one with the key `after`, with all their links: those that have any, by
    /// key. Also the key to go on after; `None` when there are no more.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn linked_products(
        &self,
        after: i64,
    ) -> Result<(Vec<LinkedProduct>, Option<i64>), StoreError> {
        // All links of a product are on one page, for the page is one of products.
        let sql = "SELECT page.id, shop_products.shop_product_id,
                          links.id, links.supplier_availability, links.metadata
                   FROM (SELECT id FROM products WHERE id > ? ORDER BY id LIMIT ?) AS page
                   LEFT JOIN shop_products ON shop_products.product_id = page.id
                   LEFT JOIN integration_product_links AS links ON links.product_id = page.id";
        let rows = self.driver.query(sql, values![after, PAGE]).await?;
        let mut products = BTreeMap::new();
        for row in &rows {
            let id = row.int(0).unwrap_or_default();
            let product = products.entry(id).or_insert_with(|| LinkedProduct {
                id,
                shop_product_id: row.int(1),
                links: Vec::new(),
            });
            product.links.extend(stored_link(row));
        }
        let last = products.last_key_value().map(|(id, _)| *id);
        let next = last.filter(|_| products.len() as i64 == PAGE);
        let linked = products.into_values().filter(|product| !product.links.is_empty()).collect();
        Ok((linked, next))
    }

    /// Notes in links' metadata what the shop was told, all of them or none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn note_availability(&self, told: &[Told<'_>]) -> Result<(), StoreError> {
        let step = Step::new(self.driver.dialect().note_availability, values![json_list(told)]);
        self.driver.transaction(&[step]).await?;
        Ok(())
    }
}

fn stored_link(row: &Record) -> Option<StoredLink> {
    Some(StoredLink {
        id: row.int(2)?,
        supplier_availability: row.text(3).map(str::to_owned),
        metadata: row.text(4).map(str::to_owned),
    })
}
