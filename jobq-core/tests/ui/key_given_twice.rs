use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "mail", queue = "crm")]
#[job(queue = "erp")]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
