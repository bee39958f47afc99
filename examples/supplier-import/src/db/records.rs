//! What goes into the tables and comes out of them.

use serde::Serialize;

use crate::row::Rejection;

/// What is known of an import when it begins.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the parent job")]
pub struct NewImport<'a> {
    /// Names it.
    pub id: &'a str,
    /// Whose links it updates.
    pub contractor_id: i64,
    /// Where its file is, fit to be shown.
    pub source: &'a str,
}

/// What became of the wish to start an import.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each is handled where it is returned")]
pub enum Started {
    /// It is noted, now or before.
    Ours,
    /// This other one of the contractor is still running.
    Overlaps(String),
}

/// What became of the wish to run an import's parent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each is handled where it is returned")]
pub enum Begun {
    /// It is ours to run.
    Running(Import),
    /// It has its summary already.
    Over,
    /// A newer attempt is running it: ours has lost its lease.
    Overtaken,
}

/// How far an import has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "the three values of a column")]
pub enum ImportStatus {
    /// It has no summary yet.
    Running,
    /// Every chunk is done.
    Completed,
    /// It was given up.
    Failed,
}

/// A row of `imports`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Import {
    /// Grows with every import of the database.
    pub no: i64,
    /// Whose links it updates.
    pub contractor_id: i64,
    /// How far it has come.
    pub status: ImportStatus,
    /// What its file was found to be when it was checked; `None` until then.
    pub plan: Option<Plan>,
}

/// What checking an import's file has told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the parent job")]
pub struct Plan {
    /// The SHA-256 of the file, in hexadecimal.
    pub digest: String,
    /// How many rows will be read.
    pub rows: u64,
    /// How many chunks they make.
    pub chunks: u64,
}

/// What a row may be found by.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkKey {
    /// The link.
    pub link_id: i64,
    /// The supplier's article number.
    pub sku: Option<String>,
    /// The international article number.
    pub ean: Option<String>,
}

/// A new value for a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the chunk job")]
pub struct Update {
    /// The link.
    #[serde(rename = "id")]
    pub link_id: i64,
    /// The line of the row it is from.
    pub line: u64,
    /// The JSON to store.
    pub availability: String,
}

/// What a chunk has come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a plain record, made by the chunk job")]
pub struct ChunkResult {
    /// Rows, good and bad.
    pub rows_read: u64,
    /// Rows whose link was found.
    pub updated: u64,
    /// Rows that have no link.
    pub unmatched: u64,
    /// What to store, by link: fewer than `updated` when several rows have the same link.
    pub updates: Vec<Update>,
    /// Rows that were not imported, by line.
    pub rejections: Vec<Rejection>,
}

/// What became of the wish to write a summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "each is handled where it is returned")]
pub enum Written {
    /// It was written now.
    Now,
    /// It was there.
    Before,
    /// Chunks are missing, the import is not known, or it was not ours to give up.
    TooEarly,
}

/// A row of `import_summaries`, with the rejections that were kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Names the import.
    pub import_id: String,
    /// Where its file was.
    pub source: String,
    /// Why it was given up; `None` if it was not.
    pub error: Option<String>,
    /// Rows, good and bad.
    pub rows_read: u64,
    /// Rows whose link was found.
    pub updated: u64,
    /// Rows that have no link.
    pub unmatched: u64,
    /// Rows that were not imported.
    pub rejected: u64,
    /// From the begin of the parent job to the last write, in milliseconds.
    pub took_ms: u64,
    /// The first of the rejected rows.
    pub rejections: Vec<Rejection>,
}

/// How far an import has come, in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Rows of finished chunks.
    pub rows_done: u64,
    /// All rows; `None` while the file is being checked.
    pub rows_total: Option<u64>,
    /// Whether there is a summary.
    pub is_over: bool,
}

/// What all imports have come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportTotals {
    /// Imports that have ended.
    pub imports: u64,
    /// Rows of these, malformed ones included.
    pub rows_read: u64,
    /// Of the rows: written to a link.
    pub updated: u64,
    /// Of the rows: no link is there for them.
    pub unmatched: u64,
    /// Of the rows: malformed.
    pub rejected: u64,
    /// Imports that have not ended.
    pub running: u64,
}
