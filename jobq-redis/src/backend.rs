//! `impl Backend`: one short method per script.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use jobq_core::backend::{Maintained, Signals, WorkerStatus, check_checkpoint};
use jobq_core::{
    Backend, BatchRef, BatchView, Clock, Enqueued, Error, ErrorKind, Exchanged, Extended, Held,
    JobId, LaneKey, LeaseRef, LeaseRequest, LimitScope, LimitSource, Limits, NewBatch, NewJob,
    ParentOutcome, QueueName, Report, Result, Settlement, Sighting, UniqueScope, WorkerId,
};
use redis::{Cmd, Value};

use crate::config::RedisConfig;
use crate::durability::{Durability, Durable};
use crate::error::malformed;
use crate::grouping::{self, Groups};
use crate::keys::Keys;
use crate::link::Link;
use crate::register::Register;
use crate::reply;
use crate::scripts::{CHECKPOINT, EXTEND, FORFEIT, HEARTBEAT, MAINTAIN, REPORT, Script};
use crate::server::eviction_warning;
use crate::wake::Wakes;
use crate::watch::Watchers;

/// The most leases one script grants or extends. Lua passes at most some 8,000 values to a command.
pub(crate) const LEASE_STEP: usize = 1_000;
/// Every how many heartbeats silent workers are forgotten and queues noted: the first one, and one in
/// some minutes after.
const SWEEP_EVERY: u64 = 10;

/// Jobs in Redis, or a server that speaks its protocol. Clones share the same connections.
///
/// It connects when it is first used and again whenever the connection has failed; calls in between
/// fail with [`Unavailable`](jobq_core::ErrorKind::Unavailable). Connections belong to the runtime in which they are made.
#[derive(Clone)]
pub struct RedisBackend {
    pub(crate) store: Arc<Store>,
    wakes: Arc<Wakes>,
}

/// What all clones share.
pub(crate) struct Store {
    pub(crate) config: RedisConfig,
    pub(crate) keys: Arc<Keys>,
    pub(crate) link: Arc<Link>,
    pub(crate) groups: Groups,
    pub(crate) watchers: Arc<Watchers>,
    /// For enqueues that wait until their jobs are safe.
    pub(crate) durable: Option<Durable>,
    register: Arc<Register>,
    beats: AtomicU64,
    /// When it was last told that a queue cannot be counted.
    pub(crate) uncounted_told_at: Mutex<HashMap<QueueName, Instant>>,
}

impl RedisBackend {
    /// Connects to the server at `url`; see [`RedisConfig::new`] for its forms.
    ///
    /// Warns, as a `tracing` event, about a `maxmemory-policy` that would delete jobs.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](jobq_core::ErrorKind::InvalidInput) for a malformed URL;
    /// [`Unavailable`](jobq_core::ErrorKind::Unavailable) when nothing answers there, or a replica does;
    /// [`Refused`](jobq_core::ErrorKind::Refused) for a wrong password or an unsuitable server.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(RedisConfig::new(url)?).await
    }

    /// Connects as `config` says.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(config: RedisConfig) -> Result<Self> {
        let backend = Self::lazy(config)?;
        backend.ping().await?;
        if let Some(warning) = backend.store.eviction_warning().await {
            tracing::warn!(target: "jobq", warning, "server may evict jobs");
        }
        Ok(backend)
    }

    /// A backend that connects when it is first used: for programs that must start without Redis.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](jobq_core::ErrorKind::Misconfigured) when TLS is asked for and cannot be had.
    pub fn lazy(config: RedisConfig) -> Result<Self> {
        #[cfg(feature = "tls")]
        // An error means that the program has chosen a provider before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let keys = Arc::new(Keys::new(Arc::clone(&config.prefix)));
        let link = Arc::new(Link::new(&config)?);
        let wakes = Arc::new(Wakes::new(&config, Arc::clone(&keys), &link));
        let store = Store {
            watchers: Arc::new(Watchers::new(&config, &keys, &link)),
            durable: Durable::new(&config, &link),
            register: Arc::new(Register::new(&link, &keys)),
            groups: Groups::new(link.is_cluster() || config.durability != Durability::Server),
            link,
            keys,
            config,
            beats: AtomicU64::new(0),
            uncounted_told_at: Mutex::default(),
        };
        Ok(Self { store: Arc::new(store), wakes })
    }

    /// The same store through connections of its own, made by the runtime that uses them first.
    pub(crate) fn apart(&self) -> Self {
        // The URL has been understood and TLS set up before, so nothing is left to fail; if it did,
        // sharing the connection would be the second best.
        Self::lazy(self.store.config.clone()).unwrap_or_else(|_| self.clone())
    }

    /// Where the server is, without user or password.
    #[must_use]
    pub fn address(&self) -> &str {
        self.store.link.address()
    }

    /// What is unsafe about the server's settings, in words for an operator: nothing when all is well,
    /// or when the Redis user may not look.
    pub async fn warnings(&self) -> Vec<String> {
        self.store.eviction_warning().await.into_iter().collect()
    }
}

impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackend").field("config", &self.store.config).finish_non_exhaustive()
    }
}

impl Store {
    /// The `now` argument of scripts: empty, so that they ask the server, unless a clock was injected.
    pub(crate) fn now(&self) -> String {
        self.config
            .clock
            .as_ref()
            .map_or_else(String::new, |clock| clock.now().as_millis().to_string())
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        self.config.clock.as_deref().unwrap_or(&self.link.clock)
    }

    /// A call of a queue's script, with all of the queue's keys.
    pub(crate) fn call(&self, script: &Script, queue: &QueueName) -> Cmd {
        script.call(self.keys.of(queue).all())
    }

    /// Runs a script that writes something about a leased job.
    async fn write_held(&self, script: &'static Script, call: &Cmd) -> Result<Held> {
        match reply::count(self.link.run(script, call).await?)? {
            0 => Ok(Held::Lost),
            _ => Ok(Held::Yes),
        }
    }

    async fn eviction_warning(&self) -> Option<String> {
        let question = redis::cmd("CONFIG").arg("GET").arg("maxmemory-policy").take();
        for node in self.link.nodes().await.ok()? {
            // A restricted user may not ask, and a managed server may not tell: then there is no warning.
            let Ok(answer) = node.send(&question).await.and_then(reply::text_pairs) else {
                continue;
            };
            let policy = answer.get("maxmemory-policy").map_or("", String::as_str);
            if let Some(warning) = eviction_warning(policy, node.address()) {
                return Some(warning);
            }
        }
        None
    }

    /// Refuses a job that needs what spans queues in one step, where queues are on servers of their own.
    pub(crate) fn check_span(&self, job: &NewJob) -> Result<()> {
        let unique = job.record.unique.as_ref();
        if self.link.is_cluster() && unique.is_some_and(|it| it.scope == UniqueScope::Everywhere) {
            return Err(self.refuse_span("a unique key among all queues"));
        }
        Ok(())
    }

    /// The refusal of what spans queues in one step.
    pub(crate) fn refuse_span(&self, what: &str) -> Error {
        Error::new(
            ErrorKind::Refused,
            format!(
                "{what} needs all queues on one server, and Redis at {} has them on nodes of their \
                 own: keep it within a queue, or use a single server",
                self.link.address()
            ),
        )
    }

    /// Puts a queue on the list of queues, before its first job: no job may be in a queue that
    /// nobody knows of.
    pub(crate) async fn register(&self, queue: &QueueName) -> Result<()> {
        self.register.note(queue).await
    }
}

