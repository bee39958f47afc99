//! The table of customers, in SQLite or in MariaDB.

mod customers;
mod driver;
mod mysql;
mod sqlite;
mod store;

pub use customers::{Counts, Edit, Edited};
pub use sql_store::StoreError;
pub use store::Store;
