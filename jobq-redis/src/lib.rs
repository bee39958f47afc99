//! The jobq backend contract in Redis.
//!
//! ```no_run
//! use jobq_core::{Job, Queue};
//! use jobq_redis::RedisBackend;
//! # use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Job)]
//! struct SendWelcome { user: u64 }
//!
//! # async fn example() -> jobq_core::Result<()> {
//! let queue = RedisBackend::connect("redis://127.0.0.1").await?;
//! queue.enqueue(SendWelcome { user: 42 }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it needs
//!
//! Redis 6.2 or newer, or Valkey: one server, one that Sentinel watches over, or a cluster
//! ([`RedisConfig::new`] has the URLs). Jobs are as durable as the server is: turn on its append-only
//! file, and leave `maxmemory-policy` at `noeviction`. An enqueue can wait for replicas or the disk
//! ([`Durability`]). A full server refuses to enqueue
//! and can still be drained. The ACL of a user with just the rights that are needed is in
//! `docs/operations.md` in the repository; one without channels can do everything but watch jobs.
//!
//! # How it works
//!
//! Every transition of a job is one Lua script (`lua/` has them, `lua/README.md` their rules). A job's
//! record is written once; leases live in one sorted set by their expiry; time is the server's. An idle
//! worker waits for a token on a connection of its own and never for a job.
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `tls` (default) | `rediss://` URLs, by rustls with ring and the machine's root certificates |
//! | `test-util` | private servers, clusters and bad links for tests. Not covered by semver |
//!
//! # Architecture invariant
//!
//! This crate knows no workers and no scheduler, and no type of its Redis client is in its public API.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod backend;
mod batches;
mod bytes;
mod clock;
mod cluster;
mod config;
mod durability;
mod enqueue;
mod error;
mod exchange;
mod facts;
#[cfg(any(test, feature = "test-util"))]
mod fault_proxy;
mod first;
#[cfg(test)]
mod fuzz;
mod grouping;
mod inspect;
mod joint;
mod keys;
mod limits;
mod link;
mod list;
mod node;
mod parents;
mod past;
mod pools;
mod record;
mod register;
mod relay;
mod reply;
mod rights;
mod schedules;
mod scripts;
mod sentinel;
mod server;
mod settling;
mod slots;
mod standing;
mod tenure;
#[cfg(any(test, feature = "test-util"))]
mod test_cluster;
#[cfg(any(test, feature = "test-util"))]
mod test_sentinel;
#[cfg(any(test, feature = "test-util"))]
mod test_server;
mod topology;
mod unreadable;
mod url;
mod view;
mod wake;
mod watch;
mod word;

// The snippet of the page that crates.io shows is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use backend::RedisBackend;
pub use config::RedisConfig;
pub use durability::Durability;
pub use facts::ServerFacts;
#[cfg(any(test, feature = "test-util"))]
pub use fault_proxy::FaultProxy;
pub use rights::Rights;
#[cfg(any(test, feature = "test-util"))]
pub use test_cluster::TestCluster;
#[cfg(any(test, feature = "test-util"))]
pub use test_sentinel::TestSentinels;
#[cfg(any(test, feature = "test-util"))]
pub use test_server::TestServer;
