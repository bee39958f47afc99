//! The specification of a backend, as tests.
//!
//! Every sentence of the [contract](crate::Backend) that can be observed is a behaviour here: a
//! function that says in its name what must hold. [`suite!`](suite) turns all of them into tests of one
//! backend. A fault found in any backend becomes a behaviour first, so that no other can have it.
//!
//! It does not know how a backend works, and it does not measure.
//!
//! ```no_run
//! # use async_trait::async_trait;
//! use jobq_core::conformance::{Fixture, Store};
//! use jobq_core::{DeadRetention, ManualClock, MemoryBackend, QueueName};
//!
//! struct MemoryFixture(MemoryBackend);
//!
//! #[async_trait]
//! impl Fixture for MemoryFixture {
//!     async fn create(clock: ManualClock, dead: DeadRetention) -> Self {
//!         Self(MemoryBackend::with_clock(clock).dead_retention(dead))
//!     }
//!     fn store(&self) -> &dyn Store { &self.0 }
//!     async fn assert_pristine(&self, _: &QueueName) {}
//! }
//!
//! jobq_core::conformance::suite!(MemoryFixture);
//! ```

// Not `cfg(test)`, so the leave that tests have must be given by hand.
#![allow(clippy::unwrap_used, reason = "this is test code: a panic is how it says what is wrong")]

pub mod batch_callbacks;
pub mod batch_ends;
pub mod batches;
pub mod batches_called_off;
pub mod batches_elsewhere;
pub mod breaker;
pub mod cancel;
mod chance;
pub mod checkpoint;
pub mod concurrency;
pub mod dead;
pub mod debounce;
pub mod delete;
pub mod enqueue;
pub mod extend;
pub mod fairness;
pub mod fencing;
pub mod flow_model;
mod flow_oracle;
pub mod forfeit;
pub mod groups;
pub mod heartbeat;
pub mod held_up;
pub mod inspect;
pub mod kills;
pub mod lanes;
pub mod lease;
pub mod limits;
pub mod model;
pub mod nested_batches;
mod oracle;
mod oracle_batches;
mod oracle_keys;
mod oracle_limits;
mod oracle_turns;
pub mod order;
pub mod parent_failures;
pub mod parents;
pub mod parents_elsewhere;
pub mod parents_refused;
pub mod parents_to_come;
pub mod pause;
pub mod prune;
pub mod rates;
pub mod reclaim;
pub mod release;
pub mod report;
pub mod requeue;
pub mod rest;
pub mod retry;
mod scene;
mod scene_flow;
pub mod schedule;
pub mod schedules;
pub mod settings;
pub mod settle;
pub mod shared;
pub mod sizes;
pub mod snooze;
pub mod standing;
pub mod standing_model;
mod suite;
mod trace;
pub mod unique;
pub mod unique_modes;
pub mod unique_running;
pub mod wake;
pub mod watch;

use async_trait::async_trait;

use crate::backend::Backend;
use crate::clock::ManualClock;
use crate::inspect::Inspect;
use crate::name::QueueName;
use crate::retention::DeadRetention;
use crate::schedules::Schedules;

pub use self::scene::{DEAD_RETENTION, LEASE, Scene};
#[doc(inline)]
pub use crate::__conformance_behaviours as behaviours;
#[doc(inline)]
pub use crate::__conformance_suite as suite;

/// What the suite needs to test a backend: a fresh store, and a clock it owns.
#[async_trait]
pub trait Fixture: Send + Sync + 'static {
    /// A store that holds nothing of any queue, goes by `clock` alone, and bounds its dead jobs by
    /// `dead_retention`.
    async fn create(clock: ManualClock, dead_retention: DeadRetention) -> Self
    where
        Self: Sized;

    /// The store.
    fn store(&self) -> &dyn Store;

    /// Panics if anything is left of the jobs of `queue`, all of which have ended and are not kept.
    ///
    /// What people see of the queue has been checked before; this is for what they do not see, such
    /// as keys of a server. What a queue has of its own (the counter of its tokens) may stay.
    async fn assert_pristine(&self, queue: &QueueName);
}

/// All parts of the contract.
pub trait Store: Backend + Inspect + Schedules {}

impl<T: Backend + Inspect + Schedules> Store for T {}

/// Runs one behaviour on a fresh store of `F`. For [`suite!`](suite).
///
/// # Panics
///
/// When the backend does not behave.
#[doc(hidden)]
pub fn run<F: Fixture>(behaviour: impl AsyncFnOnce(&Scene)) {
    // Real time goes on: a backend behind a socket needs it. One thread, so that failures repeat.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(async {
        let scene = Scene::create::<F>().await;
        behaviour(&scene).await;
    });
}
