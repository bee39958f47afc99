//! The tables of the import, in SQLite or in MariaDB.

mod driver;
mod mysql;
mod records;
mod rejections;
mod sqlite;
mod store;

pub use driver::StoreError;
pub use records::{
    Begun, ChunkResult, Import, ImportStatus, LinkKey, NewImport, Plan, Seen, Summary, Update,
    Written,
};
pub use rejections::MAX_REJECTIONS;
pub use store::Store;
