//! A look at the store: bounded in cost and time, and good for a second however many ask.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join, try_join_all};
use jobq_core::backend::WorkerStatus;
use jobq_core::inspect::{LaneView, QueueStats};
use jobq_core::{
    Backend, ErrorKind, Inspect, LimitScope, LimitSetting, LimitSource, QueueName, Result,
    Timestamp,
};
use tokio::time::timeout;

use crate::events::Chain;

/// For how long a look is good.
const GOOD_FOR: Duration = Duration::from_secs(1);
/// How long a look may take: well below the ten seconds that Prometheus waits for a scrape.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many lanes with limits of their own are looked at in each queue.
const MOST_LANES: usize = 50;

/// How many queues that workers of other processes serve, or none, are shown.
const MOST_QUEUES: usize = 100;

/// Looks at the queues that workers serve, and at those that nobody does.
pub(super) struct StoreWatch {
    backend: Arc<dyn Backend>,
    inspect: Arc<dyn Inspect>,
    /// Those that workers of this process serve.
    own: Mutex<BTreeSet<QueueName>>,
    own_only: AtomicBool,
    answers: Last<()>,
    queues: Last<QueuesSeen>,
}

/// What was seen last, and when. Held while somebody looks, so that others wait for it and do not.
type Last<T> = tokio::sync::Mutex<Option<(Instant, Arc<Seen<T>>)>>;

/// What a look has seen.
#[derive(Debug)]
pub(super) enum Seen<T> {
    Up(T),
    /// It has not answered: why, for people.
    Down(String),
}

/// What a look has seen of the queues.
#[derive(Debug)]
pub(super) struct QueuesSeen {
    pub(super) counted: Vec<QueueSeen>,
    /// How many others there are, of which something that is stored cannot be understood.
    pub(super) uncounted: usize,
}

/// What a look has seen of one queue.
#[derive(Debug)]
pub(super) struct QueueSeen {
    pub(super) stats: QueueStats,
    /// How many workers live that lease from it.
    pub(super) workers: usize,
    /// When it was seen, by the clock that stamps jobs.
    pub(super) seen_at: Timestamp,
    /// How many jobs of the queue, and of each of its lanes, may run at once: asked for own queues alone.
    pub(super) limit: Option<u32>,
    pub(super) lane_limit: Option<u32>,
    /// The lanes with a limit of their own, so many of them.
    pub(super) lanes: Vec<LaneView>,
}

impl StoreWatch {
    pub(super) fn new(backend: Arc<dyn Backend>, inspect: Arc<dyn Inspect>) -> Self {
        Self {
            backend,
            inspect,
            own: Mutex::default(),
            own_only: AtomicBool::new(false),
            answers: Last::default(),
            queues: Last::default(),
        }
    }

