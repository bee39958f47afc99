//! The tables, in SQLite or in MariaDB.
//!
//! A message and its job are rows of one transaction: `crm_inbox` or `crm_outbox`, and jobq's own outbox,
//! from which a relay moves the job to its queue. From then on the message's row is the truth, and the job only
//! a reason to look at it: a job that comes twice, or again, finds nothing left to do.

pub(crate) mod driver;
mod inbox;
mod integrations;
mod lost;
mod mysql;
mod numbers;
mod outbox;
mod prune;
mod relay;
mod sole;
mod sqlite;
mod store;

pub(crate) use inbox::Processing;
pub use inbox::Received;
pub use integrations::Integration;
pub(crate) use lost::{Table, Unfinished};
pub use numbers::{LastError, Metrics, Numbers, RelayNumbers};
pub use outbox::Enqueued;
pub(crate) use outbox::Taken;
pub use prune::Pruned;
pub(crate) use relay::Relay;
pub(crate) use sole::Sole;
pub use sql_store::StoreError;
pub use store::Store;
