use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(upcast = from_older)]
struct SyncRecord;

fn from_older(older: jobq_core::OlderPayload) -> jobq_core::Result<SyncRecord> {
    older.decode()
}

fn main() {}
