use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(unique(store), unique_scope = "global")]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
