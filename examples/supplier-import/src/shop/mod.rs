//! The shop: the MySQL or MariaDB database of a PrestaShop, in which availability is written.
//!
//! Its tables are not ours: nothing is created, inserted or deleted in it, and the SQL is what servers
//! understand that are as old as shops can be (MySQL 5.6).

mod check;
mod connection;
mod error;
mod products;
mod write;

use std::fmt;
use std::str::FromStr;

use sqlx::mysql::MySqlConnectOptions;

pub use check::{Finding, Findings};
pub(crate) use connection::Connection;
use connection::literal;
pub use error::{ShopError, ShopFault};
pub(crate) use write::Change;

/// Where a shop's tables are. Knows the password, and never shows it.
#[derive(Clone)]
pub struct Shop {
    options: MySqlConnectOptions,
    shown: String,
    prefix: String,
    shop_id: u32,
}

impl Shop {
    /// A shop by its database's address, `mysql://USER:PASSWORD@HOST/NAME`, the prefix of its tables, such
    /// as `ps_`, and its number in a multi-shop installation, which is 1 if there is one shop.
    ///
    /// # Errors
    ///
    /// When one of them is malformed. Nothing is connected yet.
    pub fn new(url: &str, prefix: &str, shop_id: u32) -> Result<Self, ShopError> {
        let malformed = |what: &str| {
            Err(ShopError::new(
                ShopFault::Address,
                format!("{what}: give mysql://USER:PASSWORD@HOST/NAME"),
            ))
        };
        if !["mysql://", "mariadb://"].iter().any(|scheme| url.starts_with(scheme)) {
            return malformed("the shop must be a MySQL or MariaDB database");
        }
        let Ok(options) = MySqlConnectOptions::from_str(url) else {
            return malformed("the shop's address cannot be read");
        };
        let Some(name) = options.get_database() else {
            return malformed("the shop's address names no database");
        };
        // It becomes part of statements.
        if prefix.len() > 32 || !prefix.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err(ShopError::new(
                ShopFault::Address,
                "the prefix of the shop's tables must be letters, digits and underscores, such as ps_",
            ));
        }
        let shown = format!("{}:{}/{name}", options.get_host(), options.get_port());
        Ok(Self { shown, prefix: prefix.to_owned(), shop_id, options })
    }

    /// Looks at everything a sync needs, and says what is wrong.
    pub async fn check(&self) -> Findings {
        check::check(self).await
    }

    /// Which shop it is, to tell it from others.
    pub(crate) fn identity(&self) -> String {
        format!("{} {} {}", self.shown, self.prefix, self.shop_id)
    }

    /// A table's name with its prefix.
    fn table(&self, name: &str) -> String {
        format!("`{}{name}`", self.prefix)
    }
}

impl fmt::Debug for Shop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shop").field(&self.identity()).finish()
    }
}

impl fmt::Display for Shop {
    /// Its database, as `HOST:PORT/NAME`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}
