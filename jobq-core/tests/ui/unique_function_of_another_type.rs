use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(unique = store)]
struct SyncRecord {
    store: u32,
}

fn store(record: &u32) -> u32 {
    *record
}

fn main() {}
