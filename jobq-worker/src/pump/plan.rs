//! Which call is made next, and which queues are waited for.

use std::sync::Arc;
use std::time::Duration;

use jobq_core::{LeaseRequest, QueueName};
use tokio::time::Instant;

use super::Pump;
use super::calls::Caller;
use super::feed::{Feed, Supply};
use super::grouping::{HOLD, MAX_GROUP};

/// How long a settlement may wait for its queue's turn to lease. Later it goes without.
const OVERDUE: Duration = Duration::from_millis(2);

/// One exchange that is to be made.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    queue: usize,
    lease: usize,
}

impl Pump {
    /// Makes calls while there is something to say and a slot to say it in.
    pub(super) fn make_calls(&mut self, now: Instant) {
        while self.may_call(now) {
            if self.must_set_limits() {
                return;
            }
            // The one call of an outage goes to a queue that has not failed, if there is one: it may be that
            // only some are away. At other times those have their turn first, which comes seldom.
            let is_down = self.link.is_down();
            let has_begun = (!is_down && self.try_again(now))
                || self.exchange_next(now)
                || (is_down && self.try_again(now));
            if has_begun {
                continue;
            }
            // While all queues are away only one of them can tell when they are back.
            if self.link.is_down() && self.feeds.iter().any(|feed| feed.away.is_none()) {
                let caller = self.caller();
                self.calls.begin(caller.ping());
            }
            return;
        }
    }

    fn exchange_next(&mut self, now: Instant) -> bool {
        let plan = self.plan(now);
        if let Some(plan) = &plan {
            self.begin_exchange(plan, now);
        }
        plan.is_some()
    }

    /// Tries a queue again that is away, when its time has come: one at a time, for the answer may take long.
    fn try_again(&mut self, now: Instant) -> bool {
        let away = || self.feeds.iter().enumerate().filter(|(_, feed)| feed.away.is_some());
        if away().any(|(_, feed)| feed.calls > 0) {
            return false;
        }
        let capacity = self.capacity();
        // That nothing can be leased for now is no way to find out whether it can be again.
        let can_tell = |feed: &Feed| {
            let has_room = capacity > 0 && feed.room() > 0;
            has_room || !feed.is_refused() || feed.must_forfeit || !feed.pending.is_empty()
        };
        let next =
            away().filter(|(_, feed)| can_tell(feed)).min_by_key(|(_, feed)| feed.retry_at());
        let Some((queue, feed)) = next.filter(|(_, feed)| feed.retry_at() <= Some(now)) else {
            return false;
        };
        if feed.must_forfeit {
            self.begin_forfeit(queue, now);
        } else {
            // Settlements, or nothing: then it only says whether it is there. One that was refused has to lease.
            let lease = if feed.is_refused() { self.lease_size(queue, capacity).min(1) } else { 0 };
            self.begin_exchange(&Plan { queue, lease }, now);
        }
        true
    }

    /// Whether a call may be made. While the backend cannot be reached, one at a time finds out whether
    /// it can again.
    pub(super) fn may_call(&self, now: Instant) -> bool {
        let has_slot =
            if self.link.is_down() { self.calls.is_empty() } else { !self.calls.is_full() };
        has_slot && self.link.may_try(now)
    }

    pub(super) fn caller(&self) -> Caller {
        Caller {
            backend: Arc::clone(&self.runtime.backend),
            // Leases of an answer that takes longer would have expired.
            patience: self.runtime.config.lease,
            hurry: self.hurry.clone(),
        }
    }

    fn begin_exchange(&mut self, plan: &Plan, now: Instant) {
        let caller = self.caller();
        let request = (plan.lease > 0)
            .then(|| LeaseRequest::new(self.runtime.worker, plan.lease, self.runtime.config.lease));
        let feed = &mut self.feeds[plan.queue];
        // One that the backend does not take must not keep the others from being settled.
        let settlements = feed.pending.take(if feed.one_by_one > 0 { 1 } else { MAX_GROUP });
        feed.one_by_one = feed.one_by_one.saturating_sub(1);
        if feed.pending.is_empty() {
            feed.pending_since = None;
        }
        feed.sent(now, plan.lease);
        self.calls.begin(caller.exchange(plan.queue, feed.name.clone(), settlements, request));
    }

    /// Gives back leases that may have come with an answer that got lost. It must know all others, so no
    /// exchange of the queue may be under way.
    fn begin_forfeit(&mut self, queue: usize, now: Instant) {
        let caller = self.caller();
        let keep = self.runtime.leases.of_queue(queue);
        let feed = &mut self.feeds[queue];
        feed.sent(now, 0);
        self.calls.begin(caller.forfeit(queue, feed.name.clone(), self.runtime.worker, keep));
    }

