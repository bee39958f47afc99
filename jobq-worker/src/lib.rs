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
//! 4. The **pump** starts: it leases jobs when there is room to run them, starts each as a task of its
//!    own, and settles many at a time, together with the next lease.
//! 5. Told to stop, the pump leases no more and lets handlers finish; then it cancels them, gives back
//!    what is left, delivers the last settlements, and ends. Maintenance and renewer end after it.
//!
//! # Architecture invariant
//!
//! Without the feature `cli` this crate knows no Redis and no scheduler: only the [`Backend`] contract.
//!
//! [`Backend`]: jobq_core::Backend

#[cfg(feature = "cli")]
pub mod cli;
mod config;
mod events;
mod executor;
mod extract;
mod handler;
mod inbox;
mod layer;
mod leases;
mod limits;
mod maintenance;
mod meters;
mod panics;
mod pump;
mod readiness;
mod registry;
mod renewer;
mod running;
mod runtime;
mod shutdown;
mod state;
mod summary;
mod verdict;
mod worker;

pub use extract::{FromContext, Scope};
pub use handler::{BlockingHandler, Handler};
pub use layer::{Inner, Layer};
pub use readiness::{Readiness, ReadinessHandle, Since};
pub use registry::Registry;
pub use state::{State, States};
pub use summary::{StopCause, Summary};
pub use worker::Worker;
