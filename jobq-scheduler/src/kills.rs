//! Schedulers that are killed around ticks, in virtual time: every tick is enqueued once.
//!
//! The run prints its seed; `JOBQ_KILLS_SEED` repeats it, `JOBQ_KILLS` kills more or less often.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jobq_core::inspect::CancelOutcome;
use jobq_core::schedules::{
    Attendance, Change, Claim, Claimed, Entries, Mark, MarkChange, ScheduleRef, Schedules,
};
use jobq_core::{
    Backend, Clock, GroupName, Inspect, JobId, JobRecord, Kind, LeaseRequest, MemoryBackend, Next,
    Payload, QueueName, Result, Settlement, Timestamp, WorkerId,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::firing::ScheduleStore;
use crate::policy::CatchUp;
use crate::schedule::Schedule;
use crate::scheduler::Scheduler;
use crate::units::TimeUnits;

const BEGAN_AT: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Follows tokio's clock, so that paused time is the store's time, too.
#[derive(Debug)]
struct TokioClock(Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        BEGAN_AT + self.0.elapsed()
    }
}

/// A store at the end of a link that takes its time in both directions, so that who calls can be killed
/// before and after a call has had its effect.
#[derive(Clone, Debug)]
struct FarStore {
    store: MemoryBackend,
    random: Arc<Mutex<fastrand::Rng>>,
}

impl FarStore {
    async fn travel(&self) {
        let ms = self.random.lock().unwrap().u64(..6);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    async fn far<T>(&self, call: impl Future<Output = T>) -> T {
        self.travel().await;
        let answer = call.await;
        self.travel().await;
        answer
    }
}

#[async_trait]
impl Schedules for FarStore {
    async fn claim(&self, claim: &Claim) -> Result<Claimed> {
        self.far(self.store.claim(claim)).await
    }

    async fn marks(&self, queue: &QueueName, of: &[ScheduleRef]) -> Result<Vec<Option<Mark>>> {
        self.far(self.store.marks(queue, of)).await
    }

    async fn change_mark(
        &self,
        queue: &QueueName,
        schedule: &ScheduleRef,
        change: MarkChange,
    ) -> Result<()> {
        self.far(self.store.change_mark(queue, schedule, change)).await
    }

    async fn groups(&self) -> Result<Vec<GroupName>> {
        self.far(self.store.groups()).await
    }

    async fn entries(&self, group: &GroupName) -> Result<Entries> {
        self.far(self.store.entries(group)).await
    }

    async fn amend(&self, group: &GroupName, at: u64, changes: &[Change]) -> Result<Option<u64>> {
        self.far(self.store.amend(group, at, changes)).await
    }

    async fn attend(
        &self,
        group: &GroupName,
        scheduler: WorkerId,
        word: &str,
        ttl: Duration,
    ) -> Result<Attendance> {
        self.far(self.store.attend(group, scheduler, word, ttl)).await
    }

    async fn absent(&self, group: &GroupName, scheduler: WorkerId) -> Result<()> {
        self.far(self.store.absent(group, scheduler)).await
    }
}

#[async_trait]
impl ScheduleStore for FarStore {
    fn clock(&self) -> &dyn Clock {
        Backend::clock(&self.store)
    }

