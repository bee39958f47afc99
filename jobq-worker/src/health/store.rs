//! A look at the store: bounded in cost and time, and good for a second however many ask.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use jobq_core::inspect::{LaneView, QueueStats};
use jobq_core::{
    Backend, Inspect, LimitScope, LimitSetting, LimitSource, QueueName, Result, Timestamp,
};
use tokio::time::timeout;

use crate::events::Chain;

/// For how long a look is good.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// How long a look may take: well below the ten seconds that Prometheus waits for a scrape.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many lanes with limits of their own are looked at in each queue.
const MOST_LANES: usize = 50;

/// Looks at the queues that workers serve.
pub(super) struct StoreWatch {
    backend: Arc<dyn Backend>,
    inspect: Arc<dyn Inspect>,
    queues: Mutex<BTreeSet<QueueName>>,
    /// The last look. Held while one is made, so that others wait for it and make none.
    last: tokio::sync::Mutex<Option<(Instant, Arc<Seen>)>>,
}

/// What a look has seen.
#[derive(Debug)]
pub(super) enum Seen {
    Up(Vec<QueueSeen>),
    /// It has not answered: why, for people.
    Down(String),
}

/// What a look has seen of one queue.
#[derive(Debug)]
pub(super) struct QueueSeen {
    pub(super) stats: QueueStats,
    /// When it was seen, by the clock that stamps jobs.
    pub(super) seen_at: Timestamp,
    /// How many jobs of the queue, and of each of its lanes, may run at once.
    pub(super) limit: Option<u32>,
    pub(super) lane_limit: Option<u32>,
    /// The lanes with a limit of their own, so many of them.
    pub(super) lanes: Vec<LaneView>,
}

impl StoreWatch {
    pub(super) fn new(backend: Arc<dyn Backend>, inspect: Arc<dyn Inspect>) -> Self {
        Self { backend, inspect, queues: Mutex::default(), last: tokio::sync::Mutex::default() }
    }

    /// Looks at these queues, too.
    pub(super) fn add(&self, queues: impl IntoIterator<Item = QueueName>) {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner).extend(queues);
    }

    /// What is seen now, or was within the last second.
    pub(super) async fn look(&self) -> Arc<Seen> {
        let mut last = self.last.lock().await;
        if let Some((at, seen)) = &*last
            && at.elapsed() < GOOD_FOR
        {
            return Arc::clone(seen);
        }
        let seen = Arc::new(match timeout(PATIENCE, self.look_anew()).await {
            Ok(Ok(queues)) => Seen::Up(queues),
            Ok(Err(error)) => Seen::Down(Chain(&error).to_string()),
            Err(_) => Seen::Down(format!("no answer within {PATIENCE:?}")),
        });
        *last = Some((Instant::now(), Arc::clone(&seen)));
        seen
    }

    async fn look_anew(&self) -> Result<Vec<QueueSeen>> {
        let queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if queues.is_empty() {
            self.backend.ping().await?;
        }
        try_join_all(queues.iter().map(|queue| self.look_at(queue))).await
    }

    async fn look_at(&self, queue: &QueueName) -> Result<QueueSeen> {
        let stats = self.inspect.queue(queue).await?;
        let settings = self.inspect.limits(queue, MOST_LANES).await?;
        let mut keys = BTreeSet::new();
        for setting in &settings {
            if let (LimitScope::Lane(_, key), Some(_)) =
                (&setting.scope, setting.limits.concurrency)
            {
                keys.insert(key.clone());
            }
        }
        let keys: Vec<_> = keys.into_iter().take(MOST_LANES).collect();
        let lanes = try_join_all(keys.iter().map(|key| self.inspect.lane(queue, key))).await?;
        let limit_of = |scope| concurrency(&settings, &scope);
        Ok(QueueSeen {
            stats,
            seen_at: self.backend.clock().now(),
            limit: limit_of(LimitScope::Queue(queue.clone())),
            lane_limit: limit_of(LimitScope::Lanes(queue.clone())),
            lanes,
        })
    }
}

/// The concurrency that holds for a scope: what an operator has set wins.
fn concurrency(settings: &[LimitSetting], scope: &LimitScope) -> Option<u32> {
    let by = |source| {
        let mut found = settings.iter().filter(|set| set.scope == *scope && set.source == source);
        found.find_map(|set| set.limits.concurrency)
    };
    by(LimitSource::Operator).or_else(|| by(LimitSource::Code))
}
