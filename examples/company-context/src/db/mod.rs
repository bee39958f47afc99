//! The table of customers, in SQLite or in MariaDB.

mod customers;
mod driver;
mod mysql;
mod sqlite;
mod store;

pub use customers::{Counts, Edit, Edited};
pub use driver::StoreError;
pub use store::Store;
