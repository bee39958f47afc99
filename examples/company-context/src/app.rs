//! What the handler shares with others of its kind.

use crate::db::Store;
use crate::model::Model;

/// What the handler needs beside its job. Clones are the same.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "put together in one place, and by tests")]
pub struct App {
    /// The table of customers.
    pub store: Store,
    /// The way to the language model.
    pub model: Model,
}