#[async_trait]
impl Backend for RedisBackend {
    async fn enqueue_jobs(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>> {
        for job in jobs {
            job.check()?;
            self.store.check_span(job)?;
        }
        if let [job] = jobs {
            Ok(vec![grouping::enqueue_one(&self.store, job).await?])
        } else {
            self.store.enqueue_jobs(jobs).await
        }
    }

    async fn exchange(
        &self,
        queue: &QueueName,
        settlements: &[Settlement],
        request: Option<LeaseRequest>,
    ) -> Result<Exchanged> {
        self.store.exchange(queue, settlements, request).await
    }

    async fn extend(
        &self,
        queue: &QueueName,
        leases: &[LeaseRef],
        duration: Duration,
    ) -> Result<Vec<Extended>> {
        let mut answers = Vec::with_capacity(leases.len());
        for step in leases.chunks(LEASE_STEP) {
            let mut call = self.store.call(&EXTEND, queue);
            call.arg(self.store.now()).arg(duration.as_millis().to_string());
            for lease in step {
                call.arg(reply::member(*lease).as_slice());
            }
            let words = reply::bytes(self.store.link.run(&EXTEND, &call).await?)?;
            if words.len() != step.len() {
                return Err(malformed("extensions without answers"));
            }
            answers.extend(words.into_iter().map(|word| match word {
                b'y' => Extended::Yes,
                b'c' => Extended::CancelRequested,
                _ => Extended::Lost,
            }));
        }
        Ok(answers)
    }

    async fn report(&self, queue: &QueueName, lease: LeaseRef, report: &Report) -> Result<Held> {
        let encoded = rmp_serde::to_vec_named(report)
            .map_err(|cause| Error::invalid_input("the report has no encoding").because(cause))?;
        let mut call = self.store.call(&REPORT, queue);
        call.arg(reply::member(lease).as_slice()).arg(encoded);
        self.store.write_held(&REPORT, &call).await
    }

    async fn forfeit(
        &self,
        queue: &QueueName,
        worker: WorkerId,
        keep: &[LeaseRef],
    ) -> Result<usize> {
        let mut call = self.store.call(&FORFEIT, queue);
        call.arg(self.store.now()).arg(worker.as_u64().to_be_bytes().as_slice());
        for lease in keep {
            call.arg(reply::member(*lease).as_slice());
        }
        let count = reply::count(self.store.link.run(&FORFEIT, &call).await?)?;
        if self.store.keys.of(queue).has_flow() {
            self.store.relay_later(queue).await;
        }
        usize::try_from(count).map_err(|_| malformed("an absurd count"))
    }

    async fn maintain(&self, queue: &QueueName, limit: usize) -> Result<Maintained> {
        let retention = self.store.config.dead_retention;
        let mut call = self.store.call(&MAINTAIN, queue);
        call.arg(self.store.now())
            .arg(limit.min(LEASE_STEP))
            .arg(retention.max_age.as_millis().to_string())
            .arg(retention.max_count);
        let mut counts = reply::list(self.store.link.run(&MAINTAIN, &call).await?)?.into_iter();
        let mut next = || -> Result<usize> {
            let count = reply::count(counts.next().unwrap_or(Value::Nil))?;
            usize::try_from(count).map_err(|_| malformed("an absurd count"))
        };
        let (promoted, reclaimed, poisoned, pruned) = (next()?, next()?, next()?, next()?);
        let more = next()? > 0;
        if next()? > 0 {
            self.store.relay_later(queue).await;
        }
        Ok(Maintained::new(promoted, reclaimed, poisoned, pruned, more))
    }

    async fn throttle_lane(&self, queue: &QueueName, lane: &LaneKey, rest: Duration) -> Result<()> {
        let rest = rest.as_millis().to_string();
        self.store.limit(queue, "rest", lane.as_str(), &rest, b"").await.map(drop)
    }

    async fn set_limits(
        &self,
        scope: &LimitScope,
        source: LimitSource,
        limits: &Limits,
    ) -> Result<()> {
        self.store.set_limits(scope, source, limits).await
    }

    async fn checkpoint(&self, queue: &QueueName, lease: LeaseRef, cursor: &[u8]) -> Result<Held> {
        check_checkpoint(cursor)?;
        let mut call = self.store.call(&CHECKPOINT, queue);
        call.arg(reply::member(lease).as_slice()).arg(cursor);
        self.store.write_held(&CHECKPOINT, &call).await
    }

    async fn parents(&self, queue: &QueueName, id: JobId) -> Result<Vec<ParentOutcome>> {
        self.store.parents(queue, id).await
    }

    async fn open_batch(&self, batch: &NewBatch) -> Result<bool> {
        self.store.open_batch(batch).await
    }

    async fn close_batch(&self, batch: &BatchRef) -> Result<BatchView> {
        self.store.close_batch(batch).await
    }

    async fn batch_view(&self, batch: &BatchRef) -> Result<Option<BatchView>> {
        self.store.batch_view(batch).await
    }

    async fn watch(
        &self,
        queue: &QueueName,
        id: JobId,
        seen: Option<&Sighting>,
    ) -> Result<Sighting> {
        self.store.watch(queue, id, seen).await
    }

    async fn wait(&self, queues: &[QueueName]) -> Result<QueueName> {
        self.wakes.wait(queues).await
    }

    async fn heartbeat(&self, worker: &WorkerStatus, ttl: Duration) -> Result<Signals> {
        let keys = &self.store.keys;
        let status = serde_json::to_string(worker)
            .map_err(|cause| Error::invalid_input("the status has no encoding").because(cause))?;
        let mut call = HEARTBEAT.call(&[keys.workers(), keys.queues(), keys.restart()]);
        let beat = self.store.beats.fetch_add(1, Ordering::Relaxed);
        call.arg(self.store.clock().now().as_millis())
            .arg(ttl.as_millis().to_string())
            .arg(worker.id.to_string())
            .arg(status)
            .arg(i32::from(beat.is_multiple_of(SWEEP_EVERY)))
            .arg(&worker.queues);
        Ok(Signals::new(reply::count(self.store.link.run(&HEARTBEAT, &call).await?)?))
    }

    async fn farewell(&self, worker: WorkerId) -> Result<()> {
        let workers = self.store.keys.workers();
        let forget = redis::cmd("HDEL").arg(workers).arg(worker.to_string()).take();
        self.store.link.send(&forget).await.map(drop)
    }

    async fn ping(&self) -> Result<()> {
        // A write, though it changes nothing: a server that has become a replica answers PING, too.
        let nothing = redis::cmd("HDEL").arg(self.store.keys.workers()).arg("").take();
        self.store.link.send(&nothing).await.map(drop)
    }

    fn detached(&self) -> Arc<dyn Backend> {
        Arc::new(self.apart())
    }

    fn clock(&self) -> &dyn Clock {
        self.store.clock()
    }
}
