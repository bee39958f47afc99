use jobq_core::Job;

#[derive(serde::Serialize, Job)]
struct SyncRecord {
    store: u32,
}

fn main() {}
