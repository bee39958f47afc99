//! Tables in SQLite or in MariaDB: opened, asked and changed in the same words.
//!
//! A system writes its statements with question marks, gives [`Value`]s for them and reads [`Record`]s. What
//! differs between the databases, it keeps in a dialect of its own: a few statements.

mod error;
pub mod mysql;
mod place;
mod record;
mod rows;
pub mod sqlite;
mod step;
mod value;

pub use error::{StoreError, again};
pub use place::Kind;
pub use record::Record;
pub use rows::{Affected, Sql, bound, record};
pub use step::{Statements, Step, run_all};
pub use value::Value;
