//! The tables of bulk updates, in SQLite or in MariaDB.

mod accept;
mod chunks;
mod driver;
mod ending;
mod jobs;
mod keys;
mod leads;
mod mysql;
mod patrol;
mod prune;
mod records;
mod sqlite;
mod stats;
mod store;
mod webhooks;

pub use accept::{Accepted, NewBulkJob};
pub use chunks::{Applied, AtOnce, Chunk, LeadChange, LeadsChanged};
pub use keys::{KeyRecord, NewKey};
pub use leads::Bad;
pub use patrol::Health;
pub use records::{BulkJob, BulkState, WebhookState};
pub use sql_store::StoreError;
pub use stats::DayStats;
pub use store::Store;
