//! When to wake an idle worker, and how it waits.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use futures_util::future::{pending, select_all};
use tokio::sync::Notify;

use super::Store;
use super::commons::Commons;
use super::queue_state::QueueState;
use crate::clock::Timestamp;
use crate::name::QueueName;

/// A queue with its lock and its bell.
///
/// A ring wakes one waiter; if nobody waits, the next one to wait goes on at once. Who is woken leases,
/// and if that leaves ready jobs behind the bell rings again: one ring is enough for any number of jobs.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: QueueName,
    state: Mutex<QueueState>,
    bell: Notify,
    /// Where the queues are to which this one may have something to tell.
    store: Weak<Store>,
}

impl Queue {
    pub(super) fn new(name: QueueName, commons: Arc<Commons>, store: Weak<Store>) -> Self {
        let state = Mutex::new(QueueState::new(name.clone(), commons));
        Self { name, state, bell: Notify::new(), store }
    }

    /// Does something to the queue, and rings if that gives an idle worker something to do.
    ///
    /// What other queues are to learn of it is told to them before this returns.
    pub(super) fn visit<R>(&self, act: impl FnOnce(&mut QueueState) -> R) -> R {
        let (answer, is_owing) = self.step(|state| {
            let answer = act(state);
            (answer, state.notes.is_owing())
        });
        if is_owing && let Some(store) = self.store.upgrade() {
            store.relay(&self.name);
        }
        answer
    }

    /// Does something to the queue, as [`visit`](Self::visit) does, and leaves its notes to be delivered
    /// by the next visit.
    pub(super) fn step<R>(&self, act: impl FnOnce(&mut QueueState) -> R) -> R {
        // A visit that panics has a bug with one job; the others are served on.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = Glance::of(&state);
        let answer = act(&mut state);
        let after = Glance::of(&state);
        drop(state);
        if after.is_news_since(before) {
            self.bell.notify_one();
        }
        answer
    }
}

/// Waits until the bell of one of the queues rings.
///
/// All bells are listened to at once. When two ring together, the second one's ring goes on to another
/// waiter or stays for the next: `Notify` passes on what a dropped listener was given.
pub(super) async fn first_to_ring(queues: &[Arc<Queue>]) -> QueueName {
    if queues.is_empty() {
        return pending().await;
    }
    let rings = queues.iter().map(|queue| Box::pin(queue.bell.notified()));
    let (_, nth, _) = select_all(rings).await;
    queues[nth].name.clone()
}

/// What idle workers care about in a queue.
#[derive(Clone, Copy)]
struct Glance {
    paused: bool,
    /// Jobs that have their turn coming, if the queue has room.
    ready: usize,
    stirred: u64,
    next_due: Option<Timestamp>,
    last_token: u64,
}

impl Glance {
    fn of(state: &QueueState) -> Self {
        Self {
            paused: state.paused,
            ready: state.leasable(),
            stirred: state.stirred,
            next_due: state.places.next_due(),
            last_token: state.last_token,
        }
    }

    /// Whether somebody who waits since `before` may have something to do: lease, or wait less long.
    fn is_news_since(self, before: Self) -> bool {
        let resumed = before.paused && (self.ready > 0 || self.next_due.is_some());
        let more_ready = self.ready > before.ready;
        let left_by_a_lease = self.ready > 0 && self.last_token > before.last_token;
        let due_earlier = match (before.next_due, self.next_due) {
            (Some(before), Some(now)) => now < before,
            (None, now) => now.is_some(),
            (Some(_), None) => false,
        };
        let stirred = self.stirred > before.stirred && self.ready > 0;
        !self.paused && (resumed || more_ready || left_by_a_lease || due_earlier || stirred)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Glance =
        Glance { paused: false, ready: 0, stirred: 0, next_due: None, last_token: 7 };

    fn due(ms: u64) -> Glance {
        Glance { next_due: Some(Timestamp::from_millis(ms)), ..IDLE }
    }

    #[test]
    fn an_idle_worker_is_woken_for_what_it_can_act_on() {
        let ready = Glance { ready: 1, ..IDLE };
        let leased_some = Glance { last_token: 8, ..ready };
        let paused = Glance { paused: true, ..ready };
        let limited_otherwise = Glance { stirred: 1, ..ready };

        assert!(ready.is_news_since(IDLE), "a job became ready");
        assert!(limited_otherwise.is_news_since(ready), "a limit was set");
        assert!(leased_some.is_news_since(ready), "a lease left one behind");
        assert!(ready.is_news_since(paused), "resumed");
        assert!(due(5).is_news_since(IDLE), "the first scheduled job");
        assert!(due(4).is_news_since(due(5)), "an earlier scheduled job");
    }

    #[test]
    fn an_idle_worker_is_left_alone_otherwise() {
        let ready = Glance { ready: 1, ..IDLE };
        let paused = Glance { paused: true, ..ready };

        assert!(!IDLE.is_news_since(IDLE), "nothing happened");
        assert!(!ready.is_news_since(ready), "an exchange that leased none");
        assert!(!IDLE.is_news_since(ready), "a lease left none behind");
        assert!(!paused.is_news_since(IDLE), "a paused queue");
        assert!(!due(5).is_news_since(due(5)), "a later scheduled job");
        assert!(!IDLE.is_news_since(due(5)), "the scheduled job was taken");
    }
}
