//! How the workers and schedulers of a process are, for those who look after it: probes, Prometheus, and
//! systemd.
//!
//! ```no_run
//! # use jobq_core::{Job, MemoryBackend};
//! # use jobq_worker::{Health, Worker};
//! # #[derive(serde::Serialize, serde::Deserialize, Job)]
//! # struct SendWelcome;
//! # async fn send_welcome(_: SendWelcome) {}
//! # async fn example() -> jobq_core::Result<()> {
//! # let queue = MemoryBackend::new();
//! let health = Health::new(&queue);
//! let _listener = health.listen("127.0.0.1:9090")?;    // until it is dropped
//! let _systemd = health.tell_systemd();                // does nothing where there is no systemd
//! Worker::new(queue).handle(send_welcome).health(&health).run().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A process has one [`Health`], for all its workers and for its scheduler:
//! `health.watch(&scheduler.vitals())`.
//!
//! # What is served
//!
//! | path | 200 | else |
//! | --- | --- | --- |
//! | `/livez` | the loop of each part turns, whatever the store does | 503: a part has not turned for ten seconds, because something blocks its runtime; restart the process |
//! | `/readyz` | each part is connected and takes on work, and the store answers | 503, with a line for each thing that is missing |
//! | `/metrics` | always: what was counted, and a look at the queues of the store | |
//!
//! The listener has a thread, a runtime and a connection to the store of its own, so it answers also
//! while the program's runtime is blocked. A store that does not answer within two seconds is down:
//! `/metrics` then has `jobq_store_up 0` and nothing of the queues. What a look has seen is good for a
//! second, however many ask.
//!
//! The queues are those that the workers of this process serve and, by name, the first hundred that the
//! store knows: so that one that nobody serves is seen, too. See [`Health::own_queues_only`]. One that cannot be counted,
//! because something else is where its keys should be, is left out, and `jobq_queues_uncounted` tells how many there are.
//!
//! Only GET and HEAD are answered, and nothing changes anything. There is no password: listen on an address
//! that only those can reach who may read it. Labels have names of queues and kinds, never payloads, ids or
//! lanes.

mod address;
mod callers;
mod gauges;
mod judgement;
mod page;
mod server;
mod store;
mod systemd;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jobq_core::vitals::Condition;
use jobq_core::{Backend, Inspect, Result, Vitals};
use tokio::sync::watch;

#[cfg(feature = "cli")]
pub(crate) use self::address::place;
pub use self::server::Listener;
use self::store::StoreWatch;
pub use self::systemd::Systemd;
use crate::config::Config;
use crate::meters::Ledger;

/// How long a part may go without a beat: ten times what it takes, so that a busy machine is not taken for
/// a blocked program.
const STALLED_AFTER: Duration = Duration::from_secs(10);

/// How the workers and schedulers of a process are. Clones are the same one. See the [module](self).
#[derive(Clone)]
pub struct Health {
    shared: Arc<Shared>,
}

struct Shared {
    store: StoreWatch,
    ledger: Ledger,
    parts: Mutex<Vec<Vitals>>,
    /// Changes when a part is added.
    news: watch::Sender<()>,
    stalled_after_ms: AtomicU64,
}

impl Health {
    /// The health of a process whose jobs are in this store, as yet without parts.
    #[must_use]
    pub fn new<S: Backend + Inspect>(store: &S) -> Self {
        Self::looking(store.detached(), store.inspect_detached())
    }

    pub(crate) fn looking(backend: Arc<dyn Backend>, inspect: Arc<dyn Inspect>) -> Self {
        let shared = Shared {
            store: StoreWatch::new(backend, inspect),
            ledger: Ledger::default(),
            parts: Mutex::default(),
            news: watch::Sender::new(()),
            stalled_after_ms: AtomicU64::new(0),
        };
        let health = Self { shared: Arc::new(shared) };
        health.stalled_after(STALLED_AFTER)
    }

    /// After how long without a turn of its loop a part counts as stalled: ten seconds by default. Parts
    /// beat once a second.
    #[must_use]
    pub fn stalled_after(self, time: Duration) -> Self {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.shared.stalled_after_ms.store(ms, Ordering::Relaxed);
        self
    }

    /// Shows only the queues that workers of this process serve: for stores with thousands of queues, each
    /// of which is counted for each look at them. Otherwise all are looked at, and the first hundred shown.
    #[must_use]
    pub fn own_queues_only(self) -> Self {
        self.shared.store.look_at_own_only();
        self
    }

    /// Adds a part of the process, such as a scheduler. Parts that have stopped are forgotten when another
    /// one of their sort is added, or begins to run. For a worker, [`Worker::health`](crate::Worker::health) is enough.
    pub fn watch(&self, part: &Vitals) {
        let mut parts = self.parts_now();
        let is_over =
            |old: &Vitals| old.part() == part.part() && old.condition() == Condition::Stopped;
        parts.retain(|old| old.is_same(part) || !is_over(old));
        // One that is known keeps its place: what is told of all would be news otherwise.
        if !parts.iter().any(|old| old.is_same(part)) {
            parts.push(part.clone());
        }
        drop(parts);
        self.shared.news.send_replace(());
    }

    /// Serves `/livez`, `/readyz` and `/metrics` at this address until what is returned is dropped: `HOST:PORT`,
    /// or a port alone for this machine alone. Port 0 stands for any free one.
    ///
    /// # Errors
    ///
    /// [`Misconfigured`](jobq_core::ErrorKind::Misconfigured) when it is no address;
    /// [`Refused`](jobq_core::ErrorKind::Refused) when it cannot be listened at: most likely because something else
    /// does, such as an older process that drains.
    pub fn listen(&self, address: &str) -> Result<Listener> {
        Listener::open(self.clone(), address)
    }

    /// Tells systemd how the process is, until what is returned is dropped: `READY=1` once all parts are
    /// ready, `STATUS=…` whenever that changes, `STOPPING=1` when one drains, and `WATCHDOG=1` twice in
    /// each `WatchdogSec=` as long as `/livez` would be good.
    ///
    /// Does nothing unless `NOTIFY_SOCKET` is set, as it is in a unit with `Type=notify`. What cannot be
    /// told is a warning and no error: nothing depends on it but systemd.
    #[must_use = "it tells nothing once it is dropped"]
    pub fn tell_systemd(&self) -> Systemd {
        Systemd::from_environment(self)
    }

    /// Adds what a worker serves, and gives what it is to count in.
    pub(crate) fn of_worker(&self, config: &Config, worker: &Vitals) -> Ledger {
        self.watch(worker);
        self.shared.store.add(config.queues.iter().map(|queue| queue.name.clone()));
        self.shared.ledger.clone()
    }

    fn parts(&self) -> Vec<Vitals> {
        self.parts_now().clone()
    }

    fn parts_now(&self) -> MutexGuard<'_, Vec<Vitals>> {
        // No code of others runs under the lock.
        self.shared.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stalled_after_now(&self) -> Duration {
        Duration::from_millis(self.shared.stalled_after_ms.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health").field("parts", &self.parts()).finish_non_exhaustive()
    }
}
