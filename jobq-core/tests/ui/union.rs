use jobq_core::Job;

#[derive(Job)]
union SyncRecord {
    store: u32,
    code: f32,
}

fn main() {}
