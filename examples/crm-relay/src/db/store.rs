//! The tables as a whole, whatever database they are in.

use std::sync::Arc;

use jobq_core::{Backend, Clock, SystemClock, Timestamp};

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
        let driver: Arc<dyn Driver> = match url.split_once("://") {
            Some(("sqlite", _)) => Arc::new(SqliteDriver::open(url).await?),
            Some(("mysql" | "mariadb", _)) => {
                Arc::new(MysqlDriver::open(url, &place_of(url)).await?)
            }
            // Without the address: it is not known where in it a password may be.
            _ => {
                let message = "a database is sqlite://FILE or mysql://USER:PASSWORD@HOST/NAME";
                return Err(StoreError::new(message));
            }
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

/// Where a database is, as reports may show it: nothing of an address in which a password may hide elsewhere
/// than in its place.
fn place_of(url: &str) -> String {
    let shown = || {
        let url = reqwest::Url::parse(url).ok()?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let is_plain = !url.path().contains(['@', ':']);
        is_plain.then_some(format!(" at {}{port}{}", url.host_str()?, url.path()))
    };
    shown().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_password() {
        for (url, place) in [
            ("mysql://app:hunter2@db.example:3307/crm", " at db.example:3307/crm"),
            ("mysql://app@127.0.0.1/crm?password=hunter2", " at 127.0.0.1/crm"),
            ("mysql://app:hunter2/crm", ""),
            ("mysql://app:1/hunter2@127.0.0.1/crm", ""),
        ] {
            assert_eq!(place_of(url), place, "{url}");
        }
    }
}
