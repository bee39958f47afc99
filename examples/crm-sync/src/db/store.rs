//! The tables as a whole, the same on both databases.

use std::sync::Arc;

use sql_store::Kind;

use super::driver::{Driver, StoreError};
use super::mysql::MysqlDriver;
use super::sqlite::SqliteDriver;

/// The tables. Clones share their connections. They are told the time, and never look at a clock.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) driver: Arc<dyn Driver>,
}

impl Store {
    /// Opens a database by its address, `sqlite://FILE` or `mysql://USER:PASSWORD@HOST/NAME`, and
    /// creates the tables that are missing.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, with the reason.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let driver: Arc<dyn Driver> = match Kind::of(url)? {
            Kind::Sqlite => Arc::new(SqliteDriver::open(url).await?),
            Kind::Mysql => Arc::new(MysqlDriver::open(url).await?),
        };
        Ok(Self { driver })
    }
}
