//! Typed background jobs: what a job is, how it is enqueued, and what a backend must do with it.
//!
//! A **job** is a piece of work that is written down now and done later, perhaps elsewhere. Its
//! arguments are an ordinary struct that derives [`Job`]; any [`Backend`] takes it through the typed
//! [`Queue`] API; a worker (crate `jobq-worker`) leases it, runs its handler and settles it.
//!
//! ```
//! use jobq_core::{Job, MemoryBackend, Queue};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, Job)]
//! #[job(queue = "mail", max_attempts = 3)]
//! struct SendWelcome { user: u64 }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let queue = MemoryBackend::new();
//! queue.enqueue(SendWelcome { user: 42 }).await?;
//! # Ok::<(), jobq_core::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Where to look
//!
//! - What a job type is: [`Job`], [`Backoff`], [`Priority`], [`UniqueKey`], [`OlderPayload`].
//! - Enqueueing: [`Queue`], [`Enqueue`], [`EnqueueMany`]; together: [`Batch`], [`Workflow`].
//! - Writing handlers: [`JobContext`], [`JobResult`], [`JobError`], and the table in [`outcome`].
//! - Enqueueing and handling within SQL transactions: the module `sql`, behind the features `sql-sqlite`,
//!   `sql-mysql` and `sql-postgres`.
//! - Saying how a worker or scheduler is, for health checks: [`Vitals`].
//! - Testing programs that use jobs: the module `testing`, behind the feature `testing`.
//! - Writing a backend: [`Backend`], [`Inspect`], [`Schedules`], and the conformance suite: the module
//!   `conformance`, behind the feature `test-util`.
//!
//! Pages under `docs/` that are named here are in the repository.
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `derive` (default) | `#[derive(Job)]` |
//! | `testing` | the module `testing`, a queue with virtual time for the tests of programs, and `ManualClock` |
//! | `sql-sqlite`, `sql-mysql`, `sql-postgres` | the module `sql`, an outbox and an inbox, each for one database (`sql-mysql` also for MariaDB). They need Rust 1.94 |
//! | `test-util` | for authors of backends: the conformance suite with its model test, and the tools of fuzz targets. Not covered by semver |
//!
//! # Architecture invariant
//!
//! This crate knows no Redis, no HTTP, no command line and no cron.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod backend;
pub mod backoff;
pub mod batch;
mod batches;
mod cancellation;
mod canonical;
mod clock;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod context;
pub mod duration;
mod error;
pub mod explain;
#[cfg(any(test, feature = "test-util"))]
pub mod fuzz;
mod handle;
pub mod history;
mod id;
pub mod inspect;
mod job;
mod job_ref;
mod lane;
pub mod lease;
pub mod limits;
mod memory;
mod metadata;
mod msgpack;
mod name;
mod options;
pub mod outcome;
pub mod parents;
mod payload;
mod priority;
pub mod progress;
mod queue;
mod record;
mod retention;
pub mod schedules;
mod sighting;
#[cfg(feature = "_sql")]
#[cfg_attr(
    docsrs,
    doc(cfg(any(feature = "sql-mysql", feature = "sql-postgres", feature = "sql-sqlite")))
)]
pub mod sql;
mod state;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod text;
mod unique;
pub mod verdict;
pub mod vitals;
pub mod workflow;

// The snippet of the page that crates.io shows is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

// The derive's absolute paths must hold in this crate's own tests and examples too.
extern crate self as jobq_core;

