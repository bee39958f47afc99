//! The snippets of the page on testing, run.

use std::error::Error;

use jobq_core::testing::{End, Fault, TestQueue};
use jobq_core::{Backend, Job, LaneKey, Queue, Timestamp, assert_enqueued, assert_not_enqueued};
use jobq_scheduler::{Schedule, TimeUnits};
use jobq_worker::Registry;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Job)]
#[job(queue = "mail", max_attempts = 3)]
struct SendReceipt {
    order: u64,
    copy: bool,
}

async fn send_receipt(_: SendReceipt) {}

#[derive(Serialize, Deserialize, Job)]
struct CloseBooks;

fn registry() -> Registry {
    Registry::new().handle(send_receipt)
}

struct Shop;

impl Shop {
    async fn check_out(&self, queue: &impl Backend, order: u64) -> jobq_core::Result<()> {
        queue
            .enqueue(SendReceipt { order, copy: false })
            .after(10.minutes())
            .lane("shop-3")
            .await?;
        Ok(())
    }
}

#[tokio::test]
async fn what_was_enqueued_and_what_becomes_of_it() -> Result<(), Box<dyn Error>> {
    let shop = Shop;

    let queue = TestQueue::new();
    shop.check_out(queue.backend(), 7).await?; // your own code

    assert_enqueued!(queue, SendReceipt { order: 7, .. });
    assert_enqueued!(queue, 1, SendReceipt { .. });
    assert_not_enqueued!(queue, SendReceipt { copy: true, .. });

    let receipt = &queue.jobs::<SendReceipt>()[0]; // where it waits, until when, and with which options
    assert_eq!(receipt.queue.as_str(), "mail");
    assert_eq!(receipt.due_at, Some(queue.now() + 10.minutes()));
    assert_eq!(receipt.view.record.lane, Some(LaneKey::new("shop-3")?));

    let handlers = registry().for_tests(); // the handlers of your workers, with their states and layers
    queue.inject::<SendReceipt>(1, Fault::Error("the printer is on fire".to_owned()));

    let ran = queue.run_for(&handlers, 2.days()).await; // as they become due, each at its time

    assert!(matches!(&ran[0].end, End::Retries { error, .. } if error.contains("fire")));
    assert_eq!(ran[1].end, End::Completed);
    assert!(queue.is_empty());
    Ok(())
}

#[test]
fn when_a_schedule_runs() -> Result<(), Box<dyn Error>> {
    let saturday: Timestamp = jobq_scheduler::instant::parse("2026-03-28T00:00:00Z")?;

    let nightly = Schedule::daily_at("02:30").timezone("Europe/Warsaw").job(CloseBooks);

    let ticks = nightly.timing()?.between(saturday, saturday + 3.days(), 10);

    let ticks: Vec<String> = ticks.iter().map(ToString::to_string).collect();
    // On Sunday the clocks go from 02:00 to 03:00.
    assert_eq!(
        ticks,
        ["2026-03-28T01:30:00.000Z", "2026-03-29T01:00:00.000Z", "2026-03-30T00:30:00.000Z"]
    );
    Ok(())
}
