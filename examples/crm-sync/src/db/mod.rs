//! The tables, in SQLite or in MariaDB.

mod driver;
mod mysql;
mod numbers;
mod records;
mod sqlite;
mod store;
mod stores;
mod sync_log;

pub use numbers::{Counts, LogNumbers};
pub use records::LocalRecord;
pub use sql_store::StoreError;
pub use store::Store;
pub use stores::Account;
pub use sync_log::{Attempt, Begun, End, LogEntry, Saved};
