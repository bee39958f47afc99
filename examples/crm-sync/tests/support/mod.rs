//! What the tests share: servers of their own, and jobs run one by one.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod program;
pub(crate) mod servers;
pub(crate) mod steps;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crm_sync::entity::Entity;
use crm_sync::ids::{RecordId, RecordKey, StoreId};
use crm_sync::stub::{Chances, Crm, Server};
use tempfile::TempDir;

/// A directory of the test's own, with the files in it.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn sqlite(&self) -> String {
        sqlite_url(&self.path("crm-sync.db"))
    }
}

pub(crate) fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

/// A client for HTTP without encryption, which needs a choice of it all the same.
pub(crate) fn client() -> reqwest::Client {
    ::program::choose_cryptography();
    reqwest::Client::new()
}

/// A stub CRM on a free port.
pub(crate) fn stub(chances: Chances) -> (Crm, Server) {
    let crm = Crm::new(chances);
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::start(crm.clone(), free).unwrap();
    (crm, server)
}

pub(crate) fn store(number: u32) -> StoreId {
    StoreId::new(number).unwrap()
}

pub(crate) fn key(number: u32, entity: Entity, record: u64) -> RecordKey {
    RecordKey { store: store(number), entity, record: RecordId::new(record).unwrap() }
}

/// Waits until `probe` gives a value. Looks again every few milliseconds; panics after two minutes.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited two minutes for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
