//! How an idle worker learns of new jobs: it waits for a token, never for a job.
//!
//! A blocking pop that times out on the client's side, or whose caller goes away, loses what it popped.
//! Losing a token costs nothing that the next look would not find; losing a job would be the end of it.
//! Still a token that nobody takes is passed on, for another worker may be waiting.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::select_all;
use jobq_core::{Error, ErrorKind, QueueName, Result};
use redis::Value;
use tokio::sync::oneshot;

use crate::config::RedisConfig;
use crate::error::explain;
use crate::keys::Keys;
use crate::link::Link;
use crate::node::silent;
use crate::pools::{Lent, Pools};
use crate::reply;
use crate::slots::detour;

/// How long one blocking pop lasts on the server. Long enough to cost an idle worker next to nothing,
/// short enough that a connection that has silently died is noticed.
const BLOCK: Duration = Duration::from_secs(10);

/// How long to wait before a queue is waited for again that is on its way to another node.
const BREATH: Duration = Duration::from_millis(100);

/// How many sets of queues can be waited for at once by one backend. A worker waits for one.
const MAX_CONNECTIONS: usize = 64;

/// How many queues of one node of a cluster can be waited for at once by one backend. A worker waits for
/// each of its queues.
const MAX_ON_A_NODE: usize = 1_024;

/// All waits of a backend, by what they wait for.
pub(crate) struct Wakes {
    keys: Arc<Keys>,
    pools: Pools,
    link: Arc<Link>,
    grace: Duration,
    watches: Mutex<HashMap<Vec<QueueName>, Arc<Watch>>>,
}

/// The wait for a token of some queues, shared by all who wait for the same ones.
struct Watch {
    queues: Vec<QueueName>,
    state: Mutex<WatchState>,
}

#[derive(Default)]
struct WatchState {
    waiting: VecDeque<oneshot::Sender<Result<QueueName>>>,
    /// Whether a task watches, or is about to.
    is_watched: bool,
}

impl Wakes {
    pub(crate) fn new(config: &RedisConfig, keys: Arc<Keys>, link: &Arc<Link>) -> Self {
        let size = if link.is_cluster() { MAX_ON_A_NODE } else { MAX_CONNECTIONS };
        Self {
            keys,
            pools: Pools::new(Arc::clone(link), config, size),
            link: Arc::clone(link),
            grace: config.response_timeout,
            watches: Mutex::default(),
        }
    }

    /// Waits for a token of one of the queues. Dropping the future loses no token.
    pub(crate) async fn wait(self: &Arc<Self>, queues: &[QueueName]) -> Result<QueueName> {
        if queues.is_empty() {
            std::future::pending().await
        } else if self.link.is_cluster() {
            // One blocking pop sees the keys of one slot.
            select_all(queues.chunks(1).map(|queue| Box::pin(self.wait_for(queue)))).await.0
        } else {
            self.wait_for(queues).await
        }
    }

    /// Waits for queues that are in one place.
    async fn wait_for(self: &Arc<Self>, queues: &[QueueName]) -> Result<QueueName> {
        let watch = {
            let mut watches = lock(&self.watches);
            Arc::clone(watches.entry(queues.to_vec()).or_insert_with(|| {
                Arc::new(Watch { queues: queues.to_vec(), state: Mutex::default() })
            }))
        };
        let (sender, answer) = oneshot::channel();
        let was_watched = {
            let mut state = lock(&watch.state);
            state.waiting.retain(|waiting| !waiting.is_closed());
            state.waiting.push_back(sender);
            std::mem::replace(&mut state.is_watched, true)
        };
        if !was_watched {
            // Not under the lock: a runtime that is ending drops the task right here.
            let watching = Watching { watch: Arc::clone(&watch), deserted: false };
            drop(tokio::spawn(watch_on(Arc::downgrade(self), watching)));
        }
        let mut ticket = Ticket { wakes: self, watch: &watch, answer };
        (&mut ticket.answer).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Unavailable, "the runtime ended while waiting for jobs"))
        })
    }

    /// Pops a token; `None` if there was none in time. The connection is kept from one pop to the next:
    /// taking it from the pool costs a check each time.
    async fn pop(
        &self,
        queues: &[QueueName],
        kept: &mut Option<Lent>,
    ) -> Result<Option<QueueName>> {
        let Some(first) = queues.first() else { return Ok(None) };
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => self.pools.connection(self.keys.of(first).wake()).await?,
        };
        let mut command = redis::cmd("BLPOP");
        for queue in queues {
            command.arg(self.keys.of(queue).wake());
        }
        command.arg(BLOCK.as_secs());
        let answer = tokio::time::timeout(BLOCK + self.grace, connection.send(&command)).await;
        // A connection that is not kept ends here.
        match answer {
            Ok(Ok(answer)) => {
                *kept = Some(connection);
                self.queue_of(queues, answer)
            }
            Ok(Err(error)) => {
                self.link.doubt();
                if self.link.is_cluster() && detour(&error, "").is_some() {
                    tokio::time::sleep(BREATH).await;
                    return Ok(None);
                }
                Err(explain(error, connection.address()))
            }
            Err(_) => {
                self.link.doubt();
                Err(silent(connection.address()))
            }
        }
    }

    fn queue_of(&self, queues: &[QueueName], answer: Value) -> Result<Option<QueueName>> {
        let Some(key) = reply::list(answer)?.into_iter().next() else { return Ok(None) };
        let key = reply::text(key)?;
        Ok(queues.iter().find(|queue| self.keys.of(queue).wake() == key).cloned())
    }

    /// Gives a token that nobody here wants to whoever waits elsewhere.
    async fn put_back(&self, queue: &QueueName) -> Result<()> {
        let token = redis::cmd("RPUSH").arg(self.keys.of(queue).wake()).arg("1").take();
        self.link.send(&token).await?;
        Ok(())
    }
}