pub use backend::Backend;
pub use backoff::Backoff;
pub use batch::{Batch, BatchId, BatchRef, BatchState, BatchView, NewBatch, OpenBatch};
pub use cancellation::{Cancellation, StopReason};
#[cfg(any(test, feature = "testing"))]
pub use clock::ManualClock;
pub use clock::{Clock, SystemClock, Timestamp};
pub use context::JobContext;
pub use error::{Error, ErrorKind, Result};
pub use explain::{Block, Explanation, Standing};
pub use handle::JobHandle;
pub use history::{Failure, FailureKind, History};
pub use id::{JobId, Token, WorkerId};
pub use inspect::Inspect;
pub use job::Job;
pub use job_ref::{After, JobRef};
/// Derives [`trait@Job`]: fills in its constants, and never hides behaviour.
///
/// All keys of `#[job(…)]` may be left out. A [duration] is a number with its unit, `ms`, `s`, `m`, `h` or
/// `d`, or several of them: `1h30m`.
///
/// | key | example | without it |
/// | --- | --- | --- |
/// | `kind` | `"crm.sync"` | the type's name in snake case |
/// | `queue` | `"integrations"` | `"default"` |
/// | `max_attempts` | `3` | 5 |
/// | `timeout` | `"60s"` | as long as it likes |
/// | `backoff` | `"fixed(30s)"`, `"linear(10s..5m)"`, `"exponential(2s..10m)"`, `"list(1s, 10s, 1m)"` | `exponential(1s..10m)` |
/// | `jitter` | `"none"` | `"full"` |
/// | `priority` | `10`: 0 to 15, higher first | 0 |
/// | `unique` | bare: by all fields; `unique(store, record)`: by these; `unique = path`: by what this function of `&Self` returns | like no other |
/// | `unique_mode` | for how long, and what becomes of a second one: `"until_finished"`, `"until_started"`, `"while_running"`, `"throttle(10m)"`, `"debounce(30s)"`, `"debounce(30s..5m)"` with the most it may add up to, `"latest_wins"`; see [`UniqueMode`] | `"until_finished"` |
/// | `unique_scope` | `"everywhere"`: among all queues | `"queue"` |
/// | `lane` | `store`: this field, as it shows itself; `Self::lane`: what this function of `&Self` returns, an `Option` of something that shows itself; see [`LaneKey`] | no lane |
/// | `cost` | `5`: how much of a [rate](Rate) one job uses up | 1 |
/// | `retention` | `"7d"`: how long a completed or cancelled job is kept | leaves nothing behind |
/// | `version` | `3` | 1 |
/// | `upcast` | `from_older`: a function from [`OlderPayload`] to a result with `Self` | older payloads are read as the current version |
/// | `max_crashes` | `2` | 3 |
/// | `crate` | `"my::jobq_core"`: where this crate is, for those who export it again | `::jobq_core` |
///
/// ```
/// use jobq_core::{Job, OlderPayload, Result};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Job)]
/// #[job(kind = "crm.sync", queue = "integrations", max_attempts = 3, timeout = "60s",
///       backoff = "exponential(2s..10m)", unique(store, record), unique_mode = "until_started",
///       lane = store, version = 2, upcast = from_older)]
/// struct SyncRecord {
///     store: u32,
///     record: u64,
/// }
///
/// /// Before version 2 there was one store.
/// #[derive(Deserialize)]
/// struct SyncRecordV1 {
///     record: u64,
/// }
///
/// fn from_older(older: OlderPayload) -> Result<SyncRecord> {
///     let SyncRecordV1 { record } = older.decode()?;
///     Ok(SyncRecord { store: 1, record })
/// }
/// ```
#[cfg(feature = "derive")]
pub use jobq_macros::Job;
pub use lane::LaneKey;
pub use lease::{Exchanged, Extended, Held, Lease, LeaseRef, LeaseRequest, Next, Settlement};
pub use limits::{Breaker, Counting, LimitScope, LimitSetting, LimitSource, Limits, Rate};
pub use memory::MemoryBackend;
pub use metadata::Metadata;
pub use name::{GroupName, Kind, LimitName, QueueName, ScheduleName};
pub use outcome::{IntoOutcome, JobError, JobResult, Outcome};
pub use parents::{OnParentFailure, Parent, ParentOutcome};
pub use payload::{MAX_PAYLOAD_BYTES, OlderPayload, Payload};
pub use priority::Priority;
pub use progress::{LogLine, Progress, Report};
pub use queue::{Enqueue, EnqueueMany, EnqueuedMany, Queue};
pub use record::{Enqueued, JobRecord, NewJob, When};
pub use retention::DeadRetention;
pub use schedules::Schedules;
pub use sighting::Sighting;
pub use state::JobState;
pub use unique::{Unique, UniqueKey, UniqueMode, UniqueScope};
pub use vitals::Vitals;
pub use workflow::{Steps, Workflow};
