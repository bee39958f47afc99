use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(max_attempts = 65_536, max_crashes = 256, priority = 16, version = -1)]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
