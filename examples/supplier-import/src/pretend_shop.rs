//! A shop that looks like a PrestaShop to an availability sync: for the benchmark and the tests.

use std::fmt::Write;

use program::Failure;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection};

use crate::catalogue::Product;

/// A product's number in the shop: another than ours, so that nobody takes one for the other.
pub const SHOP_ID_OFFSET: u64 = 100_000;
/// Two languages, as in a shop with customers abroad.
pub const LANGUAGES: [u32; 2] = [1, 2];
const BATCH: u64 = 500;

/// Creates the tables in an empty database, and puts the [catalogue](crate::catalogue)'s products 1 to `count`
/// in, in stock or not, with texts of long ago.
///
/// # Errors
///
/// When the database fails, or has such tables.
pub async fn build(url: &str, count: u64) -> Result<(), Failure> {
    let failed = |error: sqlx::Error| Failure::failed(&error);
    let mut connection = MySqlConnection::connect(url).await.map_err(failed)?;
    sqlx::raw_sql(include_str!("shop/schema.sql"))
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    for first in (1..=count).step_by(BATCH as usize) {
        let products: Vec<Product> =
            (first..=count.min(first + BATCH - 1)).map(Product::nth).collect();
        sqlx::raw_sql(AssertSqlSafe(inserts(&products)))
            .execute(&mut connection)
            .await
            .map_err(failed)?;
    }
    connection.close().await.map_err(failed)
}

fn inserts(products: &[Product]) -> String {
    let (mut rows, mut lang, mut stock) = (String::new(), String::new(), String::new());
    for product in products {
        let id = product.id + SHOP_ID_OFFSET;
        // Skus and EANs of the catalogue are letters, digits and hyphens.
        let (sku, ean) = (&product.sku, &product.ean);
        let comma = if rows.is_empty() { "" } else { "," };
        // Writing to a text in memory cannot fail.
        let _ = write!(rows, "{comma}({id},0,'{ean}','{sku}',12.5,NOW(),NOW())");
        let quantity = id % 5;
        let _ = write!(stock, "{comma}({id},0,1,0,{quantity},2)");
        for (place, language) in LANGUAGES.iter().enumerate() {
            let comma = if place == 0 { comma } else { "," };
            let _ = write!(
                lang,
                "{comma}({id},1,{language},'{sku}','{sku}','A description of some length, as products have \
                 them.','of long ago','of long ago')"
            );
        }
    }
    format!(
        "START TRANSACTION;
         INSERT INTO ps_product
             (id_product, id_tax_rules_group, ean13, reference, price, date_add, date_upd) VALUES {rows};
         INSERT INTO ps_product_lang
             (id_product, id_shop, id_lang, name, link_rewrite, description, available_now, available_later)
             VALUES {lang};
         INSERT INTO ps_stock_available
             (id_product, id_product_attribute, id_shop, id_shop_group, quantity, out_of_stock)
             VALUES {stock};
         COMMIT"
    )
}