    /// Workers of this process serve these queues, too.
    pub(super) fn add(&self, queues: impl IntoIterator<Item = QueueName>) {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).extend(queues);
    }

    pub(super) fn look_at_own_only(&self) {
        self.own_only.store(true, Ordering::Relaxed);
    }

    /// Whether the store answers now, or did within the last second.
    pub(super) async fn answers(&self) -> Arc<Seen<()>> {
        seen(&self.answers, self.backend.ping()).await
    }

    /// The queues as they are now, or were within the last second.
    pub(super) async fn look(&self) -> Arc<Seen<QueuesSeen>> {
        seen(&self.queues, self.look_anew()).await
    }

    async fn look_anew(&self) -> Result<QueuesSeen> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (counts, workers) = try_join(self.counts(&own), self.inspect.workers()).await?;
        let (mut all, mut uncounted) = counts;
        let mut room = MOST_QUEUES;
        all.retain(|stats| {
            let is_own = own.contains(&stats.queue);
            let is_shown = is_own || room > 0;
            room -= usize::from(is_shown && !is_own);
            is_shown
        });
        let looks = all.into_iter().map(|stats| {
            let serves = |worker: &&WorkerStatus| {
                !worker.draining && worker.queues.iter().any(|queue| queue == stats.queue.as_str())
            };
            let workers = workers.iter().filter(serves).count();
            let seen_at = self.backend.clock().now();
            let is_own = own.contains(&stats.queue);
            let lanes = Vec::new();
            let seen = QueueSeen { stats, workers, seen_at, limit: None, lane_limit: None, lanes };
            async move { if is_own { self.limits_of(seen).await } else { Ok(seen) } }
        });
        let (counted, without) = understood(join_all(looks).await)?;
        uncounted += without;
        Ok(QueuesSeen { counted, uncounted })
    }

    /// The counts of these queues and, unless only they are to be looked at, of all others, by name; and how many have none.
    async fn counts(&self, own: &BTreeSet<QueueName>) -> Result<(Vec<QueueStats>, usize)> {
        let (mut all, mut others) = (Vec::new(), own.clone());
        if self.own_only.load(Ordering::Relaxed) {
            self.backend.ping().await?;
        } else {
            let names;
            (all, names) = try_join(self.inspect.queues(), self.inspect.queue_names()).await?;
            others.extend(names);
            for stats in &all {
                others.remove(&stats.queue);
            }
        }
        // Those that never had a job, and those that were left out because they cannot be counted.
        let looks = join_all(others.iter().map(|queue| self.inspect.queue(queue))).await;
        let (counted, uncounted) = understood(looks)?;
        all.extend(counted);
        all.sort_by(|one, other| one.queue.cmp(&other.queue));
        Ok((all, uncounted))
    }

    async fn limits_of(&self, mut seen: QueueSeen) -> Result<QueueSeen> {
        let queue = seen.stats.queue.clone();
        let settings = self.inspect.limits(&queue, MOST_LANES).await?;
        let mut keys = BTreeSet::new();
        for setting in &settings {
            if let (LimitScope::Lane(_, key), Some(_)) =
                (&setting.scope, setting.limits.concurrency)
            {
                keys.insert(key.clone());
            }
        }
        let keys: Vec<_> = keys.into_iter().take(MOST_LANES).collect();
        seen.lanes = try_join_all(keys.iter().map(|key| self.inspect.lane(&queue, key))).await?;
        seen.limit = concurrency(&settings, &LimitScope::Queue(queue.clone()));
        seen.lane_limit = concurrency(&settings, &LimitScope::Lanes(queue));
        Ok(seen)
    }
}

/// The answers about queues, and how many queues there are of which what is stored cannot be understood.
fn understood<T>(answers: Vec<Result<T>>) -> Result<(Vec<T>, usize)> {
    let (mut known, all) = (Vec::with_capacity(answers.len()), answers.len());
    for answer in answers {
        match answer {
            Ok(answer) => known.push(answer),
            Err(error) if error.kind() == ErrorKind::Corrupt => {}
            Err(error) => return Err(error),
        }
    }
    let unknown = all - known.len();
    Ok((known, unknown))
}

/// What was seen last if that is good still, or what this look sees.
async fn seen<T>(last: &Last<T>, look: impl Future<Output = Result<T>>) -> Arc<Seen<T>> {
    let mut last = last.lock().await;
    if let Some((at, seen)) = &*last
        && at.elapsed() < GOOD_FOR
    {
        return Arc::clone(seen);
    }
    let seen = Arc::new(match timeout(PATIENCE, look).await {
        Ok(Ok(seen)) => Seen::Up(seen),
        Ok(Err(error)) => Seen::Down(Chain(&error).to_string()),
        Err(_) => Seen::Down(format!("no answer within {PATIENCE:?}")),
    });
    *last = Some((Instant::now(), Arc::clone(&seen)));
    seen
}

/// The concurrency that holds for a scope: what an operator has set wins.
fn concurrency(settings: &[LimitSetting], scope: &LimitScope) -> Option<u32> {
    let by = |source| {
        let mut found = settings.iter().filter(|set| set.scope == *scope && set.source == source);
        found.find_map(|set| set.limits.concurrency)
    };
    by(LimitSource::Operator).or_else(|| by(LimitSource::Code))
}
