//! The three jobs of an import, and the ids that make each of their enqueues repeatable.

use jobq_core::{Job, JobId};
use serde::{Deserialize, Serialize};

use crate::location::Location;
use crate::row::RawRow;
use crate::rows::Layout;

/// The queues of this system, those that are best served first in front.
pub const QUEUES: [&str; 3] = ["integrations", "import", "default"];

/// The most rows a chunk may have: with values of bounded length its payload stays below 1 MiB.
pub const MAX_CHUNK_ROWS: u32 = 1_000;

/// The parent: reads the file, checks it as a whole and splits it into chunks.
///
/// Workers may die under it as often as they like: each of its steps can be repeated.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(
    kind = "supplier.import",
    queue = "integrations",
    max_attempts = 10,
    max_crashes = 50,
    backoff = "exponential(500ms..30s)"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct ImportFile {
    /// Names the import in every table.
    pub import_id: String,
    /// Whose links are updated.
    pub contractor_id: i64,
    /// Where the file is.
    pub source: Location,
    /// How the file is written.
    pub layout: Layout,
    /// How many rows go into one chunk.
    pub chunk_rows: u32,
    /// The largest file, in bytes.
    pub max_bytes: u64,
    /// How many seconds a server may keep us waiting.
    pub http_timeout_s: u64,
}

/// Some consecutive rows of the file, updated in one transaction.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(
    kind = "supplier.import_chunk",
    queue = "import",
    max_attempts = 10,
    max_crashes = 50,
    timeout = "60s",
    backoff = "exponential(200ms..30s)"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct ImportChunk {
    /// The import it belongs to.
    pub import_id: String,
    /// Its number in the import, from 0.
    pub chunk_no: u32,
    /// The rows, good and bad.
    pub rows: Vec<RawRow>,
}

/// The follow-up: adds the chunks up, once they are all done.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(
    kind = "supplier.write_summary",
    queue = "default",
    max_attempts = 10,
    max_crashes = 50,
    timeout = "60s",
    backoff = "exponential(200ms..30s)"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct WriteSummary {
    /// The import it belongs to.
    pub import_id: String,
}

impl ImportFile {
    /// The one job of this kind in an import.
    #[must_use]
    pub fn id(&self) -> JobId {
        Self::id_of(&self.import_id)
    }

    pub(crate) fn id_of(import_id: &str) -> JobId {
        JobId::from_key(&format!("supplier.import/{import_id}"))
    }
}

impl ImportChunk {
    /// The one job for this chunk of an import.
    #[must_use]
    pub fn id(&self) -> JobId {
        Self::id_of(&self.import_id, u64::from(self.chunk_no))
    }

    pub(crate) fn id_of(import_id: &str, chunk_no: u64) -> JobId {
        JobId::from_key(&format!("supplier.import_chunk/{import_id}/{chunk_no}"))
    }
}

impl WriteSummary {
    /// The one job of this kind in an import.
    #[must_use]
    pub fn id(&self) -> JobId {
        Self::id_of(&self.import_id)
    }

    pub(crate) fn id_of(import_id: &str) -> JobId {
        JobId::from_key(&format!("supplier.write_summary/{import_id}"))
    }
}