    fn plan(&mut self, now: Instant) -> Option<Plan> {
        let (pending, capacity) = (self.deliverable(), self.capacity());
        if !self.is_worth_a_call(now, pending, capacity) {
            return None;
        }
        let chosen = self.choose(now, capacity);
        if let Some(queue) = self.overdue(now)
            && chosen != Some(queue)
        {
            return Some(Plan { queue, lease: 0 });
        }
        if let Some(queue) = chosen {
            return Some(Plan { queue, lease: self.lease_size(queue, capacity) });
        }
        let fullest = self.feeds.iter().enumerate().filter(|(_, feed)| feed.away.is_none());
        let (queue, feed) = fullest.max_by_key(|(_, feed)| feed.pending.len())?;
        if feed.pending.is_empty() {
            return None;
        }
        // No queue wants to be asked, so asking this one along the way keeps no other waiting.
        let lease = if feed.may_be_asked() { self.lease_size(queue, capacity) } else { 0 };
        Some(Plan { queue, lease })
    }

    /// Whether to make a call now, or to let more settlements gather.
    fn is_worth_a_call(&self, now: Instant, pending: usize, capacity: usize) -> bool {
        let threshold = self.grouping.threshold;
        !self.grouping.holds_back(now)
            || pending >= threshold
            || capacity >= threshold
            || self.running == 0
            || self.phase.is_draining()
            || self.hold_until().is_some_and(|until| now >= until)
    }

    /// The queue to lease from.
    fn choose(&mut self, now: Instant, capacity: usize) -> Option<usize> {
        if capacity == 0 {
            return None;
        }
        let (others_busy, look_every) = (self.is_busy(), self.look_every());
        let last_look = self.last_look_since();
        let feeds = &self.feeds;
        let wants = |feed: &Feed| {
            let unseen = last_look.is_some_and(|since| feed.empty_at.is_none_or(|at| at < since));
            feed.wants(now) || (unseen && feed.may_be_asked())
        };
        // One that had nothing is not looked at again before the next that may have jobs had its turn: with
        // many queues, or a store that is far away, the looks alone would take all the time.
        let next = feeds.iter().find(|feed| wants(feed));
        let may_be_looked_at = |feed: &Feed| {
            feed.may_be_looked_at(now, others_busy, look_every)
                && next.is_none_or(|next| !next.was_asked_before(feed))
        };
        self.order
            .next(feeds.len(), |queue| wants(&feeds[queue]) || may_be_looked_at(&feeds[queue]))
    }

    /// A queue whose settlements have waited too long for their turn.
    fn overdue(&self, now: Instant) -> Option<usize> {
        let overdue = |since: Instant| now >= since + HOLD + OVERDUE;
        self.feeds
            .iter()
            .position(|feed| feed.away.is_none() && feed.pending_since.is_some_and(overdue))
    }

    fn lease_size(&self, queue: usize, capacity: usize) -> usize {
        capacity.min(self.feeds[queue].room()).min(MAX_GROUP)
    }

    /// Waits for jobs of the queues that have none, while there is nothing else to do and a job that
    /// comes could be run.
    pub(super) fn arrange_waiting(&mut self, now: Instant) {
        let can_run = !self.phase.is_draining()
            && self.running < self.runtime.config.concurrency
            && self.link.may_try(now)
            && self.waiting.retry_at().is_none_or(|retry_at| now >= retry_at);
        if !can_run {
            self.waiting.stop();
            return;
        }
        let waitable = |queue: &usize| self.feeds[*queue].has_room();
        if let Some(queues) = self.waiting.queues() {
            let could_be = (0..self.feeds.len()).filter(waitable).count();
            if queues.len() == could_be && queues.iter().all(waitable) {
                return;
            }
        }
        self.waiting.stop();
        let is_idle = |queue: &usize| {
            let feed = &self.feeds[*queue];
            feed.supply == Supply::Nothing && feed.leasing == 0
        };
        let queues: Vec<usize> = (0..self.feeds.len()).filter(waitable).collect();
        if !queues.is_empty() && queues.iter().all(is_idle) {
            let names: Vec<QueueName> =
                queues.iter().map(|queue| self.feeds[*queue].name.clone()).collect();
            self.waiting.begin(Arc::clone(&self.runtime.backend), queues, names);
        }
    }
}
