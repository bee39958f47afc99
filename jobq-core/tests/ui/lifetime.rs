use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
struct SyncRecord<'a> {
    entity: &'a str,
}

fn main() {}
