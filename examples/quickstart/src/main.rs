use jobq_core::{Job, JobContext, JobResult, MemoryBackend, Queue};
use jobq_worker::Worker;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "mail", max_attempts = 3, timeout = "30s", backoff = "exponential(2s..10m)")]
struct SendWelcome {
    user: u64,
}

async fn send_welcome(job: SendWelcome, cx: JobContext) -> JobResult {
    println!("welcome, user {} (attempt {})", job.user, cx.attempt());
    Ok(())
}

#[tokio::main]
async fn main() -> jobq_core::Result<()> {
    let queue = MemoryBackend::new(); // or RedisBackend::connect("redis://127.0.0.1").await?
    queue.enqueue(SendWelcome { user: 42 }).await?;
    let worker = Worker::new(queue).queues(["mail"]).handle(send_welcome);
    let summary = worker.stop_when_empty().run().await?;
    println!("{} done", summary.processed);
    Ok(())
}
