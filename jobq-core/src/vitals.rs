//! How a part of a process is: said by the part, asked by whoever answers for the process's health.
//!
//! It does not judge, and it serves nothing: that is what the feature `health` of `jobq-worker` does.

use std::convert::Infallible;
use std::mem::discriminant;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time;

/// How often a part beats.
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// How a part of a process is, such as a worker or a scheduler. Clones are the same one.
///
/// The part says in what [condition](Condition) it is, beats while its loop turns, and counts; anybody
/// may ask, on any thread, also while the part's own runtime is blocked.
#[derive(Clone, Debug)]
pub struct Vitals {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    part: &'static str,
    said: watch::Sender<Said>,
    made_at: Instant,
    /// Milliseconds from `made_at` to the last beat, plus one; 0 before the first.
    beaten: AtomicU64,
    counts: Mutex<Vec<(Measure, Arc<AtomicU64>)>>,
}

/// A condition, and since when.
#[derive(Debug)]
struct Said {
    condition: Condition,
    since: time::Instant,
}

/// Whether a part of a process can do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Condition {
    /// It has not reached its store yet.
    Starting,
    /// It does its work.
    Ready,
    /// It cannot reach its store, and keeps trying: what went wrong, in one line.
    Disconnected(String),
    /// It begins nothing new, and ends what it has begun.
    Draining,
    /// It has ended.
    Stopped,
}

impl Condition {
    /// Whether it is [`Ready`](Self::Ready).
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self, Self::Ready)
    }
}

/// What a part counts: a name, what it means, and fixed labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measure {
    /// By the conventions of Prometheus, with its ending `_total`.
    pub name: &'static str,
    /// What it counts, in one line.
    pub help: &'static str,
    /// Names and values. They are fixed, so their number is bounded.
    pub labels: &'static [(&'static str, &'static str)],
}

impl Measure {
    /// A measure without labels.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, labels: &[] }
    }

    /// The same with labels.
    #[must_use]
    pub const fn labels(mut self, labels: &'static [(&'static str, &'static str)]) -> Self {
        self.labels = labels;
        self
    }
}

/// A number that only grows.
#[derive(Clone, Debug, Default)]
pub struct Count(Arc<AtomicU64>);

impl Count {
    /// Counts some more.
    pub fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}

impl Vitals {
    /// Those of a part that is [starting](Condition::Starting). `part` is what people call it: `worker`.
    #[must_use]
    pub fn new(part: &'static str) -> Self {
        let inner = Inner {
            part,
            said: watch::Sender::new(Said {
                condition: Condition::Starting,
                since: time::Instant::now(),
            }),
            made_at: Instant::now(),
            beaten: AtomicU64::new(0),
            counts: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// What people call the part.
    #[must_use]
    pub fn part(&self) -> &'static str {
        self.inner.part
    }

    /// Says in what condition it is from now on.
    pub fn set(&self, condition: Condition) {
        self.inner.said.send_if_modified(|said| {
            let is_news = said.condition != condition;
            // Another reason to be disconnected is no other outage.
            if discriminant(&said.condition) != discriminant(&condition) {
                said.since = time::Instant::now();
            }
            said.condition = condition;
            is_news
        });
    }

    /// Says that its loop turns.
    pub fn beat(&self) {
        let beaten = self.inner.made_at.elapsed().as_millis();
        let beaten = u64::try_from(beaten).unwrap_or(u64::MAX - 1);
        self.inner.beaten.store(beaten + 1, Ordering::Relaxed);
    }

    /// Beats every second, as long as it is polled: beside the part's loop, in the same task, it stops
    /// when that task does.
    pub async fn beat_on(&self) -> Infallible {
        loop {
            self.beat();
            tokio::time::sleep(BEAT_EVERY).await;
        }
    }

    /// A counter that is shown from now on, at 0.
    #[must_use]
    pub fn count(&self, measure: Measure) -> Count {
        let count = Count::default();
        self.counts_now().push((measure, Arc::clone(&count.0)));
        count
    }

    /// In what condition it is.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.inner.said.borrow().condition.clone()
    }

    /// For how long it has been in that condition. While it is disconnected it may find other reasons for it.
    #[must_use]
    pub fn condition_for(&self) -> Duration {
        self.inner.said.borrow().since.elapsed()
    }

    /// Tells of each condition that comes after this call.
    #[must_use]
    pub fn watch(&self) -> ConditionWatch {
        ConditionWatch { receiver: self.inner.said.subscribe(), vitals: self.clone() }
    }

