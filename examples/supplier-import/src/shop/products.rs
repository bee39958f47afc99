//! What the shop calls its products.

use sqlx::Row;
use sqlx::mysql::MySqlRow;

use super::{Connection, ShopError};

const PAGE: usize = 5_000;

/// A product of the shop, by what it may be found by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ShopProduct {
    pub(crate) id: i64,
    /// Its article number; may be empty.
    pub(crate) reference: String,
    /// Its international article number; may be empty or nonsense.
    pub(crate) ean: String,
}

impl Connection {
    /// All products of the shop.
    pub(crate) async fn products(&mut self) -> Result<Vec<ShopProduct>, ShopError> {
        let table = self.shop.table("product");
        let mut products: Vec<ShopProduct> = Vec::new();
        loop {
            let after = products.last().map_or(0, |product| product.id);
            let sql = format!(
                "SELECT CAST(id_product AS SIGNED), COALESCE(reference, ''), COALESCE(ean13, '')
                 FROM {table} WHERE id_product > {after} ORDER BY id_product LIMIT {PAGE}"
            );
            let rows = self.rows(&sql).await?;
            for row in &rows {
                products.push(product(row).map_err(|error| self.misread(error))?);
            }
            if rows.len() < PAGE {
                return Ok(products);
            }
        }
    }
}

fn product(row: &MySqlRow) -> Result<ShopProduct, sqlx::Error> {
    let text = |column: usize| row.try_get::<String, _>(column);
    Ok(ShopProduct {
        id: row.try_get(0)?,
        reference: text(1)?.trim().to_owned(),
        ean: text(2)?.trim().to_owned(),
    })
}
