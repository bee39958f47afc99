//! What the tests share beside the crate [`fixtures`]: jobs run one by one.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod steps;

use crm_sync::entity::Entity;
use crm_sync::ids::{RecordId, RecordKey, StoreId};
use crm_sync::stub::{Chances, Crm, Server};
use fixtures::{Program, anywhere};

/// The program under test.
pub(crate) const PROGRAM: Program = Program {
    file: env!("CARGO_BIN_EXE_crm-sync"),
    reads: &["DATABASE_URL", "REDIS_URL"],
    with: &[],
};

/// A client for HTTP without encryption, which needs a choice of it all the same.
pub(crate) fn client() -> reqwest::Client {
    program::choose_cryptography();
    reqwest::Client::new()
}

/// A stub CRM on a free port.
pub(crate) fn stub(chances: Chances) -> (Crm, Server) {
    let crm = Crm::new(chances);
    let server = Server::start(crm.clone(), anywhere()).unwrap();
    (crm, server)
}

pub(crate) fn store(number: u32) -> StoreId {
    StoreId::new(number).unwrap()
}

pub(crate) fn key(number: u32, entity: Entity, record: u64) -> RecordKey {
    RecordKey { store: store(number), entity, record: RecordId::new(record).unwrap() }
}