    /// How long ago it has beaten last; `None` if it never has.
    #[must_use]
    pub fn since_beat(&self) -> Option<Duration> {
        let beaten = self.inner.beaten.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.inner.made_at.elapsed().saturating_sub(Duration::from_millis(beaten)))
    }

    /// What it has counted.
    #[must_use]
    pub fn counts(&self) -> Vec<(Measure, u64)> {
        let counts = self.counts_now();
        counts.iter().map(|(measure, count)| (*measure, count.load(Ordering::Relaxed))).collect()
    }

    /// Whether both are those of one part.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    fn counts_now(&self) -> std::sync::MutexGuard<'_, Vec<(Measure, Arc<AtomicU64>)>> {
        // No code of others runs under the lock.
        self.inner.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells when a condition changes. Clones watch the same part.
#[derive(Clone, Debug)]
pub struct ConditionWatch {
    receiver: watch::Receiver<Said>,
    /// So that the sender lives, too.
    vitals: Vitals,
}

impl ConditionWatch {
    /// In what condition the part is right now.
    #[must_use]
    pub fn condition(&self) -> Condition {
        self.vitals.condition()
    }

    /// Waits until the condition has changed since the last call, or since the watch was made. Cancel safe.
    pub async fn changed(&mut self) {
        // The sender lives as long as this does.
        let _ = self.receiver.changed().await;
    }

    /// Waits for a condition that `wanted` accepts, at once if the present one is, and gives it; `None` if the
    /// part stops without. Cancel safe.
    pub async fn wait_for(
        &mut self,
        mut wanted: impl FnMut(&Condition) -> bool,
    ) -> Option<Condition> {
        let mut found = None;
        let is_over = |said: &Said| {
            found = wanted(&said.condition).then(|| said.condition.clone());
            found.is_some() || said.condition == Condition::Stopped
        };
        // The sender lives as long as this does.
        let _ = self.receiver.wait_for(is_over).await;
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_starting_and_has_no_beat_until_it_says_so() {
        let vitals = Vitals::new("worker");
        assert_eq!((vitals.part(), vitals.condition()), ("worker", Condition::Starting));
        assert_eq!(vitals.since_beat(), None);

        vitals.beat();
        vitals.set(Condition::Ready);

        let seen = vitals.clone();
        assert_eq!(seen.condition(), Condition::Ready);
        assert!(seen.since_beat().unwrap() < Duration::from_secs(60));
    }

    #[test]
    fn what_is_counted_is_shown_from_zero_on() {
        const TICKS: Measure = Measure::new("ticks_total", "Ticks.").labels(&[("outcome", "late")]);
        let vitals = Vitals::new("scheduler");
        let ticks = vitals.count(TICKS);
        assert_eq!(vitals.counts(), [(TICKS, 0)]);

        ticks.add(2);
        ticks.add(1);

        assert_eq!(vitals.counts(), [(TICKS, 3)]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_new_condition_is_news() {
        let vitals = Vitals::new("worker");
        let mut watch = vitals.watch();

        vitals.set(Condition::Starting);
        let waited = tokio::time::timeout(Duration::from_secs(1), watch.changed()).await;
        assert!(waited.is_err(), "nothing has changed");

        vitals.set(Condition::Disconnected("gone".to_owned()));
        watch.changed().await;
        assert_eq!(vitals.condition(), Condition::Disconnected("gone".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_as_old_as_its_first_reason() {
        let vitals = Vitals::new("worker");
        vitals.set(Condition::Disconnected("gone".to_owned()));
        time::sleep(Duration::from_secs(7)).await;

        vitals.set(Condition::Disconnected("still gone".to_owned()));
        assert_eq!(vitals.condition_for(), Duration::from_secs(7));

        vitals.set(Condition::Ready);
        assert_eq!(vitals.condition_for(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_condition_is_waited_for_until_the_part_has_stopped() {
        let vitals = Vitals::new("worker");
        let mut watch = vitals.watch();
        let ready = tokio::spawn({
            let mut watch = watch.clone();
            async move { watch.wait_for(Condition::is_ready).await }
        });
        vitals.set(Condition::Ready);
        assert_eq!(ready.await.unwrap(), Some(Condition::Ready));
        assert_eq!(watch.wait_for(Condition::is_ready).await, Some(Condition::Ready));

        vitals.set(Condition::Stopped);
        assert_eq!(watch.wait_for(Condition::is_ready).await, None);
        let stopped = |now: &Condition| *now == Condition::Stopped;
        assert_eq!(watch.wait_for(stopped).await, Some(Condition::Stopped));
    }
}
