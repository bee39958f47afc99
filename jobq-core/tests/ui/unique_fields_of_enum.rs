use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(unique(store))]
enum SyncRecord {
    Store { store: u32 },
}

fn main() {}
