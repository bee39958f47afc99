use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(timeout = "60d", retention = "500ms")]
struct SyncRecord {
    store: u32,
}

fn main() {}
