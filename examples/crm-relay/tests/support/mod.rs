//! What the tests share: servers of their own, messages worked on step by step, and the built program.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod answers;
pub(crate) mod kills;
pub(crate) mod mariadb;
pub(crate) mod program;
pub(crate) mod steps;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crm_relay::stub::{Chances, Server, StubReceiver};
use tempfile::TempDir;

/// What messages are signed with.
pub(crate) const SECRET: &str = "a secret of the tests";
/// What callers show.
pub(crate) const TOKEN: &str = "a token of the tests";

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
        format!("sqlite://{}", self.path("crm.db").display())
    }
}

/// A free port of this machine.
pub(crate) fn anywhere() -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, 0))
}

/// An address that nobody listens at.
pub(crate) fn closed_url() -> String {
    let probe = std::net::TcpListener::bind(anywhere()).unwrap();
    format!("http://{}/hook", probe.local_addr().unwrap())
}

/// A receiver that goes wrong only when it is told to.
pub(crate) async fn receiver() -> (StubReceiver, Server) {
    let receiver = StubReceiver::new([SECRET], Chances::default());
    let server = Server::start(receiver.clone(), anywhere()).await.unwrap();
    (receiver, server)
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
