//! What the tests share beside the crate [`fixtures`]: imports run step by step.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod servers;
pub(crate) mod shop;
pub(crate) mod steps;

use fixtures::Program;

/// The program under test.
pub(crate) const PROGRAM: Program = Program {
    file: env!("CARGO_BIN_EXE_supplier-import"),
    reads: &["DATABASE_URL", "REDIS_URL"],
    with: &[],
};
