use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(backoff = "exponential(10m..2s)")]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
