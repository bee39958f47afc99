//! The snippets of the README behind its first program.

use std::error::Error;
use std::time::Duration;

use jobq_core::sql::outbox;
use jobq_core::testing::{End, Fault, TestQueue};
use jobq_core::{
    Job, JobContext, JobError, JobId, JobResult, Limits, MemoryBackend, Queue, assert_enqueued,
};
use jobq_scheduler::{Schedule, Scheduler, TimeUnits};
use jobq_worker::{Registry, Worker};
use serde::{Deserialize, Serialize};
use sqlx::SqlitePool;

#[derive(Serialize, Deserialize, Job)]
struct SendInvoice {
    order: i64,
}

#[derive(Serialize, Deserialize, Job)]
struct PruneFailed {
    hours: u32,
}

#[derive(Serialize, Deserialize, Job)]
struct SyncAvailability;

async fn options(queue: MemoryBackend, job: SendInvoice) -> jobq_core::Result<()> {
    queue
        .enqueue(job)
        .priority(10)
        .after(Duration::from_secs(60))
        .id(JobId::from_key("invoice-4711"))
        .await?;
    Ok(())
}

fn limits(queue: MemoryBackend) -> jobq_core::Result<Worker> {
    async fn sync_record(_: SyncRecord) {}

    #[derive(Serialize, Deserialize, Job)]
    #[job(queue = "crm", lane = store, unique(store, record), unique_mode = "until_started")]
    struct SyncRecord {
        store: u32,
        record: u64,
    }

    let each = Limits::new().rate("100/min".parse()?);
    let worker = Worker::new(queue).queues(["crm"]).limit_lanes("crm", each).handle(sync_record);
    Ok(worker)
}

async fn schedules(queue: MemoryBackend, stop: impl Future<Output = ()>) -> jobq_core::Result<()> {
    let prune = Schedule::cron("0 2 * * *").timezone("Europe/Warsaw");
    Scheduler::new(queue)
        .group("shop")
        .schedule("prune", prune.job(PruneFailed { hours: 168 }))
        .schedule("sync", Schedule::every(30.minutes()).without_overlapping().job(SyncAvailability))
        .run_until(stop)
        .await?;
    Ok(())
}

async fn transaction(pool: SqlitePool, order: i64) -> Result<(), Box<dyn Error>> {
    let mut tx = pool.begin().await?;
    sqlx::query("INSERT INTO orders …").execute(&mut *tx).await?;
    outbox::enqueue(&mut *tx, SendInvoice { order }).await?;
    tx.commit().await?; // a relay moves it to its queue, and adds it once
    Ok(())
}

#[derive(Debug, Serialize, Deserialize, Job)]
#[job(max_attempts = 4, backoff = "fixed(12h)", jitter = "none")]
struct ChargeCard {
    order: u64,
    cents: u64,
}

async fn charge_card(_: ChargeCard, cx: JobContext) -> JobResult {
    if cx.attempt() < 4 {
        return Err(JobError::retry("the bank is closed"));
    }
    Ok(())
}

fn registry() -> Registry {
    Registry::new().handle(charge_card)
}

struct Shop;

impl Shop {
    async fn check_out(&self, queue: &MemoryBackend, order: u64) -> jobq_core::Result<()> {
        queue.enqueue(ChargeCard { order, cents: 500 }).await?;
        Ok(())
    }
}

#[tokio::test]
async fn the_test_of_the_readme_passes() -> Result<(), Box<dyn Error>> {
    let (shop, cart) = (Shop, 7);

    const DAY: Duration = Duration::from_secs(24 * 3_600);

    let queue = TestQueue::new();
    shop.check_out(queue.backend(), cart).await?; // your own code
    assert_enqueued!(queue, ChargeCard { order: 7, .. });

    queue.inject::<ChargeCard>(2, Fault::CrashAfter); // attempt 2 is killed when its work is done
    let ran = queue.run_for(&registry().for_tests(), 2 * DAY).await; // by the handlers of your workers
    assert_eq!(ran.last().unwrap().end, End::Completed);

    assert_eq!(ran.len(), 5, "four attempts and a crash");
    Ok(())
}
