//! The table as a whole, the same on both databases.

use std::sync::Arc;

use super::driver::{Driver, StoreError};
use super::mysql::MysqlDriver;
use super::sqlite::SqliteDriver;

/// The table. Clones share their connections. They are told the time, and never look at a clock.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) driver: Arc<dyn Driver>,
}

impl Store {
    /// Opens a database by its address, `sqlite://FILE` or `mysql://USER:PASSWORD@HOST/NAME`, and
    /// creates the table if it is missing.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, with the reason.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let driver: Arc<dyn Driver> = match url.split_once(':') {
            Some(("sqlite", _)) => Arc::new(SqliteDriver::open(url).await?),
            Some(("mysql" | "mariadb", _)) => {
                Arc::new(MysqlDriver::open(url, &without_password(url)).await?)
            }
            _ => {
                return Err(StoreError::new(format!(
                    "{url:?} is no database: give sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME"
                )));
            }
        };
        Ok(Self { driver })
    }
}

/// The address as reports may show it.
fn without_password(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| {
        let (_, host) = rest.rsplit_once('@')?;
        Some(format!("{scheme}://…@{host}"))
    }) {
        Some(shown) => shown,
        None => url.to_owned(),
    }
}