/// Pops tokens for as long as anybody waits.
async fn watch_on(wakes: Weak<Wakes>, mut watching: Watching) {
    let watch = Arc::clone(&watching.watch);
    let mut connection = None;
    loop {
        // The backend may be dropped between two pops.
        let Some(wakes) = wakes.upgrade() else { return };
        let popped = wakes.pop(&watch.queues, &mut connection).await;
        match popped {
            Ok(None) => {}
            Ok(Some(queue)) => {
                if let Some(queue) = watch.hand_over(queue) {
                    // A failure here costs a look that comes within seconds anyway.
                    let _ = wakes.put_back(&queue).await;
                }
            }
            Err(error) => lock(&watch.state).fail(&error),
        }
        if watch.is_deserted() {
            watching.deserted = true;
            if let Some(connection) = connection {
                connection.give_back();
            }
            return;
        }
    }
}

/// The task of a watch. If its runtime ends, those who wait in another learn it, and wait anew there.
struct Watching {
    watch: Arc<Watch>,
    /// Nobody waits, and whoever does next starts a task of their own.
    deserted: bool,
}

impl Drop for Watching {
    fn drop(&mut self) {
        if !self.deserted {
            let over = "the runtime that waited for jobs has ended";
            let mut state = lock(&self.watch.state);
            state.is_watched = false;
            state.fail(&Error::new(ErrorKind::Unavailable, over));
        }
    }
}

impl Watch {
    /// Gives a token to the one who has waited longest; gives it back if nobody waits.
    fn hand_over(&self, queue: QueueName) -> Option<QueueName> {
        let mut state = lock(&self.state);
        let mut token = Ok(queue);
        while let Some(waiting) = state.waiting.pop_front() {
            match waiting.send(token) {
                Ok(()) => return None,
                Err(refused) => token = refused,
            }
        }
        token.ok()
    }

    /// Whether nobody waits any more; if so, the next one who does starts a new task.
    fn is_deserted(&self) -> bool {
        let mut state = lock(&self.state);
        state.waiting.retain(|waiting| !waiting.is_closed());
        state.is_watched = !state.waiting.is_empty();
        !state.is_watched
    }
}

impl WatchState {
    fn fail(&mut self, error: &Error) {
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(Err(Error::new(error.kind(), error.to_string())));
        }
    }
}

/// One caller's place among the waiting. Dropped with a token unread, it passes the token on.
struct Ticket<'a> {
    wakes: &'a Arc<Wakes>,
    watch: &'a Arc<Watch>,
    answer: oneshot::Receiver<Result<QueueName>>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.answer.close();
        let Ok(Ok(queue)) = self.answer.try_recv() else { return };
        let Some(queue) = self.watch.hand_over(queue) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let wakes = Arc::clone(self.wakes);
            runtime.spawn(async move {
                let _ = wakes.put_back(&queue).await;
            });
        }
    }
}

impl fmt::Debug for Wakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wakes").field("link", &self.link).finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // All states are whole between any two statements, so a panic elsewhere does not spoil them.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
