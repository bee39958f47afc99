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
//! - Enqueueing: [`Queue`], [`Enqueue`], [`EnqueueMany`].
//! - Writing handlers: [`JobContext`], [`JobResult`], [`JobError`], and the table in [`outcome`].
//! - Writing a backend: [`Backend`], [`Inspect`], and the [conformance suite](conformance).
//!
//! # Architecture invariant
//!
//! This crate knows no Redis, no HTTP, no command line and no cron.

pub mod backend;
pub mod backoff;
mod cancellation;
mod clock;
#[cfg(any(test, feature = "test-util"))]
pub mod conformance;
mod context;
mod error;
pub mod history;
mod id;
pub mod inspect;
mod job;
pub mod lease;
mod memory;
mod metadata;
mod name;
mod options;
pub mod outcome;
mod payload;
mod priority;
pub mod progress;
mod queue;
mod record;
mod retention;
mod state;
mod unique;

// The derive's absolute paths must hold in this crate's own tests and examples too.
extern crate self as jobq_core;

pub use backend::Backend;
pub use backoff::Backoff;
pub use cancellation::{Cancellation, StopReason};
#[cfg(any(test, feature = "test-util"))]
pub use clock::ManualClock;
pub use clock::{Clock, SystemClock, Timestamp};
pub use context::JobContext;
pub use error::{Error, ErrorKind, Result};
pub use history::{Failure, FailureKind, History};
pub use id::{JobId, Token, WorkerId};
pub use inspect::Inspect;
pub use job::Job;
#[cfg(feature = "derive")]
pub use jobq_macros::Job;
pub use lease::{Exchanged, Extended, Held, Lease, LeaseRef, LeaseRequest, Next, Settlement};
pub use memory::MemoryBackend;
pub use metadata::Metadata;
pub use name::{Kind, QueueName};
pub use outcome::{IntoOutcome, JobError, JobResult, Outcome};
pub use payload::{MAX_PAYLOAD_BYTES, OlderPayload, Payload};
pub use priority::Priority;
pub use progress::{LogLine, Progress, Report};
pub use queue::{Enqueue, EnqueueMany, EnqueuedMany, Queue};
pub use record::{Enqueued, JobRecord, NewJob, When};
pub use retention::DeadRetention;
pub use state::JobState;
pub use unique::UniqueKey;
