use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(timeout = "0s", retention = "0d")]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
