//! The schedules by a clock of the test's own: each tick has its effect once, with the schedulers of two processes.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::time::Duration;

use bulk_leads::schedules::{GROUP, schedules};
use fixtures::{Place, eventually};
use jobq_redis::{RedisBackend, TestServer};
use jobq_scheduler::{Scheduler, TimeUnits, Timetable};

use support::PROGRAM;
use support::steps::Steps;
use support::tables::count;

/// Both schedulers look at once, and the worker does what they have enqueued. Tells how much that is.
async fn after(steps: &Steps, time: Duration) -> u64 {
    steps.clock.advance(time);
    let scheduler = || Scheduler::new(steps.queue.clone()).group(GROUP).schedules(schedules());
    let (one, other) = tokio::try_join!(scheduler().run_once(), scheduler().run_once()).unwrap();
    steps.work_off().await;
    one.enqueued + other.enqueued
}

#[tokio::test]
async fn jobs_are_forgotten_without_anybody_asking() {
    let steps = Steps::with_leads(10).await;
    let client = steps.caller(7).await.client;
    let left = async || count(&steps.url, "SELECT COUNT(*) FROM crm_bulk_jobs").await;
    client.change(&[1], "won").await.unwrap();
    steps.work_off().await;
    assert_eq!(after(&steps, Duration::ZERO).await, 0, "what has just been declared is not owed");

    assert_eq!(after(&steps, 7.days() - 60.seconds()).await, 1, "an outage is made up for once");
    client.change(&[2], "won").await.unwrap();
    steps.work_off().await;
    assert_eq!(left().await, 2);
    assert_eq!(after(&steps, 1.hours()).await, 1);
    assert_eq!(left().await, 1, "the first one ended a week ago");
    assert_eq!(after(&steps, 30.seconds()).await, 0, "there is no tick in between");
    assert_eq!(after(&steps, 7.days()).await, 1);
    assert_eq!(left().await, 0);
}

/// The program as an operator runs it: the schedule is there, and it ends when it is told to.
#[tokio::test]
async fn a_worker_declares_them_and_ends_with_them() {
    let (place, redis) = (Place::new(), TestServer::start().unwrap());
    let (database, url) = (place.sqlite(), redis.url());
    let worker = PROGRAM.start(&["work", "--database", &database, "--queue", &url]);
    let timetable = Timetable::new(RedisBackend::connect(&url).await.unwrap(), GROUP).unwrap();
    let list = eventually("the schedule", async || {
        let list = timetable.list().await.unwrap();
        (!list.is_empty()).then_some(list)
    })
    .await;
    assert_eq!((list.len(), list[0].name.as_str()), (1, "forget-ended"));

    worker.terminate();
    assert_eq!(worker.wait().0, Some(0));
}
