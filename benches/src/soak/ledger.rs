//! What was acknowledged, and the audit of how it ended.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jobq_core::inspect::JobView;
use jobq_core::{Backend, BatchRef, BatchView, Inspect, JobId, JobState, QueueName};
use jobq_redis::RedisBackend;
use tokio::task::JoinSet;

use super::job::{ABORTS, Fate};
use super::observer::Observer;
use crate::AnyResult;

/// A job is asked after only when it had the time to run, and then so often.
const PAUSE: Duration = Duration::from_secs(3);
/// How many jobs are asked after in one round, and how many of these at once.
const ROUND: usize = 3_000;
const AT_ONCE: usize = 50;

/// A job that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) id: JobId,
    pub(crate) queue: &'static str,
    pub(crate) fate: Fate,
    /// Somebody has asked for its end.
    pub(crate) is_cancelled: bool,
    /// It was dead, and a person has put it back.
    pub(crate) is_requeued: bool,
    /// It is counted by a batch.
    is_member: bool,
    /// It is the callback of this batch, and comes into being when that ends.
    calls_back: Option<BatchRef>,
    /// It was missing the last time.
    is_missed: bool,
    /// It has ended like this and was told to be deleted; the answer to that got lost.
    ended: Option<(JobState, u64)>,
    look_at: Instant,
}

impl Entry {
    pub(crate) fn new(id: JobId, queue: &'static str, fate: Fate) -> Self {
        let look_at = Instant::now() + PAUSE;
        Self {
            id,
            queue,
            fate,
            is_cancelled: false,
            is_requeued: false,
            is_member: false,
            calls_back: None,
            is_missed: false,
            ended: None,
            look_at,
        }
    }

    pub(crate) const fn member(mut self) -> Self {
        self.is_member = true;
        self
    }

    pub(crate) fn calling_back(mut self, batch: BatchRef) -> Self {
        self.calls_back = Some(batch);
        self
    }
}

/// How many jobs there were, and how they ended.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Counts {
    pub(crate) acknowledged: u64,
    pub(crate) completed: u64,
    pub(crate) dead: u64,
    pub(crate) cancelled: u64,
    pub(crate) requeued: u64,
    /// Runs that a crash or a lost lease made necessary.
    pub(crate) runs_again: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    open: Mutex<VecDeque<Entry>>,
    counts: Mutex<Counts>,
}

impl Ledger {
    pub(crate) fn add(&self, entry: Entry) {
        self.counts().acknowledged += 1;
        self.open().push_back(entry);
    }

    fn open(&self) -> std::sync::MutexGuard<'_, VecDeque<Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn total(&self) -> Counts {
        *self.counts()
    }

    pub(crate) fn open_count(&self) -> usize {
        self.open().len()
    }

    /// The next one whose end may be asked for: one that others depend upon may not.
    pub(crate) fn cancel_one(&self, nth: usize) -> Option<(JobId, &'static str)> {
        let mut open = self.open();
        let may = |entry: &&mut Entry| matches!(entry.fate, Fate::Work(_)) && !entry.is_cancelled;
        let entry = open.iter_mut().rev().filter(may).nth(nth)?;
        entry.is_cancelled = true;
        Some((entry.id, entry.queue))
    }

    /// Some of those left, for people.
    pub(crate) fn left(&self) -> Vec<Entry> {
        self.open().iter().take(20).cloned().collect()
    }

    /// Looks at jobs whose time has come. Those that have ended are checked and deleted.
    pub(crate) async fn audit(&self, store: &RedisBackend, observer: &Observer) -> AnyResult {
        let now = Instant::now();
        let due: Vec<Entry> = {
            let mut open = self.open();
            let round = open.len().min(ROUND);
            let (due, later) = open.drain(..round).partition(|entry| entry.look_at <= now);
            open.extend::<Vec<_>>(later);
            due
        };
        let mut asked = JoinSet::new();
        let mut due = due.into_iter();
        loop {
            while asked.len() < AT_ONCE {
                let Some(entry) = due.next() else { break };
                let (store, observer) = (store.clone(), observer.clone());
                asked.spawn(async move { examine(entry, &store, &observer).await });
            }
            let Some(answer) = asked.join_next().await else { return Ok(()) };
            self.enter(answer?);
        }
    }

    fn enter(&self, seen: Seen) {
        let mut counts = self.counts();
        match seen {
            Seen::Later(mut entry) => {
                entry.look_at = Instant::now() + PAUSE;
                self.open().push_back(entry);
            }
            Seen::Ended(state, runs_again) => {
                counts.runs_again += runs_again;
                match state {
                    JobState::Completed => counts.completed += 1,
                    JobState::Cancelled => counts.cancelled += 1,
                    _ => counts.dead += 1,
                }
            }
            Seen::Requeued(mut entry) => {
                counts.requeued += 1;
                entry.look_at = Instant::now() + PAUSE;
                self.open().push_back(entry);
            }
            Seen::Lost => {}
        }
    }
}

