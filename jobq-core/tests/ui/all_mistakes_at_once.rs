use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(quue = "mail", max_attempts = 0, timeout = "60", unique(stor))]
struct SyncRecord {
    store: u32,
}

// The type is a job all the same: no second error comes from using it.
fn enqueue(job: impl Job) {
    drop(job);
}

fn main() {
    enqueue(SyncRecord { store: 1 });
}
