//! What the handler shares with others of its kind.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::Inspect;

use crate::crm::Http;
use crate::db::Store;

/// What the handler needs beside its job. Clones are the same.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "put together in one place, and by tests")]
pub struct App {
    /// The tables.
    pub store: Store,
    /// The way to the CRMs.
    pub http: Http,
    /// Where to ask for a store's rate.
    pub inspect: Arc<dyn Inspect>,
    /// How long the worker leases its jobs: by it and the lease's end one knows when it was made.
    pub lease: Duration,
    /// By how much the CRMs' clocks may differ from this machine's.
    pub skew: Duration,
}
