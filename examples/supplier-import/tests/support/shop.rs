//! A shop, our tables, and what a test compares of them.

use std::collections::BTreeMap;

use sqlx::{Connection, MySqlConnection, Row};
use supplier_import::db::Store;
use supplier_import::linking::link_shop;
use supplier_import::pretend_shop;
use supplier_import::shop::Shop;
use supplier_import::sync::{Settings, SyncReport, sync};

use super::servers::MariaDb;

/// What a product's row says: `out_of_stock`, and both texts of language 1.
pub(crate) type Said = (i64, String, String);

pub(crate) struct ShopStage {
    pub(crate) server: MariaDb,
    pub(crate) store: Store,
    pub(crate) shop: Shop,
    pub(crate) shop_url: String,
    pub(crate) ours: String,
}

impl ShopStage {
    /// A shop and our tables with the same products, linked with each other, our tables on the same server.
    pub(crate) async fn set(products: u64) -> Self {
        let server = MariaDb::start().await;
        let ours = server.another("ours").await;
        let shop_url = server.url();
        pretend_shop::build(&shop_url, products).await.unwrap();
        let store = Store::open(&ours).await.unwrap();
        store.seed(1, products).await.unwrap();
        let shop = Shop::new(&shop_url, "ps_", 1).unwrap();
        assert_eq!(link_shop(&store, &shop).await.unwrap().linked, products);
        Self { server, store, shop, shop_url, ours }
    }

    /// Sets what a contractor says of a product: stock and days.
    pub(crate) async fn supplier_says(&self, contractor: i64, product: i64, stock: u32, days: u32) {
        let said = format!(
            r#"{{"contractor_id":{contractor},"stock_quantity":{stock},"delivery_days":{days},"purchase_price":1.50}}"#
        );
        self.supplier_says_text(contractor, product, &said).await;
    }

    pub(crate) async fn supplier_says_text(&self, contractor: i64, product: i64, said: &str) {
        let sql = "UPDATE integration_product_links SET supplier_availability = ?
                   WHERE contractor_id = ? AND product_id = ?";
        let query = sqlx::query(sql).bind(said).bind(contractor).bind(product);
        let done = query.execute(&mut self.our().await).await.unwrap();
        assert_eq!(done.rows_affected(), 1);
    }

    pub(crate) async fn our(&self) -> MySqlConnection {
        MySqlConnection::connect(&self.ours).await.unwrap()
    }

    /// Sets `supplier_availability` of all links, by product, in one statement: stock and days follow from it.
    pub(crate) async fn suppliers_say_all(&self, round: u64) {
        let sql = "UPDATE integration_product_links SET supplier_availability = CONCAT(
                       '{\"contractor_id\":1,\"stock_quantity\":', (product_id * 7 + ? * 11) % 40,
                       ',\"delivery_days\":', 1 + (product_id + ?) % 9, ',\"purchase_price\":1.50}')";
        sqlx::query(sql)
            .bind(round as i64)
            .bind(round as i64)
            .execute(&mut self.our().await)
            .await
            .unwrap();
    }

    /// What the shop shall say after that.
    pub(crate) fn expected_all(round: u64, products: u64) -> BTreeMap<u64, Said> {
        let of = |id: u64| {
            let (stock, days) = ((id * 7 + round * 11) % 40, 1 + (id + round) % 9);
            let later =
                if stock >= 20 { format!("Delivery time: {days} d") } else { String::new() };
            (i64::from(stock >= 20), "In stock".to_owned(), later)
        };
        (1..=products).map(|id| (id, of(id))).collect()
    }

    pub(crate) async fn sync(&self) -> SyncReport {
        self.sync_with(Settings::default()).await
    }

    pub(crate) async fn sync_with(&self, settings: Settings) -> SyncReport {
        let report = sync(&self.store, &self.shop, settings).await.unwrap();
        assert_eq!(report.error, None);
        report
    }

    /// What the shop says, by our numbers of the products. Panics if languages differ.
    pub(crate) async fn said(&self) -> BTreeMap<u64, Said> {
        let sql = "SELECT CAST(id_product AS SIGNED), CAST(out_of_stock AS SIGNED), available_now,
                          available_later, id_lang
                   FROM ps_product_lang JOIN ps_stock_available USING (id_product)
                   WHERE id_product_attribute = 0 ORDER BY id_product";
        let mut connection = MySqlConnection::connect(&self.shop_url).await.unwrap();
        let rows = sqlx::query(sql).fetch_all(&mut connection).await.unwrap();
        let mut said: BTreeMap<u64, Said> = BTreeMap::new();
        for row in rows {
            let product = row.get::<i64, _>(0) as u64 - pretend_shop::SHOP_ID_OFFSET;
            let new = (row.get(1), row.get(2), row.get(3));
            if let Some(other) = said.insert(product, new) {
                assert_eq!(other, said[&product], "product {product} is half-written");
            }
        }
        said
    }

    /// What our links say the shop was told: product and `out_of_stock`, of those that say anything.
    pub(crate) async fn noted(&self) -> BTreeMap<u64, (i64, String)> {
        let sql = "SELECT product_id, metadata FROM integration_product_links
                   WHERE metadata IS NOT NULL";
        let rows = sqlx::query(sql).fetch_all(&mut self.our().await).await.unwrap();
        let one = |row: &sqlx::mysql::MySqlRow| {
            let metadata: serde_json::Value = serde_json::from_str(row.get(1)).unwrap();
            let told = &metadata["last_availability"];
            let later = told["available_later"].as_str().unwrap().to_owned();
            (row.get::<i64, _>(0) as u64, (told["out_of_stock"].as_i64().unwrap(), later))
        };
        rows.iter().map(one).collect()
    }

    /// Runs a statement in the shop.
    pub(crate) async fn in_shop(&self, sql: &'static str) {
        let mut connection = MySqlConnection::connect(&self.shop_url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    }
}
