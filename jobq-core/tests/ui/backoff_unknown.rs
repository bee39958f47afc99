use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(backoff = "cubic(2s..10m)")]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
