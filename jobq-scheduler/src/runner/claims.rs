//! Claims that are under way: so many at once, a few ticks of one schedule each.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jobq_core::schedules::{Claimed, Tick};
use jobq_core::{Error, ScheduleName, Timestamp};
use tokio::time::Instant;

use crate::counts::LATE_AFTER;
use crate::events;
use crate::firing::Firing;

/// How many are under way at once.
const AT_ONCE: usize = 32;
/// How many ticks of a schedule are claimed before others have their turn.
const TICKS_AT_A_TURN: usize = 10;

/// Claims that are under way. Dropped, each has had its full effect or none.
#[derive(Debug, Default)]
pub(super) struct Claims {
    under_way: FuturesUnordered<BoxFuture<'static, Fired>>,
    /// Those that have ended, and of which no note was taken yet.
    ended: VecDeque<Fired>,
    is_stopping: Arc<AtomicBool>,
}

/// Until when what is known can be relied upon, by the clocks of a scheduler.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    pub(super) clock: (Timestamp, Instant),
    pub(super) until: Timestamp,
}

impl Trust {
    fn now(self) -> Timestamp {
        let (then, at) = self.clock;
        then + at.elapsed()
    }

    fn is_over(self) -> bool {
        self.now() > self.until
    }
}

/// What became of the ticks of one schedule.
#[derive(Debug)]
pub(super) struct Fired {
    pub(super) name: ScheduleName,
    /// The last tick that is claimed, by whomever.
    pub(super) after: Option<Timestamp>,
    pub(super) enqueued: u64,
    pub(super) left_out: u64,
    pub(super) late: u64,
    pub(super) then: Then,
}

/// What to do next about a schedule.
#[derive(Debug)]
pub(super) enum Then {
    GoOn,
    Pause,
    /// What is known of the group is too old.
    LookAgain,
    /// The store's time is this.
    Wait(Timestamp),
    /// Its jobs change faster than can be told.
    Retry,
    Fail(Error),
}

impl Claims {
    pub(super) fn has_room(&self) -> bool {
        self.under_way.len() < AT_ONCE
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.ended.is_empty()
    }

    /// Begins to claim ticks of a schedule, one after the other.
    pub(super) fn start(&self, name: ScheduleName, firing: Firing, ticks: Vec<Tick>, trust: Trust) {
        let is_stopping = Arc::clone(&self.is_stopping);
        self.under_way.push(Box::pin(fire_all(name, firing, ticks, trust, is_stopping)));
    }

    /// Claims no further tick, also of those schedules that have begun.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    /// What became of the next one to end; `None` if there is none. Cancel safe.
    pub(super) async fn ended(&mut self) -> Option<Fired> {
        match self.ended.pop_front() {
            Some(fired) => Some(fired),
            None => self.under_way.next().await,
        }
    }

    /// Goes on with them while something else is done; notes are taken later.
    pub(super) async fn beside<T>(&mut self, other: impl Future<Output = T>) -> T {
        let mut other = std::pin::pin!(other);
        loop {
            tokio::select! {
                biased;
                done = &mut other => return done,
                Some(fired) = self.under_way.next(), if !self.under_way.is_empty() => {
                    self.ended.push_back(fired);
                }
            }
        }
    }
}

/// Claims ticks of a schedule one after the other, until one cannot be.
async fn fire_all(
    name: ScheduleName,
    firing: Firing,
    ticks: Vec<Tick>,
    trust: Trust,
    is_stopping: Arc<AtomicBool>,
) -> Fired {
    let mut fired =
        Fired { name, after: None, enqueued: 0, left_out: 0, late: 0, then: Then::GoOn };
    for tick in ticks.into_iter().take(TICKS_AT_A_TURN) {
        if is_stopping.load(Ordering::Relaxed) || trust.is_over() {
            break;
        }
        let begun_at = trust.now();
        let claimed = firing.fire(Some(tick)).await;
        match &claimed {
            Ok(Claimed::Enqueued(enqueued)) => {
                let (job, is_new) = (enqueued.id(), enqueued.is_created());
                events::enqueued(&firing.schedule, tick.at, job, is_new);
                fired.enqueued += 1;
                fired.after = Some(tick.at);
            }
            Ok(Claimed::LeftOut) => {
                events::left_out(&firing.schedule, tick.at);
                fired.left_out += 1;
                fired.after = Some(tick.at);
            }
            Ok(Claimed::Taken { last }) => {
                fired.after = Some(last.map_or(tick.at, |last| last.max(tick.at)));
            }
            Ok(_) | Err(_) => {}
        }
        if matches!(claimed, Ok(Claimed::Enqueued(_) | Claimed::LeftOut)) {
            fired.late += u64::from(begun_at.since(tick.at) > LATE_AFTER);
        }
        fired.then = match claimed {
            Ok(Claimed::Enqueued(_) | Claimed::LeftOut | Claimed::Taken { .. }) => continue,
            Ok(Claimed::Paused) => Then::Pause,
            Ok(Claimed::Stale | Claimed::Superseded) => Then::LookAgain,
            Ok(Claimed::Early { now }) => Then::Wait(now),
            Ok(_) => Then::Retry,
            Err(error) => Then::Fail(error),
        };
        break;
    }
    fired
}
