use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(lane)]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
