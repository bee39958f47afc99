//! Schedulers on a real Redis, whose time the test owns: killed at any point, every tick is enqueued once.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use jobq_core::{Backend, LeaseRequest, ManualClock, Next, ScheduleName, Settlement, WorkerId};
use jobq_redis::{RedisBackend, RedisConfig, TestServer};
use jobq_scheduler::{CatchUp, Schedule, Scheduler, TimeUnits, Timetable};
use support::{MONDAY, prune, queue};

/// How many steps of the clock, with three schedulers at each.
const STEPS: usize = 150;

async fn backend(server: &TestServer, clock: &ManualClock) -> RedisBackend {
    let config = RedisConfig::new(&server.url()).unwrap().clock(clock.clone());
    RedisBackend::connect_with(config).await.unwrap()
}

/// What was enqueued: by schedule and tick, how often.
type Seen = Arc<Mutex<BTreeMap<(String, String), u32>>>;

/// Takes all jobs out of a queue, so that an id that is enqueued twice is seen twice.
async fn drain(backend: &RedisBackend, name: &str, seen: &Seen) {
    let queue = queue(name);
    let request = LeaseRequest::new(WorkerId::from_u64(1), 1_000, 60.seconds());
    let leases = backend.exchange(&queue, &[], Some(request)).await.unwrap().leases;
    let done = |lease| Settlement::new(Arc::clone(lease), Next::Complete { result: None });
    let done: Vec<_> = leases.iter().map(done).collect();
    backend.exchange(&queue, &done, None).await.unwrap();
    for lease in leases {
        let fact = |key: &str| lease.job.metadata.get(key).unwrap().to_owned();
        *seen.lock().unwrap().entry((fact("schedule"), fact("tick"))).or_default() += 1;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_schedulers_enqueue_every_tick_once() {
    let seed = std::env::var("JOBQ_KILLS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("repeat with JOBQ_KILLS_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (server, clock) = (TestServer::start().unwrap(), ManualClock::starting_at(MONDAY));
    let stores = [
        backend(&server, &clock).await,
        backend(&server, &clock).await,
        backend(&server, &clock).await,
    ];
    let schedules = || {
        let all = |schedule: Schedule| schedule.catch_up(CatchUp::all(1_000));
        [
            ("second", all(Schedule::cron("* * * * * *").job(prune()))),
            ("two", all(Schedule::every(2.seconds()).job(prune()).on("elsewhere"))),
            ("three", all(Schedule::every(3.seconds()).job(prune()))),
        ]
    };
    let scheduler =
        |store: &RedisBackend| Scheduler::new(store.clone()).group("g").schedules(schedules());
    scheduler(&stores[0]).run_once().await.unwrap();
    let seen = Seen::default();
    let is_over = Arc::new(AtomicBool::new(false));
    let drainer = tokio::spawn({
        let (store, seen) = (stores[0].clone(), Arc::clone(&seen));
        let is_over = Arc::clone(&is_over);
        async move {
            while !is_over.load(Ordering::SeqCst) {
                drain(&store, "maintenance", &seen).await;
                drain(&store, "elsewhere", &seen).await;
            }
        }
    });
    for _ in 0..STEPS {
        clock.advance(1.seconds());
        let tasks: Vec<_> =
            stores.iter().map(|store| tokio::spawn(scheduler(store).run_once())).collect();
        // Killed after as many steps of the runtime as it happens to be.
        for _ in 0..random.u32(..60) {
            tokio::task::yield_now().await;
        }
        for task in tasks {
            let is_victim = random.bool();
            if is_victim {
                task.abort();
            }
            match task.await {
                Ok(ended) => drop(ended.unwrap()),
                Err(fault) => assert!(is_victim && fault.is_cancelled(), "{fault}"),
            }
        }
    }
    scheduler(&stores[0]).run_once().await.unwrap();
    is_over.store(true, Ordering::SeqCst);
    drainer.await.unwrap();
    drain(&stores[0], "maintenance", &seen).await;
    drain(&stores[0], "elsewhere", &seen).await;
    let seen = seen.lock().unwrap();

    assert!(seen.values().all(|count| *count == 1), "enqueued more than once: {seen:?}");
    let count = |name: &str| seen.keys().filter(|(schedule, _)| schedule == name).count();
    assert_eq!(
        (count("g/second"), count("g/two"), count("g/three")),
        (STEPS, STEPS / 2, STEPS / 3)
    );
}

#[tokio::test]
async fn a_timetable_is_kept_on_the_server() {
    let (server, clock) = (TestServer::start().unwrap(), ManualClock::starting_at(MONDAY));
    let store = backend(&server, &clock).await;
    let schedule = Schedule::daily_at("02:00").timezone("Europe/Warsaw").job(prune());
    let other = Timetable::new(store.clone(), "other").unwrap();
    other.add("prune", Schedule::hourly().job(prune())).await.unwrap();
    Scheduler::new(store.clone())
        .group("shop")
        .schedule("prune", schedule)
        .run_once()
        .await
        .unwrap();
    clock.advance(1.hours());
    let again = Scheduler::new(store.clone()).group("shop");
    assert_eq!(again.run_once().await.unwrap().enqueued, 0, "it rests without its code");
    clock.advance(3.minutes());
    Scheduler::new(store.clone()).group("shop").run_once().await.unwrap();

    let list = other.list().await.unwrap();
    assert_eq!((list.len(), list[0].description.as_str()), (1, "every hour, UTC"));
    assert_eq!(list[0].next_at, Some(MONDAY + 2.hours()));
    let shop = Timetable::new(store, "shop").unwrap();
    assert_eq!(shop.list().await.unwrap(), []);
}

/// How often the server was asked for marks.
fn questions_for_marks(server: &TestServer) -> u64 {
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut connection).unwrap();
    let calls = info.lines().find_map(|line| line.strip_prefix("cmdstat_hmget:calls="));
    calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_list_asks_once_for_each_queue() {
    let (server, clock) = (TestServer::start().unwrap(), ManualClock::starting_at(MONDAY));
    let store = backend(&server, &clock).await;
    let schedule = |queue: &str| Schedule::hourly().job(prune()).on(queue);
    let all = (0..300).map(|i| {
        let queue = ["maintenance", "elsewhere", "import"][i % 3];
        (format!("s{i:03}"), schedule(queue))
    });
    Scheduler::new(store.clone()).group("shop").schedules(all).run_once().await.unwrap();
    let shop = Timetable::new(store, "shop").unwrap();
    shop.pause("s150").await.unwrap();

    let before = questions_for_marks(&server);
    let list = shop.list().await.unwrap();
    let asked = questions_for_marks(&server) - before;

    assert_eq!((list.len(), asked), (300, 3));
    let paused: Vec<&str> =
        list.iter().filter(|view| view.paused).map(|view| view.name.as_str()).collect();
    assert_eq!(paused, ["s150"]);
    let after = ScheduleName::new("s297").unwrap();
    let page = shop.list_after(Some(&after), 5).await.unwrap();
    let names: Vec<&str> = page.iter().map(|view| view.name.as_str()).collect();
    assert_eq!(names, ["s298", "s299"]);
    let page = shop.list_after(None, 2).await.unwrap();
    assert_eq!(page[1].name.as_str(), "s001");
    let told = shop.pause("s30").await.unwrap_err().to_string();
    assert!(told.starts_with("group shop has no schedule \"s30\": did you mean \"s"), "{told}");
}
