//! Jobs enqueued by a transaction of the program's own database, and the relay that moves them on.
//!
//! ```no_run
//! # use jobq_core::sql::outbox;
//! # use jobq_core::{Job, JobId};
//! # use serde::{Deserialize, Serialize};
//! # #[derive(Serialize, Deserialize, Job)]
//! # struct SendInvoice { id: i64 }
//! # async fn place(db: &sqlx::SqlitePool, relay: &outbox::Relay<sqlx::Sqlite>) -> Result<(), Box<dyn std::error::Error>> {
//! let mut tx = db.begin().await?;
//! // … the program's own statements …
//! let job = outbox::enqueue(&mut *tx, SendInvoice { id: 7 }).id(JobId::from_key("invoice-7")).await?;
//! tx.commit().await?;
//! relay.nudge(); // if it runs in this process: it need not wait for its next look
//! # Ok(())
//! # }
//! ```
//!
//! # Promises
//!
//! - The job is written by the caller's transaction: committed it will reach its queue, rolled back it
//!   never was.
//! - A relay hands a row's job over at least once, and removes the row only after the queue has
//!   acknowledged it. Handed over again, the job is a [`Duplicate`](crate::Enqueued::Duplicate) by its id
//!   as long as the queue knows it.
//! - Jobs of a queue are handed over in the order in which they were enqueued, if they were by one
//!   transaction, or by two of which the second began to enqueue after the first had committed; with any
//!   number of relays.
//! - What the queue can never take is [set aside](rejected) with the reason, and holds nothing up. All else
//!   waits for as long as it takes.

mod enqueue;
mod rejected;
mod row;

pub use enqueue::{Enqueue, enqueue};
pub(super) use rejected::millis;
pub use rejected::{
    Backlog, Rejected, backlog, forget_rejected, prune_rejected, rejected, restore_rejected,
};
pub(super) use row::Row;

pub use super::relay::{Relay, RelayCounts};
