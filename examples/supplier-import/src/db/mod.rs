//! The tables of the import, in SQLite or in MariaDB.

mod driver;
mod links;
mod mysql;
mod pools;
mod records;
mod rejections;
mod sqlite;
mod starts;
mod store;

pub use links::{Link, LinkedProduct, ProductKey, ProductPair, StoredLink, Told};
pub use records::{
    Begun, ChunkResult, Import, ImportStatus, ImportTotals, LinkKey, NewImport, Plan, Seen,
    Started, Summary, Update, Written,
};
pub use rejections::MAX_REJECTIONS;
pub use sql_store::StoreError;
pub use store::Store;
