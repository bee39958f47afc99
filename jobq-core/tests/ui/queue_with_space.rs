use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "e mail")]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
