//! Runs jobq jobs: lease, execute, settle, renew, reclaim, shut down.
//!
//! A [`Worker`] is given a backend and handlers: plain functions, whose first argument is the job and
//! whose others are [extractors](FromContext). See [`Worker`] for an example, and
//! [`jobq_core::outcome`] for what a handler may return.
//!
//! # The life of a worker
//!
//! 1. What was set is checked, and all mistakes are reported together.
//! 2. The **renewer** starts, a thread of its own: it extends the leases of running jobs, and stops
//!    handlers whose leases cannot be extended before anybody else can take them.
//! 3. The **maintenance** task starts: it promotes, reclaims and prunes, says that the worker lives, and
//!    listens for a restart.
//! 4. The **pump** starts: it sets the limits of queues and lanes that the program gives, leases jobs when
//!    there is room to run them, starts each as a task of its
//!    own, and settles many at a time, together with the next lease.
//! 5. Told to stop, the pump leases no more and lets handlers finish; then it cancels them, gives back
//!    what is left, delivers the last settlements, and ends. Maintenance and renewer end after it.
//!
//! # Limits
//!
//! How many jobs run in one worker is said by [`Worker::concurrency`]. How many of a queue, or of one of
//! its lanes, may run in all workers together, at once and in a time, is said by
//! [`Worker::limit_queue`], [`Worker::limit_lanes`] and their like; the store keeps to it, so work over a
//! limit is never leased, and a worker sleeps until there is room:
//!
//! ```
//! # use jobq_core::{Job, Limits, MemoryBackend, Rate};
//! # use jobq_worker::Worker;
//! # use serde::{Deserialize, Serialize};
//! #[derive(Serialize, Deserialize, Job)]
//! #[job(queue = "crm", lane = store)]
//! struct SyncRecord { store: u32, record: u64 }
//!
//! async fn sync_record(_job: SyncRecord) {}
//!
//! # fn set_up(backend: MemoryBackend) -> jobq_core::Result<()> {
//! let worker = Worker::new(backend)
//!     .handle(sync_record)
//!     .limit_queue("crm", Limits::new().concurrency(50))
//!     .limit_lanes("crm", Limits::new().rate("100/min".parse()?));
//! # Ok(())
//! # }
//! ```
//!
//! The command line reads the same from `jobq.toml`, and changes it at run time by `jobq limits set`.
//!
//! # Health
//!
//! With the feature `health`, a `Health` answers `/livez`, `/readyz` and `/metrics` for the workers and schedulers of a
//! process, and tells systemd.
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `metrics` (default) | counters, gauges and histograms through the crate `metrics`; `docs/health.md` in the repository lists them |
//! | `health` | the module `health`: a listener for probes and Prometheus, and what systemd is told |
//! | `testing` | `Registry::for_tests`: a program's own handlers under the test kit of `jobq-core` |
//! | `cli` | the module `cli`, a command line for programs of one's own, and the program `jobq`. It brings `health`, the store in Redis, and the scheduler |
//!
//! # Architecture invariant
//!
//! Without the feature `cli` this crate knows no Redis and no scheduler: only the [`Backend`] contract.
//!
//! [`Backend`]: jobq_core::Backend

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "cli")]
pub mod cli;
mod config;
mod defaults;
mod events;
mod executor;
mod extract;
mod given_limits;
mod handler;
#[cfg(feature = "health")]
pub mod health;
mod layer;
mod leases;
mod mailbox;
mod maintenance;
mod meters;
mod own_vitals;
mod panics;
mod pump;
mod registry;
mod renewer;
mod run_limits;
mod running;
mod runtime;
mod signals;
mod state;
mod summary;
#[cfg(feature = "testing")]
mod testing;
mod worker;

// The snippet of the page that crates.io shows is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use extract::{FromContext, HandlerScope};
pub use handler::{BlockingHandler, Handler};
#[cfg(feature = "health")]
pub use health::Health;
pub use layer::{InnerAttempt, Layer};
pub use registry::Registry;
pub use signals::StopSignals;
pub use state::{State, States};
pub use summary::{EndReason, RefusedQueue, Summary};
#[cfg(feature = "testing")]
pub use testing::TestHandlers;
pub use worker::Worker;
