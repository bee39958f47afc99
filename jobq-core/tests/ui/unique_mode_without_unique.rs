use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(unique_mode = "until_started")]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
