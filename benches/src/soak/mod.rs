//! Everything at once, for as long as wanted, while everything goes wrong; then the accounts are made up.
//!
//! A private Redis that writes its file before each answer, workers and schedulers as processes of their
//! own, producers, and somebody who kills, freezes and cuts all of them by chance. Each job carries its fate, so
//! each acknowledged job has one right end. It is no test: it takes as long as it is told to.

mod crew;
mod faults;
mod job;
mod ledger;
mod limits;
mod observer;
mod produce;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use jobq_core::{
    Backend, Clock, Inspect, LimitScope, LimitSource, Limits, QueueName, Rate, SystemClock,
};
use jobq_redis::{FaultProxy, RedisBackend, TestServer};
use tokio::sync::Mutex;
use tokio::task::{JoinHandle, JoinSet};

use self::crew::{Fates, Post};
pub(crate) use self::crew::{Role, play};
use self::faults::{Done, Faults};
use self::job::{LANES, QUEUES, RATED};
use self::ledger::Ledger;
use self::observer::Observer;
use self::produce::Producer;
use self::verdict::Verdict;
use crate::AnyResult;

/// How many jobs of a lane run at once.
const LANE_LIMIT: u32 = 2;
/// How many jobs of the queue `rated` are leased in any second.
const RATED_A_SECOND: u32 = 25;
const PRODUCERS: u32 = 3;
/// The processes, and the killable ones among them.
const CREW: [Role; 6] =
    [Role::Steady, Role::Worker, Role::Worker, Role::Worker, Role::Scheduler, Role::Scheduler];
/// How long the rest may take when nothing goes wrong any more.
const DRAINS_WITHIN: Duration = Duration::from_secs(300);

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) minutes: f64,
    pub(crate) seed: u64,
    /// Jobs a second, about.
    pub(crate) rate: u32,
}

/// The stage: what lives as long as the soak.
struct Stage {
    started: Instant,
    server: Arc<Mutex<TestServer>>,
    notes: TestServer,
    store: RedisBackend,
    observer: Observer,
    ledger: Arc<Ledger>,
    fates: Arc<Fates>,
    done: Arc<Done>,
    control: verdict::Control,
}

/// Runs it; whether nothing was found.
pub(crate) async fn run(plan: Plan) -> AnyResult<bool> {
    eprintln!("soak: {} min, {} jobs a second, --seed {}", plan.minutes, plan.rate, plan.seed);
    let stage = Stage::set().await?;
    let first_memory = stage.control.used_memory().await?;
    let port = stage.server.lock().await.port();
    let mut posts = Vec::new();
    for role in CREW {
        let fates = Arc::clone(&stage.fates);
        posts.push(Post::fill(role, port, &stage.notes.url(), fates).await?);
    }
    let posts = Arc::new(posts);
    let stop = Arc::new(AtomicBool::new(false));
    let mut links = Vec::new();
    for _ in 0..PRODUCERS {
        links.push(FaultProxy::before(port).await?);
    }
    let links = Arc::new(links);
    let mut busy = JoinSet::new();
    for (nth, link) in links.iter().enumerate() {
        let producer = Producer {
            backend: RedisBackend::connect(&link.url()).await?,
            ledger: Arc::clone(&stage.ledger),
            observer: stage.observer.clone(),
            chance: fastrand::Rng::with_seed(plan.seed.wrapping_add(nth as u64 + 1)),
            stop: Arc::clone(&stop),
            rate: f64::from(plan.rate) / f64::from(PRODUCERS),
        };
        busy.spawn(producer.run());
    }
    let faults = Faults {
        server: Arc::clone(&stage.server),
        posts: Arc::clone(&posts),
        producer_links: Arc::clone(&links),
        store: stage.store.clone(),
        chance: fastrand::Rng::with_seed(plan.seed),
        stop: Arc::clone(&stop),
        done: Arc::clone(&stage.done),
        amends: JoinSet::new(),
    };
    busy.spawn(faults.run());
    let audit = stage.audit();
    let since = SystemClock::default().now();
    let memory = stage.watch(plan, &posts, &mut busy).await?;

    stop.store(true, Ordering::Relaxed);
    eprintln!("soak: nothing goes wrong any more; what is left is drained");
    while let Some(ended) = busy.join_next().await {
        ended??;
    }
    eprintln!("soak: everybody has stopped; waiting for the jobs");
    let mut verdict = Verdict::new(plan, first_memory, memory, since);
    let Ok(posts) = Arc::try_unwrap(posts) else {
        return Err("the processes are still in use".into());
    };
    let (schedulers, workers): (Vec<_>, Vec<_>) =
        posts.into_iter().partition(|post| post.role == Role::Scheduler);
    // First those who enqueue.
    for scheduler in schedulers {
        scheduler.retire().await?;
    }
    verdict.schedulers_until = SystemClock::default().now();
    stage.drain(&mut verdict).await?;
    audit.abort();
    verdict.memory.worker_last = verdict::steady_memory(&workers);
    for worker in workers {
        worker.retire().await?;
    }
    eprintln!("soak: everybody has gone; what is left is looked at");
    stage.judge(&mut verdict).await?;
    Ok(verdict.pronounce())
}

