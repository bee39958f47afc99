//! What the handlers share.

use std::fmt;
use std::sync::Arc;

use jobq_core::Inspect;

use crate::db::Store;
use crate::shop::Shop;

/// What the handlers share. Clones are the same.
#[derive(Clone)]
#[non_exhaustive]
pub struct App {
    /// The tables.
    pub store: Store,
    /// The shop whose availability is written; `None` in a worker that was given none.
    pub shop: Option<Shop>,
    /// The queues, as people see them; `None` where nobody prunes.
    pub queues: Option<Arc<dyn Inspect>>,
}

impl App {
    /// With tables alone: enough for imports.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store, shop: None, queues: None }
    }

    /// With a shop to sync.
    #[must_use]
    pub fn shop(mut self, shop: Option<Shop>) -> Self {
        self.shop = shop;
        self
    }

    /// With queues to prune.
    #[must_use]
    pub fn queues(mut self, queues: Arc<dyn Inspect>) -> Self {
        self.queues = Some(queues);
        self
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("store", &self.store).field("shop", &self.shop).finish()
    }
}
