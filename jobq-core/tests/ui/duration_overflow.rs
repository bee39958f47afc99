use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(retention = "999999999999d")]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
