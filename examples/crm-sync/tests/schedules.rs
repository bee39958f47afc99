//! The schedules by a clock of the test's own: each tick has its effect once, with the schedulers of two processes.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::future::pending;
use std::time::Duration;

use crm_sync::Opened;
use crm_sync::entity::{Direction, Entity};
use crm_sync::job::SyncRecord;
use crm_sync::schedules::{GROUP, schedules};
use crm_sync::upkeep::{UPKEEP_QUEUE, Upkeep, clean_up_old, sync_all};
use fixtures::{Place, eventually};
use jobq_core::{
    Backend, Failure, FailureKind, Inspect, JobState, LeaseRequest, Next, Queue, QueueName,
    WorkerId,
};
use jobq_redis::{RedisBackend, TestServer};
use jobq_scheduler::{ScheduleView, Scheduler, TimeUnits, Timetable};
use jobq_worker::Worker;

use support::PROGRAM;
use support::steps::{NOON, Steps, queue_name};

/// Both schedulers look at once, and a worker does what they have enqueued. Tells how much that is.
async fn tick(steps: &Steps) -> u64 {
    let queue = (*steps.queue).clone();
    let scheduler =
        || Scheduler::new(queue.clone()).group(GROUP).schedules(schedules("Europe/Warsaw"));
    let (one, other) = tokio::try_join!(scheduler().run_once(), scheduler().run_once()).unwrap();
    Worker::new(queue.clone())
        .queues([UPKEEP_QUEUE])
        .state(Upkeep { store: steps.app.store.clone(), queue: Opened::of(queue) })
        .handle(sync_all)
        .handle(clean_up_old)
        .stop_when_empty()
        .run_until(pending())
        .await
        .unwrap();
    one.enqueued + other.enqueued
}

async fn after(steps: &Steps, time: Duration) -> u64 {
    steps.clock.advance(time);
    tick(steps).await
}

#[tokio::test]
async fn everything_is_synced_at_night_and_what_is_old_taken_away() {
    let place = Place::new();
    let steps = Steps::over(&place.sqlite()).await;
    assert_eq!(tick(&steps).await, 0, "what has just been declared is not owed");
    // A job that dies now, at noon.
    let sale = SyncRecord::new(support::key(1, Entity::Sale, 1), Direction::ToCrm);
    steps.queue.enqueue(sale).await.unwrap();
    let lease = steps.take(1).await.remove(0);
    let who = WorkerId::from_u64(1);
    let failure = Failure::new(FailureKind::Error, 1, NOON, who, "gone");
    steps.settle(&lease, Next::Dead { failure }).await;
    let dead = async || steps.queue.jobs(&queue_name(), JobState::Dead, 0, 10).await.unwrap().len();

    // Noon in UTC is one o'clock in Warsaw.
    assert_eq!(after(&steps, 12.hours()).await, 0, "01:00");
    assert_eq!(after(&steps, 1.hours()).await, 1, "02:00");
    let waiting = steps.take(100).await;
    assert_eq!(waiting.len(), 20, "ten customers of each of two stores");
    assert!(waiting.iter().all(|lease| lease.job.priority.level() == 0));
    let of = |lease: &jobq_core::Lease| lease.job.payload.decode::<SyncRecord>().unwrap().entity;
    assert!(waiting.iter().all(|lease| of(lease) == Entity::Customer));
    for lease in &waiting {
        steps.settle(lease, Next::Complete { result: None }).await;
    }

    assert_eq!(after(&steps, 1.hours()).await, 1, "03:00");
    assert_eq!(dead().await, 1, "it died yesterday");
    assert_eq!(after(&steps, 1.hours()).await, 1, "04:00");
    let waiting = steps.take(100).await;
    assert_eq!(waiting.len(), 20);
    assert!(waiting.iter().all(|lease| of(lease) == Entity::Product));
    assert_eq!(tick(&steps).await, 0, "nothing comes twice");

    // An outage of a week: each is made up for once.
    assert_eq!(after(&steps, 7.days()).await, 3);
    assert_eq!(dead().await, 0, "it died more than a week ago");
    let upkeep = QueueName::new(UPKEEP_QUEUE).unwrap();
    let failed = steps.queue.jobs(&upkeep, JobState::Dead, 0, 10).await.unwrap();
    assert!(failed.is_empty(), "{failed:?}");
    let left = LeaseRequest::new(WorkerId::from_u64(1), 10, 60.seconds());
    assert!(steps.queue.exchange(&upkeep, &[], Some(left)).await.unwrap().leases.is_empty());
    assert_eq!(jobq_core::Clock::now(&steps.clock), NOON + 7.days() + 15.hours());
}

/// The program as an operator runs it: the schedules are there, and it ends when it is told to.
#[tokio::test]
async fn a_worker_declares_them_and_ends_with_them() {
    let (place, redis) = (Place::new(), TestServer::start().unwrap());
    let (database, url) = (place.sqlite(), redis.url());
    let args = ["work", "--database", &database, "--queue", &url];
    let worker = PROGRAM.start(&args);
    let timetable = Timetable::new(RedisBackend::connect(&url).await.unwrap(), GROUP).unwrap();
    let names = eventually("the schedules", async || {
        let list = timetable.list().await.unwrap();
        let name = |view: &ScheduleView| view.name.to_string();
        (!list.is_empty()).then(|| list.iter().map(name).collect::<Vec<_>>())
    })
    .await;
    assert_eq!(names, ["clean-up", "sync-customers", "sync-products"]);

    worker.terminate();
    assert_eq!(worker.wait().0, Some(0));
}
