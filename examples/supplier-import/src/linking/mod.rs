//! Finds out what is the same product: by article number, or else by EAN. What is not certain is reported, and
//! left to people.

mod index;
mod shop;
mod supplier;

use serde::Serialize;

pub use shop::link_shop;
pub use supplier::{LinkError, link_supplier};

/// How many notes are kept; all are counted.
const MAX_NOTES: usize = 1_000;
/// How many links one statement adds.
const BATCH: usize = 1_000;

/// What a linking has come to. The names and their order are a promise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LinkReport {
    /// Rows of the supplier's list, or products of ours.
    pub read: u64,
    /// Of them: linked now.
    pub linked: u64,
    /// Of them: linked before.
    pub already: u64,
    /// Of them: there is nothing to link them to.
    pub unmatched: u64,
    /// Of them: there is more than one thing to link them to, or another has taken it. Left as they were.
    pub ambiguous: u64,
    /// Of them: malformed.
    pub rejected: u64,
    /// Statements sent to both databases.
    pub statements: u64,
    /// What people should look at; the first thousand.
    pub notes: Vec<LinkNote>,
}

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LinkNote {
    /// Which row or product: "line 12", "product 7".
    pub about: String,
    /// What about it.
    pub reason: String,
}

impl LinkReport {
    fn note(&mut self, about: impl Into<String>, reason: impl Into<String>) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push(LinkNote { about: about.into(), reason: reason.into() });
        }
    }
}
