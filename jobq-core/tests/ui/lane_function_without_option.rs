use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(lane = Self::store)]
struct SyncRecord {
    store: u32,
}

impl SyncRecord {
    fn store(&self) -> u32 {
        self.store
    }
}

fn main() {}
