//! A store whose calls fail or take time as a test says, and whose time is tokio's.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jobq_core::inspect::CancelOutcome;
use jobq_core::schedules::{
    Attendance, Change, Claim, Claimed, Entries, Mark, MarkChange, ScheduleRef, Schedules,
};
use jobq_core::{
    Backend, Clock, Error, ErrorKind, GroupName, Inspect, JobId, JobRecord, Kind, LeaseRequest,
    MemoryBackend, Next, Payload, QueueName, Result, Settlement, Timestamp, WorkerId,
};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::firing::ScheduleStore;
use crate::scheduler::{Scheduler, Summary};

/// A Monday at midnight.
pub(crate) const MONDAY: Timestamp = Timestamp::from_millis(1_800_230_400_000);

/// Follows tokio's clock.
#[derive(Clone, Debug)]
pub(crate) struct TokioClock {
    began_at: Instant,
}

impl TokioClock {
    pub(crate) fn new() -> Self {
        Self { began_at: Instant::now() }
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        MONDAY + self.began_at.elapsed()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Claim,
    Marks,
    ChangeMark,
    Entries,
    Amend,
    Attend,
}

/// What becomes of a call, before it has its effect and after.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fault {
    pub(crate) fails: bool,
    pub(crate) takes: Duration,
    pub(crate) then_takes: Duration,
}

impl Fault {
    pub(crate) const FAILS: Self =
        Self { fails: true, takes: Duration::ZERO, then_takes: Duration::ZERO };
}

type Rule = Box<dyn FnMut(Call) -> Fault + Send>;

/// A store as one of its users finds it.
#[derive(Clone)]
pub(crate) struct FaultyStore {
    pub(crate) store: MemoryBackend,
    rule: Arc<Mutex<Rule>>,
    pub(crate) calls: Arc<Mutex<Vec<Call>>>,
}

impl fmt::Debug for FaultyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyStore").finish_non_exhaustive()
    }
}

impl FaultyStore {
    pub(crate) fn new(store: &MemoryBackend) -> Self {
        Self {
            store: store.clone(),
            rule: Arc::new(Mutex::new(Box::new(|_| Fault::default()))),
            calls: Arc::default(),
        }
    }

    /// From now on calls go as `rule` says.
    pub(crate) fn rule(&self, rule: impl FnMut(Call) -> Fault + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    pub(crate) fn count(&self, which: Call) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| **call == which).count()
    }

    async fn through<T>(&self, which: Call, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.calls.lock().unwrap().push(which);
        let fault = (self.rule.lock().unwrap())(which);
        tokio::time::sleep(fault.takes).await;
        if fault.fails {
            return Err(Error::new(ErrorKind::Unavailable, "the test says so"));
        }
        let answer = call.await;
        tokio::time::sleep(fault.then_takes).await;
        answer
    }
}

#[async_trait]
impl Schedules for FaultyStore {
    async fn claim(&self, claim: &Claim) -> Result<Claimed> {
        self.through(Call::Claim, self.store.claim(claim)).await
    }

    async fn marks(&self, queue: &QueueName, of: &[ScheduleRef]) -> Result<Vec<Option<Mark>>> {
        self.through(Call::Marks, self.store.marks(queue, of)).await
    }

    async fn change_mark(
        &self,
        queue: &QueueName,
        schedule: &ScheduleRef,
        change: MarkChange,
    ) -> Result<()> {
        self.through(Call::ChangeMark, self.store.change_mark(queue, schedule, change)).await
    }

    async fn groups(&self) -> Result<Vec<GroupName>> {
        self.store.groups().await
    }

    async fn entries(&self, group: &GroupName) -> Result<Entries> {
        self.through(Call::Entries, self.store.entries(group)).await
    }

    async fn amend(&self, group: &GroupName, at: u64, changes: &[Change]) -> Result<Option<u64>> {
        self.through(Call::Amend, self.store.amend(group, at, changes)).await
    }

    async fn attend(
        &self,
        group: &GroupName,
        scheduler: WorkerId,
        word: &str,
        ttl: Duration,
    ) -> Result<Attendance> {
        self.through(Call::Attend, self.store.attend(group, scheduler, word, ttl)).await
    }

    async fn absent(&self, group: &GroupName, scheduler: WorkerId) -> Result<()> {
        self.store.absent(group, scheduler).await
    }
}

#[async_trait]
impl ScheduleStore for FaultyStore {
    fn clock(&self) -> &dyn Clock {
        Backend::clock(&self.store)
    }

    async fn call_off(&self, queue: &QueueName, ids: &[JobId]) -> Result<Vec<CancelOutcome>> {
        self.store.cancel(queue, ids).await
    }
}

pub(crate) fn record(queue: &str) -> JobRecord {
    let (queue, kind) = (QueueName::new(queue).unwrap(), Kind::new("tick").unwrap());
    let payload = Payload::encode(&()).unwrap();
    JobRecord::new(JobId::from_bytes([0; 16]), queue, kind, payload)
}

/// A scheduler that runs until it is stopped, or killed by dropping this.
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<Summary>>,
}

impl Running {
    pub(crate) fn start(scheduler: Scheduler) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async {
            let _ = stopped.await;
        };
        Self { stop: Some(stop), task: tokio::spawn(scheduler.run_until(stopped)) }
    }

    pub(crate) async fn stop(mut self) -> Summary {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.task).await.unwrap().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Takes all jobs out of a queue: of each its schedule, and its tick in seconds since [`MONDAY`].
pub(crate) async fn ticks(store: &MemoryBackend, queue: &str) -> Vec<(String, u64)> {
    let queue = QueueName::new(queue).unwrap();
    let mut ticks = Vec::new();
    loop {
        let request = LeaseRequest::new(WorkerId::from_u64(1), 1_000, Duration::from_secs(60));
        let leases = store.exchange(&queue, &[], Some(request)).await.unwrap().leases;
        if leases.is_empty() {
            return ticks;
        }
        let done = |lease| Settlement::new(Arc::clone(lease), Next::Complete { result: None });
        let done: Vec<_> = leases.iter().map(done).collect();
        store.exchange(&queue, &done, None).await.unwrap();
        for lease in leases {
            let fact = |key: &str| lease.job.metadata.get(key).unwrap().to_owned();
            let tick: jiff::Timestamp = fact("tick").parse().unwrap();
            let tick = u64::try_from(tick.as_millisecond()).unwrap() - MONDAY.as_millis();
            ticks.push((fact("schedule"), tick / 1_000));
        }
    }
}

/// Takes all jobs out of a queue, and gives their ticks in seconds since [`MONDAY`].
pub(crate) async fn seconds(store: &MemoryBackend, queue: &str) -> Vec<u64> {
    ticks(store, queue).await.into_iter().map(|(_, tick)| tick).collect()
}
