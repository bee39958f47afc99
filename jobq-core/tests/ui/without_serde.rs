use jobq_core::Job;

#[derive(serde::Serialize, serde::Deserialize)]
struct Record {
    store: u32,
}

#[derive(Job)]
struct SyncRecord {
    record: Record,
}

fn main() {}
