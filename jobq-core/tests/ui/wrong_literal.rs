use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(
    queue = 3,
    max_attempts = "3",
    timeout = 60,
    backoff = exponential(2s..10m),
    jitter = false,
    unique = true,
    upcast = "from_older",
    crate = my::jobq_core
)]
struct SyncRecord {
    store: u32,
    entity: String,
}

fn main() {}
