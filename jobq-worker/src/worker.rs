//! The worker: set up, run, and stopped, in this order.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jobq_core::{Backend, Job, LaneKey, LimitName, LimitScope, Limits, QueueName, Result, Vitals};

use crate::config::Settings;
use crate::handler::{BlockingHandler, Handler};
#[cfg(feature = "health")]
use crate::health::Health;
use crate::layer::Layer;
use crate::own_vitals::OwnVitals;
use crate::registry::Registry;
use crate::running::Running;
use crate::runtime::Runtime;
use crate::signals::StopSignals;
use crate::summary::Summary;

/// Leases jobs from a backend and runs them.
///
/// ```
/// use jobq_core::{Job, JobContext, JobResult, MemoryBackend, Queue};
/// use jobq_worker::{State, Worker};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize, Job)]
/// #[job(queue = "mail")]
/// struct SendWelcome { user: u64 }
///
/// async fn send_welcome(job: SendWelcome, State(greeting): State<&'static str>) -> JobResult {
///     println!("{greeting}, user {}", job.user);
///     Ok(())
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let queue = MemoryBackend::new();
/// queue.enqueue(SendWelcome { user: 42 }).await?;
///
/// let summary = Worker::new(queue)
///     .state("Welcome")
///     .handle(send_welcome)
///     .stop_when_empty()
///     .run()
///     .await?;
/// assert_eq!(summary.completed, 1);
/// # Ok::<(), jobq_core::Error>(())
/// # }).unwrap();
/// ```
///
/// Mistakes in what is set are reported together by [`run`](Self::run), before anything is leased.
#[derive(Debug)]
#[must_use = "a worker does nothing until it is run"]
pub struct Worker {
    backend: Arc<dyn Backend>,
    registry: Registry,
    settings: Settings,
    vitals: OwnVitals,
    #[cfg(feature = "health")]
    health: Option<Health>,
}

impl Worker {
    /// A worker without handlers.
    pub fn new(backend: impl Backend) -> Self {
        Self::with_registry(backend, Registry::new())
    }

    /// A worker for the handlers of a registry.
    pub fn with_registry(backend: impl Backend, registry: Registry) -> Self {
        Self {
            backend: Arc::new(backend),
            registry,
            settings: Settings::default(),
            vitals: OwnVitals::new(),
            #[cfg(feature = "health")]
            health: None,
        }
    }

    /// Runs jobs of type `J` by an async function: see [`Registry::handle`].
    pub fn handle<J: Job, A, H: Handler<J, A>>(mut self, handler: H) -> Self {
        self.registry = self.registry.handle(handler);
        self
    }

    /// Runs jobs of type `J` by a plain function that may block: see [`Registry::handle_blocking`].
    pub fn handle_blocking<J: Job, A, H: BlockingHandler<J, A>>(mut self, handler: H) -> Self {
        self.registry = self.registry.handle_blocking(handler);
        self
    }

