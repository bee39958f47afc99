use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "mail" priority = 3)]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
