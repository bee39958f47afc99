use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(lane = store)]
enum Sync {
    Store { store: u32 },
    All,
}

fn main() {}