    /// Shares a value with all handlers that ask for it by [`State<T>`](crate::State): one for each type.
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.registry = self.registry.state(value);
        self
    }

    /// Wraps a layer around every attempt. The first one added is the outermost.
    pub fn layer(mut self, layer: impl Layer) -> Self {
        self.registry = self.registry.layer(layer);
        self
    }

    /// The queues to lease from, in strict order: a queue is served only when those before it have
    /// nothing. By default the queues that the handled job types name, in the order of their handlers. When the
    /// worker starts it warns of handlers whose queue is none of these.
    pub fn queues<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.settings.queues = names.into_iter().map(|name| (name.into(), 1)).collect();
        self.settings.strict = true;
        self
    }

    /// The queues to lease from, and how often each gets its turn while all have jobs: `("a", 3),
    /// ("b", 1)` serves `a` three times as often as `b`.
    pub fn weighted_queues<S: Into<String>>(
        mut self,
        queues: impl IntoIterator<Item = (S, u32)>,
    ) -> Self {
        self.settings.queues =
            queues.into_iter().map(|(name, weight)| (name.into(), weight)).collect();
        self.settings.strict = false;
        self
    }

    /// How many jobs run at once, in all queues together: 10 by default. No job is leased before there
    /// is room to run it.
    pub const fn concurrency(mut self, jobs: usize) -> Self {
        self.settings.concurrency = jobs;
        self
    }

    /// How many jobs of one queue run at once in this worker; by default as many as run at all.
    pub fn queue_concurrency(mut self, queue: impl Into<String>, jobs: usize) -> Self {
        self.settings.queue_concurrency.push((queue.into(), jobs));
        self
    }

    /// Limits a queue for all workers together: see [`Limits`]. Set as this worker starts, before it
    /// leases anything, in place of what the program had set there before; what an operator has set at
    /// run time wins. Limits stay when the program that set them is gone: to take some away, set empty
    /// ones.
    pub fn limit_queue(self, queue: impl Into<String>, limits: Limits) -> Self {
        self.limit(QueueName::new(queue.into()).map(LimitScope::Queue), limits)
    }

    /// Limits each lane of a queue, as [`limit_queue`](Self::limit_queue) does a queue.
    pub fn limit_lanes(self, queue: impl Into<String>, limits: Limits) -> Self {
        self.limit(QueueName::new(queue.into()).map(LimitScope::Lanes), limits)
    }

    /// Limits one lane of a queue, over what holds for each lane.
    pub fn limit_lane(
        self,
        queue: impl Into<String>,
        lane: impl fmt::Display,
        limits: Limits,
    ) -> Self {
        let scope = QueueName::new(queue.into())
            .and_then(|queue| Ok(LimitScope::Lane(queue, LaneKey::new(lane)?)));
        self.limit(scope, limits)
    }

    /// Limits all queues together that [take part](Limits::shared) under this name.
    pub fn limit_shared(self, name: impl Into<String>, limits: Limits) -> Self {
        self.limit(LimitName::new(name.into()).map(LimitScope::Shared), limits)
    }

    pub(crate) fn limit(mut self, scope: Result<LimitScope>, limits: Limits) -> Self {
        self.settings.given_limits.push((scope.map_err(|fault| fault.to_string()), limits));
        self
    }

    /// How long a job is leased: 10 seconds by default, at least 100 milliseconds. Leases of running
    /// jobs are extended, so jobs may take longer; it is the time after which the jobs of a worker that
    /// died run elsewhere.
    pub const fn lease(mut self, duration: Duration) -> Self {
        self.settings.lease = duration;
        self
    }

    /// How long running jobs may go on once the worker is told to stop, before they are cancelled and
    /// given back: 25 seconds by default, 5 less than what Kubernetes waits.
    pub const fn grace(mut self, duration: Duration) -> Self {
        self.settings.grace = duration;
        self
    }

    /// How long a handler that was asked to stop has to do so before its future is dropped: 100
    /// milliseconds by default.
    pub const fn cancel_grace(mut self, duration: Duration) -> Self {
        self.settings.cancel_grace = duration;
        self
    }

    /// After how long a handler that was asked to stop and cannot be dropped, because it blocks its
    /// thread, is reported as stuck and its slot given to another job: one second by default.
    pub const fn stuck_after(mut self, duration: Duration) -> Self {
        self.settings.stuck_after = duration;
        self
    }

    /// For how long a job is put off that this program has no handler for, or only an older one: 5
    /// seconds by default. No attempt is used.
    pub const fn unknown_delay(mut self, delay: Duration) -> Self {
        self.settings.unknown_delay = delay;
        self
    }

    /// The worker's name for people: host and process by default. Nothing depends on it.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.name = Some(name.into());
        self
    }

    /// How often this worker tries jobs that do not say so themselves: those with the 5 attempts that
    /// [`Job`] has by default. What a job's type or its enqueue says wins; a job that says 5 itself cannot be
    /// told from one that says nothing.
    pub const fn default_max_attempts(mut self, attempts: u32) -> Self {
        self.settings.defaults.max_attempts = Some(attempts);
        self
    }

    /// How long an attempt may take of a job that has no timeout of its own: by default as long as it
    /// likes.
    pub const fn default_timeout(mut self, timeout: Duration) -> Self {
        self.settings.defaults.timeout = Some(timeout);
        self
    }

    /// Stops gracefully after leasing this many jobs, and leases no more than that.
    pub const fn max_jobs(mut self, jobs: u64) -> Self {
        self.settings.run_limits.max_jobs = Some(jobs);
        self
    }

    /// Stops gracefully after this time.
    pub const fn max_time(mut self, duration: Duration) -> Self {
        self.settings.run_limits.max_time = Some(duration);
        self
    }

    /// Stops gracefully once the process needs more memory than this, looked at every second. On Linux
    /// only; elsewhere the worker refuses to start.
    pub const fn max_memory(mut self, bytes: u64) -> Self {
        self.settings.run_limits.max_memory = Some(bytes);
        self
    }

    /// Stops when all queues are empty and nothing runs. Scheduled jobs that are not due, jobs of paused
    /// queues and lanes, jobs over a limit, jobs that wait for others, and jobs held by other workers are
    /// not waited for, nor is what these bring about; nor a queue that the backend refuses to serve in a way that time
    /// alone does not mend, which the summary [names](Summary::refused_queues). What the ends of its own jobs bring about, such as the
    /// callback of a batch in another of its queues, is run.
    pub const fn stop_when_empty(mut self) -> Self {
        self.settings.run_limits.stop_when_empty = true;
        self
    }

    /// Runs one job if there is one, and stops.
    pub const fn once(self) -> Self {
        self.max_jobs(1).stop_when_empty()
    }

    /// Extends leases from the runtime that runs the handlers, and not from a thread of its own.
    ///
    /// For tests with tokio's paused time, which no other thread shares. In production a handler that
    /// blocks the runtime would then lose its lease.
    pub const fn renew_without_thread(mut self) -> Self {
        self.settings.renewal_thread = false;
        self
    }

    /// How this worker is, for those who ask on any thread: in what
    /// [condition](jobq_core::vitals::Condition), which can be [waited for](Vitals::watch), and whether its loop
    /// turns.
    #[must_use]
    pub fn vitals(&self) -> Vitals {
        self.vitals.shared().clone()
    }

    /// Lets the health of this worker be asked for: see [`Health`].
    #[cfg(feature = "health")]
    pub fn health(mut self, health: &Health) -> Self {
        health.watch(self.vitals.shared());
        self.health = Some(health.clone());
        self
    }

    /// Runs until SIGTERM or Ctrl+C, or until a limit is reached. Needs a tokio runtime with time and IO.
    ///
    /// The first signal stops it gracefully: it leases no more, gives running jobs their
    /// [grace](Self::grace), then cancels the rest and gives them back with their attempt refunded. A
    /// second signal gives everything back at once. When this returns, all settlements are delivered and
    /// all tasks and threads of the worker have ended, but for blocking handlers that are stuck.
    ///
    /// Dropped before that, it stops all handlers where they are; their jobs run again when their leases
    /// have expired.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](jobq_core::ErrorKind::Misconfigured), listing every mistake; what the backend says
    /// when it refuses [limits](Self::limit_queue), such as
    /// [`Refused`](jobq_core::ErrorKind::Refused). A backend that cannot be reached is not an error: the
    /// worker keeps trying, and its [vitals](Self::vitals) say so.
    pub async fn run(self) -> Result<Summary> {
        self.run_with(StopSignals::listen()?).await
    }

    /// Like [`run`](Self::run), by signals that were listened for before: those that came meanwhile count.
    /// For programs that open things before the worker begins, and would leave them half open.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_with(self, mut signals: StopSignals) -> Result<Summary> {
        self.start()?.finish(async move || signals.next().await).await
    }

    /// Runs until `stop` completes or a limit is reached; like [`run`](Self::run) without the signals.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<Summary> {
        let mut stop = Some(Box::pin(stop));
        let once = async move || match stop.take() {
            Some(stop) => stop.await,
            None => std::future::pending().await,
        };
        self.start()?.finish(once).await
    }

    fn start(self) -> Result<Running> {
        let (config, handlers) = self.settings.check(self.registry)?;
        #[cfg(feature = "health")]
        let ledger =
            self.health.as_ref().map(|health| health.of_worker(&config, self.vitals.shared()));
        #[cfg(not(feature = "health"))]
        let ledger = None;
        let runtime = Runtime::new(config, handlers, self.backend, self.vitals, ledger.as_ref());
        Running::start(Arc::new(runtime))
    }
}