enum Seen {
    Later(Entry),
    Ended(JobState, u64),
    Requeued(Entry),
    Lost,
}

async fn examine(mut entry: Entry, store: &RedisBackend, observer: &Observer) -> Seen {
    let Ok(queue) = QueueName::new(entry.queue) else { return Seen::Lost };
    // The server may be away: it is asked again later.
    let Ok(view) = store.job(&queue, entry.id).await else { return Seen::Later(entry) };
    let Some(view) = view else {
        if let Some((state, runs_again)) = entry.ended {
            return Seen::Ended(state, runs_again);
        }
        match is_to_come(&entry, store).await {
            Ok(false) if entry.is_missed || entry.calls_back.is_none() => {}
            // Once more if its batch has just ended.
            Ok(to_come) => {
                entry.is_missed = !to_come;
                return Seen::Later(entry);
            }
            Err(_) => return Seen::Later(entry),
        }
        observer.violation(format!("job {} in {queue} is lost: {entry:?}", entry.id)).await;
        return Seen::Lost;
    };
    if view.state.is_live() {
        return Seen::Later(entry);
    }
    let notes = observer.notes(entry.id).await;
    let mut found = faults(&entry, &view, notes.starts, notes.ends);
    if let Some(batch) = &entry.calls_back {
        let Ok(batch) = store.batch_view(batch).await else { return Seen::Later(entry) };
        // It is kept for a while after its end.
        found.extend(batch.and_then(|batch| faults_of_batch(&batch)));
    }
    for fault in found {
        let id = entry.id;
        observer
            .violation(format!("job {id} in {queue}: {fault}: {entry:?}, {:?}", view.state))
            .await;
    }
    // Some of the dead get another chance, and use it as they did the first.
    let wants_requeue = entry.fate == Fate::FailAlways
        && !entry.is_requeued
        && !entry.is_member
        && view.state == JobState::Dead
        && entry.id.as_bytes()[15].is_multiple_of(4);
    if wants_requeue && store.requeue(&queue, &[entry.id]).await.is_ok() {
        entry.is_requeued = true;
        return Seen::Requeued(entry);
    }
    let planned = u64::from(view.failed_attempts) + 1;
    let runs_again = notes.starts.saturating_sub(planned);
    if store.delete(&queue, view.state, &[entry.id]).await.is_err() {
        entry.ended = Some((view.state, runs_again));
        return Seen::Later(entry);
    }
    Seen::Ended(view.state, runs_again)
}

/// Whether a callback is not there because its batch goes on.
async fn is_to_come(entry: &Entry, store: &RedisBackend) -> jobq_core::Result<bool> {
    let Some(batch) = &entry.calls_back else { return Ok(false) };
    let view = store.batch_view(batch).await?;
    Ok(view.is_some_and(|view| view.ended_at.is_none()))
}

fn faults_of_batch(batch: &BatchView) -> Option<String> {
    let sum = batch.done + batch.failed + batch.cancelled;
    let is_even = sum == batch.total && batch.ended_at.is_some();
    (!is_even).then(|| format!("its batch has called back, and counts {batch:?}"))
}

/// What is not as its fate says.
fn faults(entry: &Entry, view: &JobView, starts: u64, ends: u64) -> Vec<String> {
    let mut faults = Vec::new();
    let is_cancelled = entry.is_cancelled && view.state == JobState::Cancelled;
    if view.state != entry.fate.end() && !is_cancelled {
        faults.push(format!("it should be {:?}", entry.fate.end()));
    }
    if is_cancelled || entry.is_requeued {
        return faults;
    }
    if let Some(failures) = entry.fate.failures().filter(|count| *count != view.failed_attempts) {
        faults
            .push(format!("{failures} attempts should have failed, not {}", view.failed_attempts));
    }
    if entry.fate == Fate::Abort && view.crashes != ABORTS {
        faults.push(format!("{ABORTS} crashes should be counted, not {}", view.crashes));
    }
    let is_discarded = entry.fate == Fate::Discard;
    if view.state == JobState::Completed && !is_discarded && ends == 0 {
        faults.push("it is said to be completed, and no handler came to its end".to_owned());
    }
    if entry.fate != Fate::Abort && starts < u64::from(view.failed_attempts) {
        faults.push(format!("{} attempts failed, and {starts} were begun", view.failed_attempts));
    }
    faults
}
