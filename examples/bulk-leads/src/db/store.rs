//! The tables of bulk updates, whatever database they are in.
//!
//! A job goes from pending to processing and ends once, in one of four ways. A chunk is done only while
//! its job is processing, in the transaction that updates its leads and adds to the job's counts. So
//! nothing is updated after the end, and nothing is counted twice.

use std::sync::Arc;

use jobq_core::{Clock, SystemClock, Timestamp};
use serde::Serialize;
use serde_json::json;
use sql_store::Kind;

use super::driver::{Driver, StoreError};
use super::mysql::MysqlDriver;
use super::sqlite::SqliteDriver;

/// The tables of bulk updates. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(super) driver: Arc<dyn Driver>,
    clock: Arc<dyn Clock>,
}

impl Store {
    /// Opens a database by its address, `sqlite://FILE` or `mysql://USER:PASSWORD@HOST/NAME`, and
    /// creates the tables that are missing. Goes by the machine's clock.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, with the reason.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let driver: Arc<dyn Driver> = match Kind::of(url)? {
            Kind::Sqlite => Arc::new(SqliteDriver::open(url).await?),
            Kind::Mysql => Arc::new(MysqlDriver::open(url).await?),
        };
        Ok(Self { driver, clock: Arc::new(SystemClock::default()) })
    }

    /// The same tables, by another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The instant that is written into the tables now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.now().as_millis()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }
}

pub(super) fn json_list<T: Serialize>(items: impl IntoIterator<Item = T>) -> String {
    json!(items.into_iter().collect::<Vec<T>>()).to_string()
}