impl Stage {
    async fn set() -> AnyResult<Self> {
        let server = TestServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"])?;
        let notes = TestServer::start()?;
        let store = RedisBackend::connect(&server.url()).await?;
        let lanes = LimitScope::Lanes(QueueName::new(LANES)?);
        let limits = Limits::new().concurrency(LANE_LIMIT);
        store.set_limits(&lanes, LimitSource::Code, &limits).await?;
        let rated = LimitScope::Queue(QueueName::new(RATED)?);
        let rate = Rate::sliding(RATED_A_SECOND, Duration::from_secs(1));
        store.set_limits(&rated, LimitSource::Code, &Limits::new().rate(rate)).await?;
        Ok(Self {
            started: Instant::now(),
            observer: Observer::connect(&notes.url()).await?,
            control: verdict::Control::connect(&server.url()).await?,
            server: Arc::new(Mutex::new(server)),
            notes,
            store,
            ledger: Arc::new(Ledger::default()),
            fates: Arc::new(Fates::default()),
            done: Arc::new(Done::default()),
        })
    }

    /// Looks after jobs that have ended, once a second.
    fn audit(&self) -> JoinHandle<AnyResult> {
        let (ledger, store, observer) =
            (Arc::clone(&self.ledger), self.store.clone(), self.observer.clone());
        tokio::spawn(async move {
            loop {
                ledger.audit(&store, &observer).await?;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        })
    }

    /// Says how it goes, once a minute, until the time is over.
    async fn watch(
        &self,
        plan: Plan,
        posts: &[Post],
        busy: &mut JoinSet<AnyResult>,
    ) -> AnyResult<verdict::Memory> {
        let end = Duration::from_secs_f64(plan.minutes * 60.0);
        let mut memory = verdict::Memory::default();
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            let next =
                Duration::from_secs((self.started.elapsed().as_secs() / 60 + 1) * 60).min(end);
            tokio::select! {
                () = tokio::time::sleep(next.saturating_sub(self.started.elapsed())) => {}
                said = self.fates.too_many_failures() => return Err(said.into()),
                Some(ended) = busy.join_next() => {
                    ended??;
                    return Err("a producer has ended before its time".into());
                }
                _ = &mut interrupted => {
                    eprintln!("soak: interrupted");
                    return Ok(memory);
                }
            }
            let (server, worker) =
                (self.control.used_memory().await.ok(), verdict::steady_memory(posts));
            if memory.worker_first == 0 {
                // After a minute everything has been used once.
                memory.worker_first = worker;
            }
            self.tell(server, worker).await;
            if self.started.elapsed() >= end {
                return Ok(memory);
            }
        }
    }

    async fn tell(&self, server: Option<u64>, worker: u64) {
        let counts = self.ledger.total();
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let server =
            server.map_or_else(|| "away".to_owned(), |bytes| format!("{:.1} MiB", mib(bytes)));
        let load = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        eprintln!(
            "soak: {:>4} s: {} acknowledged, {} open, {} completed, {} dead, {} cancelled; kills {}, stops \
             {}, server kills {}, freezes {}; server {server}, worker {:.1} MiB; {} violations",
            self.started.elapsed().as_secs(),
            counts.acknowledged,
            self.ledger.open_count(),
            counts.completed,
            counts.dead,
            counts.cancelled,
            load(&self.fates.kills),
            load(&self.fates.stops),
            load(&self.done.server_kills),
            load(&self.done.freezes),
            mib(worker),
            self.observer.violations().await.len(),
        );
        for violation in self.observer.violations().await.iter().take(5) {
            eprintln!("soak:   {violation}");
        }
    }

    /// Waits until every job has ended and was looked at, and every batch is forgotten.
    async fn drain(&self, verdict: &mut Verdict) -> AnyResult {
        let (started, mut told) = (Instant::now(), Instant::now());
        loop {
            let mut left = self.ledger.open_count() as u64;
            for name in QUEUES {
                let queue = QueueName::new(name)?;
                let stats = self.store.queue(&queue).await?;
                left += stats.waiting + stats.ready + stats.scheduled + stats.leased;
                left += self.store.batches(&queue, 0, 10).await?.len() as u64;
            }
            if left == 0 {
                verdict.drained_after = started.elapsed();
                return Ok(());
            }
            if told.elapsed() > Duration::from_secs(30) {
                told = Instant::now();
                eprintln!("soak: {left} are left: {:?}", self.ledger.left());
            }
            if started.elapsed() > DRAINS_WITHIN {
                let said = format!(
                    "{left} are left after {DRAINS_WITHIN:?}: {:?}",
                    self.ledger.left().iter().take(5).collect::<Vec<_>>()
                );
                self.observer.violation(said).await;
                verdict.drained_after = started.elapsed();
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }
}
