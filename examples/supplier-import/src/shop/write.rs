//! Writes the availability of some products in one transaction: all of them or none.

use std::collections::HashSet;

use sqlx::Row;

use super::{Connection, ShopError, ShopFault, literal};
use crate::availability::{Availability, Languages, Texts};

/// How often a transaction is run again that was in another one's way.
const TRIES: u32 = 5;

/// What some products of the shop shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) availability: Availability,
    /// The shop's numbers of the products.
    pub(crate) products: Vec<i64>,
}

impl Connection {
    /// Writes them, and tells which of them the shop does not have. Products that say the same take one
    /// statement for each text, and one for `out_of_stock`, however many they are.
    pub(crate) async fn write(
        &mut self,
        changes: &[Change],
        texts: &Texts,
    ) -> Result<Vec<i64>, ShopError> {
        let mut tries = 1;
        loop {
            match self.try_write(changes, texts).await {
                Err(error) if error.fault() == ShopFault::Locked && tries < TRIES => {
                    tries += 1;
                    // After a lock that was waited for too long the transaction is still open.
                    self.run("ROLLBACK").await?;
                }
                done => return done,
            }
        }
    }

    async fn try_write(
        &mut self,
        changes: &[Change],
        texts: &Texts,
    ) -> Result<Vec<i64>, ShopError> {
        self.run("START TRANSACTION").await?;
        let wanted: Vec<i64> =
            changes.iter().flat_map(|change| change.products.iter().copied()).collect();
        let found = self.lock_products(&wanted).await?;
        for is_allowed in [true, false] {
            let same =
                changes.iter().filter(|change| change.availability.is_allowed() == is_allowed);
            let ids = same.flat_map(|change| change.products.iter().copied());
            self.write_out_of_stock(
                is_allowed,
                &ids.filter(|id| found.contains(id)).collect::<Vec<_>>(),
            )
            .await?;
        }
        for change in changes {
            let ids = change.products.iter().copied().filter(|id| found.contains(id));
            self.write_texts(change.availability, &ids.collect::<Vec<_>>(), texts).await?;
        }
        self.run("COMMIT").await?;
        Ok(wanted.into_iter().filter(|id| !found.contains(id)).collect())
    }

    /// Those that have their rows in both tables, which are locked until the end of the transaction: a
    /// product deleted meanwhile is not taken for one that was written.
    async fn lock_products(&mut self, wanted: &[i64]) -> Result<HashSet<i64>, ShopError> {
        let (stock, lang) = (self.shop.table("stock_available"), self.shop.table("product_lang"));
        let (shop_id, ids) = (self.shop.shop_id, listed(wanted));
        let sql = format!(
            "SELECT DISTINCT CAST(stock.id_product AS SIGNED) FROM {stock} AS stock
             JOIN {lang} AS lang ON lang.id_product = stock.id_product AND lang.id_shop = {shop_id}
             WHERE stock.id_shop = {shop_id} AND stock.id_product IN ({ids}) FOR UPDATE"
        );
        let rows = self.rows(&sql).await?;
        let ids: Result<_, sqlx::Error> = rows.iter().map(|row| row.try_get(0)).collect();
        ids.map_err(|error| self.misread(error))
    }

    async fn write_out_of_stock(&mut self, is_allowed: bool, ids: &[i64]) -> Result<(), ShopError> {
        if ids.is_empty() {
            return Ok(());
        }
        let (table, shop_id) = (self.shop.table("stock_available"), self.shop.shop_id);
        let (value, ids) = (u8::from(is_allowed), listed(ids));
        let sql = format!(
            "UPDATE {table} SET out_of_stock = {value}
             WHERE id_shop = {shop_id} AND id_product IN ({ids})"
        );
        self.run(&sql).await
    }

    async fn write_texts(
        &mut self,
        availability: Availability,
        ids: &[i64],
        texts: &Texts,
    ) -> Result<(), ShopError> {
        if ids.is_empty() {
            return Ok(());
        }
        let (table, shop_id) = (self.shop.table("product_lang"), self.shop.shop_id);
        let ids = listed(ids);
        for text in texts.of(availability) {
            let languages = match &text.languages {
                Languages::One(id) => format!(" AND id_lang = {id}"),
                Languages::AllBut(ids) if ids.is_empty() => String::new(),
                Languages::AllBut(ids) => format!(" AND id_lang NOT IN ({})", listed(ids)),
            };
            let (now, later) = (literal(&text.now), literal(&text.later));
            let sql = format!(
                "UPDATE {table} SET available_now = {now}, available_later = {later}
                 WHERE id_shop = {shop_id} AND id_product IN ({ids}){languages}"
            );
            self.run(&sql).await?;
        }
        Ok(())
    }
}

/// Numbers with commas. They are numbers, so nothing needs escaping.
fn listed(ids: &[i64]) -> String {
    let mut text = String::with_capacity(ids.len() * 8);
    for id in ids {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&id.to_string());
    }
    text
}
