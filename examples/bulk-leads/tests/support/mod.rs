//! What the tests share beside the crate [`fixtures`]: bulk jobs run step by step.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod steps;
pub(crate) mod tables;
pub(crate) mod twice;

use fixtures::Program;

/// The program under test.
pub(crate) const PROGRAM: Program = Program {
    file: env!("CARGO_BIN_EXE_bulk-leads"),
    reads: &["DATABASE_URL", "REDIS_URL", "WEBHOOK_SECRET"],
    with: &[],
};
