//! What queues have in common: the unique keys that count everywhere, and shared limits.
//!
//! A queue locks it while it holds its own lock, never the other way round; and the limits before the keys.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::shared::SharedLimits;
use super::unique::Keys;

/// One for each store.
#[derive(Debug, Default)]
pub(super) struct Commons {
    keys: Mutex<Keys>,
    shared: Mutex<SharedLimits>,
}

impl Commons {
    /// The unique keys that count among all queues.
    pub(super) fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The limits that queues share.
    pub(super) fn shared(&self) -> MutexGuard<'_, SharedLimits> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
