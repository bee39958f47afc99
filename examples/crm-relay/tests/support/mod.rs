//! What the tests share beside the crate [`fixtures`]: messages worked on step by step.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod answers;
pub(crate) mod kills;
pub(crate) mod steps;

use crm_relay::stub::{Chances, Server, StubReceiver};
use fixtures::{Program, anywhere};

/// The program under test.
pub(crate) const PROGRAM: Program = Program {
    file: env!("CARGO_BIN_EXE_crm-relay"),
    reads: &["DATABASE_URL", "REDIS_URL", "WEBHOOK_SECRET"],
    with: &[("CRM_TOKEN", TOKEN)],
};

/// What messages are signed with.
pub(crate) const SECRET: &str = "a secret of the tests";
/// What callers show.
pub(crate) const TOKEN: &str = "a token of the tests";

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
