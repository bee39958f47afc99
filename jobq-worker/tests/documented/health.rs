//! The snippet of `docs/health.md`.

use jobq_core::{Job, MemoryBackend};
use jobq_scheduler::Scheduler;
use jobq_worker::{Health, Worker};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
struct SendWelcome;

async fn send_welcome(_: SendWelcome) {}

async fn one_process(queue: MemoryBackend, scheduler: Scheduler) -> jobq_core::Result<()> {
    let health = Health::new(&queue);
    let _listener = health.listen("127.0.0.1:9090")?; // until it is dropped
    let _systemd = health.tell_systemd(); // does nothing where there is no systemd
    health.watch(&scheduler.vitals()); // if the process has a scheduler
    Worker::new(queue).handle(send_welcome).health(&health).run().await?;
    Ok(())
}
