//! The connection test: everything a sync needs, looked at one by one until something is wrong.

use serde::Serialize;
use sqlx::Row;
use sqlx::mysql::MySqlRow;

use super::{Connection, Shop, ShopError, ShopFault, literal};

/// The columns that are read or written, by table.
const COLUMNS: [(&str, &[&str]); 3] = [
    ("stock_available", &["id_product", "id_shop", "out_of_stock"]),
    ("product_lang", &["id_product", "id_shop", "id_lang", "available_now", "available_later"]),
    ("product", &["id_product", "reference", "ean13"]),
];

/// What a connection test has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Findings {
    /// Whether a sync can run.
    pub ok: bool,
    /// What was looked at, in order; the last one is what is wrong, if anything is.
    pub findings: Vec<Finding>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at: "connection", "tables", "rights", "products".
    pub what: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found, or what is wrong and what to do about it.
    pub detail: String,
}

impl Findings {
    /// Adds one. `false` if it is the last.
    fn add(&mut self, what: &'static str, found: Result<String, ShopError>) -> bool {
        self.ok = found.is_ok();
        let detail = match found {
            Ok(detail) => detail,
            Err(error) => program::in_one_line(&error),
        };
        self.findings.push(Finding { what, ok: self.ok, detail });
        self.ok
    }
}

pub(super) async fn check(shop: &Shop) -> Findings {
    let mut findings = Findings::default();
    let mut connection = match Connection::open(shop).await {
        Ok(connection) => connection,
        Err(error) => {
            findings.add("connection", Err(error));
            return findings;
        }
    };
    let version = connection.version().await;
    let _ = findings.add("connection", version)
        && findings.add("tables", connection.tables().await)
        && findings.add("rights", connection.rights().await)
        && findings.add("products", connection.products_of_shop().await);
    // What was found is found; a goodbye that fails changes nothing of it.
    let _ = connection.close().await;
    findings
}

impl Connection {
    async fn version(&mut self) -> Result<String, ShopError> {
        let rows = self.rows("SELECT CAST(VERSION() AS CHAR)").await?;
        let version = rows.first().map(text).unwrap_or_default();
        Ok(format!("{} answers as {version}", self.shop))
    }

    async fn tables(&mut self) -> Result<String, ShopError> {
        let prefix = self.shop.prefix.clone();
        for (table, columns) in COLUMNS {
            let table = format!("{prefix}{table}");
            let sql = format!(
                "SELECT CAST(column_name AS CHAR) FROM information_schema.columns
                 WHERE table_schema = DATABASE() AND table_name = {}",
                literal(&table)
            );
            let there: Vec<String> = self.rows(&sql).await?.iter().map(text).collect();
            if there.is_empty() {
                return Err(self.no_table(&table).await?);
            }
            let lacks = columns.iter().find(|column| !there.iter().any(|name| name == *column));
            if let Some(column) = lacks {
                let message = format!("the table {table} has no column {column}");
                return Err(ShopError::new(ShopFault::NoColumn, message));
            }
        }
        self.require_transactions().await?;
        Ok(format!("{prefix}stock_available, {prefix}product_lang and {prefix}product are there"))
    }

    /// A table without transactions cannot be written whole or not at all.
    pub(crate) async fn require_transactions(&mut self) -> Result<(), ShopError> {
        let prefix = self.shop.prefix.clone();
        let tables = [format!("{prefix}stock_available"), format!("{prefix}product_lang")];
        let [stock, lang] = tables.map(|table| literal(&table));
        let sql = format!(
            "SELECT CAST(CONCAT(table_name, ' is of the engine ', engine) AS CHAR)
                   FROM information_schema.tables
                   WHERE table_schema = DATABASE() AND table_name IN ({stock}, {lang}) AND engine <> 'InnoDB'"
        );
        let others = self.rows(&sql).await?;
        let Some(other) = others.first().map(text) else {
            return Ok(());
        };
        let message = format!(
            "the table {other}, which has no transactions: a sync that is cut off could leave a product \
             half-written. ALTER TABLE it to ENGINE = InnoDB"
        );
        Err(ShopError::new(ShopFault::NoTable, message))
    }

    /// A shop with another prefix is the usual reason.
    async fn no_table(&mut self, table: &str) -> Result<ShopError, ShopError> {
        let sql = "SELECT CAST(table_name AS CHAR) FROM information_schema.tables
                   WHERE table_schema = DATABASE() AND table_name LIKE '%\\_stock\\_available'";
        let others = self.rows(sql).await?;
        let hint = match others.first().map(text) {
            Some(other) if other != format!("{}stock_available", self.shop.prefix) => {
                let prefix = other.trim_end_matches("stock_available");
                format!(", but there is {other}: is the prefix {prefix}?")
            }
            _ => ", or this user may not see it".to_owned(),
        };
        let message = format!("the shop {} has no table {table}{hint}", self.shop);
        Ok(ShopError::new(ShopFault::NoTable, message))
    }

    /// Updates no row at all, which needs the same rights.
    async fn rights(&mut self) -> Result<String, ShopError> {
        let (stock, lang) = (self.shop.table("stock_available"), self.shop.table("product_lang"));
        for sql in [
            format!("SELECT id_product FROM {} WHERE 1 = 0", self.shop.table("product")),
            format!("UPDATE {stock} SET out_of_stock = out_of_stock WHERE 1 = 0 AND id_shop = 0"),
            format!(
                "UPDATE {lang} SET available_now = available_now, available_later = available_later
                 WHERE 1 = 0 AND id_shop = 0"
            ),
        ] {
            self.run(&sql).await?;
        }
        Ok("it may read products, and update stock and texts".to_owned())
    }

    async fn products_of_shop(&mut self) -> Result<String, ShopError> {
        let (stock, lang) = (self.shop.table("stock_available"), self.shop.table("product_lang"));
        let shop_id = self.shop.shop_id;
        let sql = format!(
            "SELECT CAST(COUNT(DISTINCT id_product) AS SIGNED) FROM {stock} WHERE id_shop = {shop_id}"
        );
        let products = self.rows(&sql).await?.first().map_or(0, number);
        if products == 0 {
            let sql = format!(
                "SELECT DISTINCT CAST(id_shop AS SIGNED) FROM {stock} ORDER BY id_shop LIMIT 10"
            );
            let others = self.rows(&sql).await?;
            let others: Vec<String> = others.iter().map(|row| number(row).to_string()).collect();
            let hint = if others.is_empty() {
                "; nor has any other".to_owned()
            } else {
                format!("; those that have: {}", others.join(", "))
            };
            let message = format!("shop {shop_id} has no stock in {stock}{hint}");
            return Err(ShopError::new(ShopFault::NoTable, message));
        }
        let sql = format!(
            "SELECT DISTINCT CAST(id_lang AS SIGNED) FROM {lang} WHERE id_shop = {shop_id} ORDER BY id_lang"
        );
        let languages: Vec<String> =
            self.rows(&sql).await?.iter().map(|row| number(row).to_string()).collect();
        Ok(format!("shop {shop_id} has {products} products, in languages {}", languages.join(", ")))
    }
}

fn text(row: &MySqlRow) -> String {
    row.try_get(0).unwrap_or_default()
}

fn number(row: &MySqlRow) -> i64 {
    row.try_get(0).unwrap_or_default()
}
