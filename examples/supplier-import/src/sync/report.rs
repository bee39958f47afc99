//! How a sync went.

use serde::Serialize;

/// How many notes are kept; all are counted.
const MAX_NOTES: usize = 1_000;

/// How a sync went. The names and their order are a promise.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SyncReport {
    /// "completed" or "failed".
    pub status: &'static str,
    /// Why it failed.
    pub error: Option<String>,
    /// The shop's database.
    pub shop: String,
    /// Products, by what became of them.
    #[serde(flatten)]
    pub totals: Totals,
    /// Products that were still to be written when it failed.
    pub left: u64,
    /// Transactions in the shop.
    pub batches: u64,
    /// Statements sent to both databases, those that begin and end transactions included.
    pub statements: u64,
    /// Those sent to the shop.
    pub shop_statements: u64,
    /// Those sent to our own database.
    pub own_statements: u64,
    /// How long it took, connecting included, to the millisecond.
    pub seconds: f64,
    /// What people should look at; the first thousand.
    pub notes: Vec<Note>,
}

/// Products by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Totals {
    /// Those that are linked to a supplier who has said something, and to the shop.
    pub products: u64,
    /// Of them: written.
    pub written: u64,
    /// Of them: left out, for the shop was told so before.
    pub unchanged: u64,
    /// Of them: the shop does not have them any more.
    pub missing_in_shop: u64,
    /// Those that are linked to a supplier, but not to the shop.
    pub not_linked: u64,
    /// Those of which no supplier has said anything yet.
    pub without_availability: u64,
    /// Those of which something was said that cannot be read.
    pub faulty: u64,
}

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Note {
    /// The product, by our key.
    pub product: i64,
    /// What about it.
    pub reason: String,
}

impl Note {
    /// Adds one if there is room.
    pub(super) fn keep(notes: &mut Vec<Self>, product: i64, reason: String) {
        if notes.len() < MAX_NOTES {
            notes.push(Self { product, reason });
        }
    }
}

impl SyncReport {
    pub(super) fn finished(mut self) -> Self {
        self.status = if self.error.is_some() { "failed" } else { "completed" };
        self.statements = self.shop_statements + self.own_statements;
        self
    }
}
