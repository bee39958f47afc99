//! When jobs are enqueued: cron lines, intervals and time zones, with exactly one enqueue a tick.
//!
//! This crate holds its place and has no content yet. Until it has, an enqueue may choose its own time:
//! [`Enqueue::at`](jobq_core::Enqueue::at) and [`Enqueue::after`](jobq_core::Enqueue::after).
//!
//! # Architecture invariant
//!
//! It turns time into enqueues and nothing else, and does not know how a backend stores them.
