use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(backoff = "linear(0s..10m)")]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
