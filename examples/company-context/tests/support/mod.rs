//! What the tests share beside the crate [`fixtures`]: jobs run one by one.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod steps;

use company_context::stub::{Chances, Server, StubModel};
use fixtures::{Program, anywhere};

/// The program under test.
pub(crate) const PROGRAM: Program = Program {
    file: env!("CARGO_BIN_EXE_company-context"),
    reads: &["DATABASE_URL", "REDIS_URL", "QUEUE_DRIVER", "MODEL_ENDPOINT", "MODEL_KEY"],
    with: &[],
};

/// A client for HTTP without encryption, which needs a choice of it all the same.
pub(crate) fn client() -> reqwest::Client {
    program::choose_cryptography();
    reqwest::Client::new()
}

/// A stub model on a free port.
pub(crate) fn stub(chances: Chances) -> (StubModel, Server) {
    let model = StubModel::new(chances);
    let server = Server::start(model.clone(), anywhere()).unwrap();
    (model, server)
}
