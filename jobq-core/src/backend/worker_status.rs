//! What a worker and its backend tell each other with each heartbeat.

use crate::clock::Timestamp;
use crate::id::WorkerId;

/// What a worker says of itself with each heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// Its identity for this boot.
    pub id: WorkerId,
    /// A name for people: host and process, or what was configured. Nothing depends on it.
    pub name: String,
    /// The queues it leases from.
    pub queues: Vec<String>,
    /// The kinds it has handlers for.
    pub kinds: Vec<String>,
    /// How many jobs it runs at most.
    pub concurrency: usize,
    /// How many it runs now.
    pub running: usize,
    /// Whether it is stopping: it leases no more.
    pub draining: bool,
    /// When it started, by its own clock.
    pub started_at: Timestamp,
}

impl WorkerStatus {
    /// The status of a worker that has just started.
    #[must_use]
    pub fn new(id: WorkerId, name: impl Into<String>, started_at: Timestamp) -> Self {
        Self {
            id,
            name: name.into(),
            queues: Vec::new(),
            kinds: Vec::new(),
            concurrency: 0,
            running: 0,
            draining: false,
            started_at,
        }
    }
}

/// What the backend tells a worker in answer to its heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signals {
    /// A number that changes when somebody asks all workers to restart. A worker keeps the first one
    /// it sees, and stops gracefully when it sees another: whatever supervises it starts the new
    /// program.
    pub restart: u64,
}

impl Signals {
    /// The signals of a backend.
    #[must_use]
    pub const fn new(restart: u64) -> Self {
        Self { restart }
    }
}
