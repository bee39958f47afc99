use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(weight = 2, rate = "100/min")]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
