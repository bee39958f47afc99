//! What the handlers share.

use crate::db::Store;

/// What the handlers share: the tables. Clones are the same.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "put together in one place, and by tests")]
pub struct App {
    /// The tables.
    pub store: Store,
}