    async fn call_off(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<CancelOutcome>> {
        self.far(self.store.cancel(queue, ids)).await
    }
}

const QUEUES: [&str; 2] = ["import", "mail"];

fn record(queue: &str) -> JobRecord {
    let (queue, kind) = (QueueName::new(queue).unwrap(), Kind::new("tick").unwrap());
    let payload = Payload::encode(&()).unwrap();
    JobRecord::new(JobId::from_bytes([0; 16]), queue, kind, payload)
}

/// Every tick of these is to be enqueued, however late.
fn schedules() -> Vec<(&'static str, Schedule)> {
    let every_tick = |schedule: Schedule| schedule.catch_up(CatchUp::all(1_000));
    vec![
        ("second", every_tick(Schedule::cron("* * * * * *").record(record(QUEUES[0])))),
        ("three", every_tick(Schedule::every(3.seconds()).record(record(QUEUES[1])))),
        (
            "jitter",
            every_tick(Schedule::every(5.seconds()).record(record(QUEUES[0]))).jitter(2.seconds()),
        ),
        ("ten", every_tick(Schedule::cron("*/10 * * * * *").record(record(QUEUES[1])))),
    ]
}

/// What was enqueued: by schedule and tick, how often.
type Seen = Arc<Mutex<BTreeMap<(String, String), u32>>>;

/// Takes all jobs out of the store at once, so that an id that is enqueued twice is seen twice.
async fn drain(store: &MemoryBackend, seen: &Seen) {
    for queue in QUEUES.map(|queue| QueueName::new(queue).unwrap()) {
        let request = LeaseRequest::new(WorkerId::from_u64(1), 1_000, Duration::from_secs(60));
        let leases = store.exchange(&queue, &[], Some(request)).await.unwrap().leases;
        let done: Vec<_> = leases
            .iter()
            .map(|lease| Settlement::new(Arc::clone(lease), Next::Complete { result: None }))
            .collect();
        store.exchange(&queue, &done, None).await.unwrap();
        for lease in leases {
            let fact = |key: &str| lease.job.metadata.get(key).unwrap().to_owned();
            *seen.lock().unwrap().entry((fact("schedule"), fact("tick"))).or_default() += 1;
        }
    }
}

fn start(store: &FarStore) -> JoinHandle<()> {
    let scheduler = Scheduler::on(Arc::new(store.clone())).group("g").schedules(schedules());
    tokio::spawn(async move {
        scheduler.run_until(std::future::pending()).await.unwrap();
    })
}

async fn kill_often(seed: u64, kills: usize) {
    let clock = TokioClock(Instant::now());
    let store = MemoryBackend::with_clock(clock);
    let link = |n| Arc::new(Mutex::new(fastrand::Rng::with_seed(seed + n)));
    let far = |n| FarStore { store: store.clone(), random: link(n) };
    let stores = [far(1), far(2), far(3)];
    let mut running: Vec<_> = stores.iter().map(start).collect();
    let mut random = fastrand::Rng::with_seed(seed);
    let seen = Seen::default();
    let drainer = tokio::spawn({
        let (store, seen) = (store.clone(), Arc::clone(&seen));
        async move {
            loop {
                drain(&store, &seen).await;
                tokio::time::sleep(Duration::from_millis(7)).await;
            }
        }
    });

    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..kills {
        // Just before, at, or just after a second, which is a tick of one schedule or more.
        let now = Backend::clock(&store).now().as_millis();
        let offset = now.next_multiple_of(1_000) - now + random.u64(980..1_030);
        tokio::time::sleep(Duration::from_millis(offset % 2_000)).await;
        let victim = random.usize(..3);
        running[victim].abort();
        if random.u8(..4) == 0 {
            tokio::time::sleep(Duration::from_millis(random.u64(..3_000))).await;
        }
        running[victim] = start(&stores[victim]);
    }
    tokio::time::sleep(Duration::from_secs(20)).await;
    running.iter().for_each(JoinHandle::abort);
    drainer.abort();
    drain(&store, &seen).await;

    let end = Backend::clock(&store).now() - 10.seconds();
    let seen = seen.lock().unwrap();
    let twice: Vec<_> = seen.iter().filter(|(_, count)| **count != 1).collect();
    assert!(twice.is_empty(), "enqueued more than once: {twice:?}");
    for (name, schedule) in schedules() {
        let full = format!("g/{name}");
        let timing = schedule.timing().unwrap();
        let ticks = timing.between(BEGAN_AT + 1.seconds(), end, usize::MAX);
        let missing: Vec<_> = ticks
            .iter()
            .filter(|tick| !seen.contains_key(&(full.clone(), tick.to_string())))
            .collect();
        assert!(missing.is_empty(), "{full} has missed {} of {}", missing.len(), ticks.len());
        assert!(ticks.len() * 20 > kills, "{} ticks", ticks.len());
    }
}

#[test]
fn schedulers_that_are_killed_a_thousand_times_enqueue_every_tick_once() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seed = number("JOBQ_KILLS_SEED").unwrap_or_else(|| fastrand::u64(..1 << 32));
    let kills = usize::try_from(number("JOBQ_KILLS").unwrap_or(1_000)).unwrap();
    println!("repeat with JOBQ_KILLS_SEED={seed}");
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(kill_often(seed, kills));
}
