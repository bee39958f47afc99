use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
struct SyncRecord<T, const N: usize> {
    entity: T,
}

fn main() {}
