//! The schedules by a clock of the test's own: each tick has its effect once, with the schedulers of two processes.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use fixtures::{Place, eventually};
use jobq_core::schedules::ScheduleRef;
use jobq_core::{
    Backend, Clock, Failure, FailureKind, GroupName, Inspect, JobState, LeaseRequest, ManualClock,
    MemoryBackend, Next, Queue, QueueName, ScheduleName, Settlement, Timestamp, WorkerId,
};
use jobq_redis::RedisBackend;
use jobq_scheduler::{ScheduleView, Scheduler, TimeUnits, Timetable};
use jobq_worker::Worker;
use supplier_import::App;
use supplier_import::import_chunk::import_chunk;
use supplier_import::import_file::import_file;
use supplier_import::jobs::{LinkShop, QUEUES};
use supplier_import::prune_failed::prune_failed;
use supplier_import::schedules::{GROUP, Plan};
use supplier_import::start_import::start_import;
use supplier_import::sync_availability::sync_availability;
use supplier_import::write_summary::write_summary;

use support::PROGRAM;
use support::servers::Redis;
use support::shop::ShopStage;

/// 2026-11-22 at noon in UTC.
const NOON: Timestamp = Timestamp::from_millis(1_795_348_800_000);

/// A day of two processes that run the same schedules, and a worker.
struct Day {
    clock: ManualClock,
    queue: MemoryBackend,
    app: App,
    plan: Plan,
}

impl Day {
    fn new(app: App, plan: Plan) -> Self {
        let clock = ManualClock::starting_at(NOON);
        let queue = MemoryBackend::with_clock(clock.clone());
        let app = app.queues(Arc::new(queue.clone()));
        Self { clock, queue, app, plan }
    }

    /// Both schedulers look at once, and the worker does what there is. Tells what they have enqueued.
    async fn tick(&self) -> u64 {
        let scheduler =
            || Scheduler::new(self.queue.clone()).group(GROUP).schedules(self.plan.schedules());
        let (one, other) =
            tokio::try_join!(scheduler().run_once(), scheduler().run_once()).unwrap();
        Worker::new(self.queue.clone())
            .queues(QUEUES)
            .state(self.app.clone())
            .handle(import_file)
            .handle(import_chunk)
            .handle(write_summary)
            .handle(start_import)
            .handle(sync_availability)
            .handle(prune_failed)
            .stop_when_empty()
            .run_until(pending())
            .await
            .unwrap();
        one.enqueued + other.enqueued
    }

    async fn after(&self, time: Duration) -> u64 {
        self.clock.advance(time);
        self.tick().await
    }

    /// The job of a schedule's tick, which names the import that it starts.
    fn job_of(&self, name: &str, tick: Timestamp) -> String {
        let group = GroupName::new(GROUP).unwrap();
        ScheduleRef::new(group, ScheduleName::new(name).unwrap()).job_of(tick).to_string()
    }
}

fn plan(suppliers: &[String], has_shop: bool) -> Plan {
    let suppliers = suppliers.iter().map(|text| text.parse().unwrap()).collect();
    Plan { suppliers, has_shop, timezone: "UTC".to_owned() }
}

#[tokio::test]
async fn a_list_is_imported_and_the_shop_told_when_it_is_time_and_once() {
    let (stage, place) = (ShopStage::set(200).await, Place::new());
    let list = place.path("list.csv");
    assert_eq!(PROGRAM.run(&["generate", "--rows", "200", list.to_str().unwrap()]).code, Some(0));
    let app = App::new(stage.store.clone()).shop(Some(stage.shop.clone()));
    let day = Day::new(app, plan(&[format!("1={}", list.display())], true));

    assert_eq!(day.tick().await, 0, "what has just been declared is not owed");
    assert_eq!(day.after(29.minutes()).await, 0);
    assert_eq!(day.after(1.minutes()).await, 1, "the shop, at half past twelve");
    assert!(stage.noted().await.is_empty(), "there is nothing to tell it before the first import");

    assert_eq!(day.after(30.minutes()).await, 2, "the import, and the shop again");
    let first = stage.store.summary(&day.job_of("import-1", NOON + 1.hours())).await.unwrap();
    assert_eq!(first.map(|summary| summary.updated), Some(198));

    assert_eq!(day.after(30.minutes()).await, 1);
    assert_eq!(stage.noted().await.len(), 198, "the shop was told what was imported");
    assert_eq!(day.tick().await, 0, "nothing comes twice");
}

#[tokio::test]
async fn what_failed_a_week_ago_is_pruned_at_two_in_the_morning() {
    let (place, default) = (Place::new(), QueueName::new("integrations").unwrap());
    let store = supplier_import::db::Store::open(&place.sqlite()).await.unwrap();
    let day = Day::new(App::new(store), plan(&[], false));
    day.tick().await;
    day.queue.enqueue(LinkShop {}).await.unwrap();
    let request = LeaseRequest::new(WorkerId::from_u64(1), 1, Duration::from_secs(60));
    let lease = day.queue.exchange(&default, &[], Some(request)).await.unwrap().leases.remove(0);
    let who = WorkerId::from_u64(1);
    let failure = Failure::new(FailureKind::Error, 1, day.clock.now(), who, "no shop");
    let died = Next::Dead { failure };
    day.queue.exchange(&default, &[Settlement::new(lease, died)], None).await.unwrap();
    let dead = async || day.queue.jobs(&default, JobState::Dead, 0, 10).await.unwrap().len();
    assert_eq!(dead().await, 1);

    assert_eq!(day.after(14.hours()).await, 1, "02:00");
    assert_eq!(dead().await, 1, "it died on the day before");
    assert_eq!(day.after(6.days()).await, 1);
    assert_eq!(dead().await, 1);
    assert_eq!(day.after(1.days()).await, 1);
    assert_eq!(dead().await, 0, "it died a week ago");
    assert_eq!(day.clock.now(), NOON + 7.days() + 14.hours());
}

#[test]
fn an_unknown_time_zone_is_told_at_the_start() {
    let place = Place::new();
    let told = PROGRAM.run(&[
        "work",
        "--db",
        &place.sqlite(),
        "--backend",
        "redis://127.0.0.1:1",
        "--scheduler",
        "--timezone",
        "Europe/Warsa",
    ]);
    assert_eq!(told.code, Some(2), "{}", told.stderr);
    assert!(told.stderr.contains("did you mean \"Europe/Warsaw\"?"), "{}", told.stderr);
}

/// The program as an operator runs it: the schedules are there, and it ends when it is told to.
#[tokio::test]
async fn a_worker_declares_them_and_ends_with_them() {
    let (place, redis) = (Place::new(), Redis::start());
    let (database, url) = (place.sqlite(), redis.url());
    let args = [
        "work",
        "--db",
        &database,
        "--backend",
        &url,
        "--scheduler",
        "--supplier",
        "7=/data/list.csv",
    ];
    let worker = PROGRAM.start(&args);
    let timetable = Timetable::new(RedisBackend::connect(&url).await.unwrap(), GROUP).unwrap();
    let names = eventually("the schedules", async || {
        let list = timetable.list().await.unwrap();
        let name = |view: &ScheduleView| view.name.to_string();
        (!list.is_empty()).then(|| list.iter().map(name).collect::<Vec<_>>())
    })
    .await;
    assert_eq!(names, ["import-7", "prune"]);

    worker.terminate();
    assert_eq!(worker.wait().0, Some(0));
}
