//! The jobs of this system. The three of an import have ids that make each of their enqueues repeatable; those
//! that a schedule or a person enqueues hold a key until they end, so that no two run at once.

use jobq_core::{Job, JobId};
use serde::{Deserialize, Serialize};

use crate::location::Location;
use crate::row::RawRow;
use crate::rows::Layout;
use crate::sync::Settings;

/// The queues of this system, those that are best served first in front.
pub const QUEUES: [&str; 3] = ["integrations", "import", "default"];

/// The most rows a chunk may have: with values of bounded length its payload stays below 1 MiB.
pub const MAX_CHUNK_ROWS: u32 = 1_000;

/// Starts an import of a supplier's list, unless one of the contractor is still running: for a schedule, every
/// hour.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(
    kind = "supplier.start_import",
    queue = "integrations",
    max_attempts = 10,
    timeout = "60s",
    backoff = "exponential(500ms..30s)",
    unique(contractor_id),
    unique_mode = "until_finished"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct ImportSupplier {
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

/// Tells the worker's shop what the suppliers have: for a schedule, every half an hour.
///
/// However they are set, two of them never run at once.
#[derive(Clone, Debug, Default, Serialize, Deserialize, Job)]
#[job(
    kind = "supplier.sync_availability",
    queue = "integrations",
    max_attempts = 3,
    max_crashes = 10,
    timeout = "25m",
    backoff = "exponential(5s..2m)",
    unique = Self::key,
    unique_mode = "until_finished",
    retention = "2d"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct SyncAvailability {
    /// How to sync.
    pub settings: Settings,
}

/// Links a supplier's rows to products of ours: for people.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job(
    kind = "supplier.link_supplier",
    queue = "integrations",
    max_attempts = 3,
    max_crashes = 10,
    timeout = "30m",
    backoff = "exponential(5s..2m)",
    unique(contractor_id),
    unique_mode = "until_finished",
    retention = "2d"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct LinkSupplier {
    /// Whose list it is.
    pub contractor_id: i64,
    /// Where it is.
    pub source: Location,
    /// How it is written.
    pub layout: Layout,
    /// The largest file, in bytes.
    pub max_bytes: u64,
    /// How many seconds a server may keep us waiting.
    pub http_timeout_s: u64,
}

/// Links our products to those of the worker's shop: for people.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, Job)]
#[job(
    kind = "supplier.link_shop",
    queue = "integrations",
    max_attempts = 3,
    max_crashes = 10,
    timeout = "30m",
    backoff = "exponential(5s..2m)",
    unique,
    unique_mode = "until_finished",
    retention = "2d"
)]
#[expect(clippy::exhaustive_structs, reason = "it says all by being there")]
pub struct LinkShop {}

/// Deletes dead jobs of all queues of this system: for a schedule, every day at 02:00.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, Job)]
#[job(
    kind = "supplier.prune_failed",
    queue = "default",
    max_attempts = 3,
    timeout = "10m",
    backoff = "exponential(5s..2m)",
    unique = Self::key,
    unique_mode = "until_finished"
)]
#[expect(clippy::exhaustive_structs, reason = "a job is made by its fields")]
pub struct PruneFailed {
    /// How long ago they died, at least.
    pub hours: u32,
}

impl Default for PruneFailed {
    /// A week.
    fn default() -> Self {
        Self { hours: 168 }
    }
}

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

impl SyncAvailability {
    /// One for all of them.
    fn key(&self) -> &'static str {
        "availability"
    }
}

impl PruneFailed {
    /// One for all of them.
    fn key(&self) -> &'static str {
        "failed"
    }
}
