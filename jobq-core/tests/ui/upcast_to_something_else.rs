use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(version = 2, upcast = from_older)]
struct SyncRecord;

fn from_older(older: jobq_core::OlderPayload) -> jobq_core::Result<u32> {
    older.decode()
}

fn main() {}
