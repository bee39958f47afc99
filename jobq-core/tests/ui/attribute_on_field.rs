use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "crm")]
struct SyncRecord {
    #[job(unique)]
    store: u32,
}

fn main() {}
