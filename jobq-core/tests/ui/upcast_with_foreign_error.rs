use jobq_core::Job;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(version = 2, upcast = from_older)]
struct SyncRecord;

fn from_older(_: jobq_core::OlderPayload) -> Result<SyncRecord, std::fmt::Error> {
    Ok(SyncRecord)
}

fn main() {}
