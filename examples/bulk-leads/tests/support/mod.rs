//! What the tests share: servers of their own, bulk jobs run step by step, and the built program.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod mariadb;
pub(crate) mod program;
pub(crate) mod steps;
pub(crate) mod tables;
pub(crate) mod twice;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A free port of this machine.
pub(crate) fn anywhere() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A directory of the test's own.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        // Whoever makes an HTTP client needs one.
        ::program::choose_cryptography();
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn sqlite(&self) -> String {
        sqlite_url(&self.path("bulk.db"))
    }
}

fn sqlite_url(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

/// Waits until `probe` gives a value. Looks again every few milliseconds; panics after a minute.
pub(crate) async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(Instant::now() < deadline, "waited a minute for {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
