//! What is measured, one file each.

pub(crate) mod backlog;
pub(crate) mod batch;
pub(crate) mod cli_million;
pub(crate) mod crash;
pub(crate) mod crowd;
pub(crate) mod drain;
pub(crate) mod due;
pub(crate) mod enqueue;
pub(crate) mod idle;
pub(crate) mod lanes;
pub(crate) mod limits;
pub(crate) mod memory;
pub(crate) mod memory_backend;
pub(crate) mod pickup;
pub(crate) mod rate;
pub(crate) mod schedules;
