//! Workers as real processes on real servers, under faults: signals, kills, stops, blocked runtimes, panics,
//! aborts, want of memory, full disks, wrong passwords, servers that are swapped, frozen or out of reach, programs of
//! two versions, clocks that are stepped.
//!
//! Each fault strikes in the middle of a [mix](mix::Mix): jobs with priorities, lanes with a limit, a rate, a batch,
//! unique keys, a schedule. When it is over and all is done, one [audit](audit::Audit) checks all invariants.
//! `docs/faults.md` says of each what is promised and what was seen.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod audit;
mod clocks;
mod disk;
mod handlers;
mod jobs;
mod kills;
mod ledger;
mod mix;
mod network;
mod page;
mod passwords;
mod process;
mod program;
mod stage;
mod stops;
mod swapped;
mod versions;
mod zombie;
