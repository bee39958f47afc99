use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(timeout = "60", retention = "5min")]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
