//! The tables as a whole, whatever database they are in.

use std::sync::Arc;

use jobq_core::{Backend, Clock, SystemClock, Timestamp};
use sql_store::Kind;

use super::driver::{Driver, StoreError};
use super::mysql::MysqlDriver;
use super::relay::Relay;
use super::sole::Sole;
use super::sqlite::SqliteDriver;

/// The tables of the relay. Clones share their connections.
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

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Moves jobs from these tables to a queue.
    pub(crate) fn relay(&self, backend: Arc<dyn Backend>) -> Relay {
        self.driver.relay(backend)
    }

    /// How many jobs were not yet handed to their queue.
    pub(crate) async fn unmoved(&self) -> Result<u64, StoreError> {
        Ok(self.driver.backlog().await?.jobs)
    }

    /// Makes this the one process that works on these tables; `None` if another one does.
    pub(crate) async fn sole(&self) -> Result<Option<Sole>, StoreError> {
        self.driver.sole().await
    }
}
