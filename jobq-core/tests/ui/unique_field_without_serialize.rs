use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Default)]
struct Cache;

#[derive(Serialize, Deserialize, Job)]
#[job(unique(store, cache))]
struct SyncRecord {
    store: u32,
    #[serde(skip)]
    cache: Cache,
}

fn main() {}
