//! How a worker stops: no more leases, then patience, then cancellation, then giving back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use jobq_core::StopReason;
use jobq_core::vitals::Condition;
use tokio::time::Instant;

use super::Pump;
use super::feed::Feed;
use crate::events;
use crate::executor::abandon;
use crate::leases::LeaseKey;
use crate::mailbox::Ended;
use crate::summary::{EndReason, RefusedQueue, Summary};

/// How long handlers that were dropped, or given up, have to be reported over.
const SLACK: Duration = Duration::from_millis(500);

/// How long the last settlements are tried to be delivered.
const FLUSH: Duration = Duration::from_secs(5);

/// How long a forced stop takes at most, and how much of it handlers get to be dropped.
const FORCED: Duration = Duration::from_secs(1);
const FORCED_DROP: Duration = Duration::from_millis(300);

/// Where a worker is between start and end.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// It leases jobs.
    Running,
    /// It lets handlers finish.
    Draining { until: Instant },
    /// It has asked handlers to stop.
    Stopping { until: Instant },
    /// It has no handlers left, and delivers the last settlements.
    Flushing { until: Instant },
    /// It waits for nobody.
    Forced { drop_until: Instant, until: Instant },
}

impl Phase {
    pub(super) const fn is_draining(&self) -> bool {
        !matches!(self, Self::Running)
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Running => None,
            Self::Draining { until } | Self::Stopping { until } | Self::Flushing { until } => {
                Some(*until)
            }
            Self::Forced { drop_until, .. } => Some(*drop_until),
        }
    }
}

impl Pump {
    /// Stops leasing, and begins to stop.
    pub(super) fn drain(&mut self, reason: EndReason, now: Instant) {
        if self.phase.is_draining() {
            return;
        }
        self.summary.reason = reason;
        self.phase = Phase::Draining { until: now + self.runtime.config.grace };
        self.runtime.draining.store(true, Ordering::Relaxed);
        self.runtime.vitals.set(Condition::Draining);
        events::draining(reason, self.running);
    }

    /// Stops as fast as jobs can be given back.
    pub(super) fn force(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Forced { .. }) {
            return;
        }
        self.drain(EndReason::Forced, now);
        self.summary.reason = EndReason::Forced;
        self.phase = Phase::Forced { drop_until: now + FORCED_DROP, until: now + FORCED };
        self.runtime.leases.cancel_all(StopReason::Shutdown);
        self.runtime.forced.request(StopReason::Shutdown);
    }

    /// Goes from one phase to the next when its time has come.
    pub(super) fn advance(&mut self, now: Instant) {
        self.note_quiet(now);
        match self.phase {
            Phase::Running => {
                if let Some(reason) = self.limit_reached(now) {
                    self.drain(reason, now);
                    self.advance(now);
                }
            }
            Phase::Draining { .. } | Phase::Stopping { .. } if self.running == 0 => {
                self.phase = Phase::Flushing { until: now + FLUSH };
                self.hurry.request(StopReason::Shutdown);
            }
            Phase::Draining { until } if now >= until => {
                self.runtime.leases.cancel_all(StopReason::Shutdown);
                let config = &self.runtime.config;
                let patience = config.cancel_grace.max(config.stuck_after) + SLACK;
                self.phase = Phase::Stopping { until: now + patience };
            }
            Phase::Stopping { until } if now >= until => self.give_up_all(now),
            Phase::Forced { drop_until, until } if now >= drop_until && drop_until < until => {
                self.give_up_all(now);
                self.phase = Phase::Forced { drop_until: until, until };
            }
            _ => {}
        }
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        let settled = self.running == 0 && self.pending() == 0 && self.calls.is_empty();
        let is_returned = |feed: &Feed| !feed.must_forfeit || feed.is_refused_for_good(now);
        let done = settled && self.feeds.iter().all(is_returned);
        // Jobs that come with an answer are to be given back. It is waited for in a hurry, so not long.
        let leasing = self.feeds.iter().any(|feed| feed.leasing > 0);
        match self.phase {
            Phase::Running | Phase::Draining { .. } | Phase::Stopping { .. } => false,
            Phase::Flushing { until } => done || (now >= until && !leasing),
            Phase::Forced { until, .. } => done || now >= until,
        }
    }

    pub(super) fn finish(mut self) -> Summary {
        let unsettled = self.runtime.leases.count();
        let mut summary = std::mem::replace(&mut self.summary, Summary::new());
        summary.failed = summary.retried + summary.dead;
        summary.processed = summary.completed + summary.failed + summary.cancelled;
        summary.lost = self.runtime.lost.load(Ordering::Relaxed);
        summary.stuck = self.runtime.stuck.load(Ordering::Relaxed);
        summary.unsettled = unsettled;
        let refused = self.feeds.iter().filter_map(|feed| Some((feed, feed.refusal()?)));
        summary.refused_queues = refused
            .map(|(feed, refusal)| RefusedQueue::new(feed.name.clone(), refusal.why.clone()))
            .collect();
        summary.elapsed = self.started_at.elapsed();
        summary
    }

    /// When the worker has run as long as it may.
    pub(super) fn time_is_up_at(&self) -> Option<Instant> {
        let max_time = self.runtime.config.run_limits.max_time?;
        (!self.phase.is_draining()).then(|| self.started_at + max_time)
    }

    fn limit_reached(&self, now: Instant) -> Option<EndReason> {
        let limits = &self.runtime.config.run_limits;
        if limits.max_jobs.is_some_and(|most| self.taken >= most) {
            return Some(EndReason::MaxJobs);
        }
        if self.time_is_up_at().is_some_and(|at| now >= at) {
            return Some(EndReason::MaxTime);
        }
        let since = self.last_look_since()?;
        let all_done = self.feeds.iter().all(|feed| feed.is_exhausted_since(since, now));
        all_done.then_some(EndReason::Empty)
    }

    /// Notes since when there has been nothing to do.
    fn note_quiet(&mut self, now: Instant) {
        if !self.runtime.config.run_limits.stop_when_empty {
            return;
        }
        // Of a queue that is refused nothing can be found out, and nothing can be settled.
        let is_unknown = self.feeds.iter().any(|feed| feed.must_forfeit && !feed.is_refused());
        let refused =
            self.feeds.iter().enumerate().filter(|(_, feed)| feed.is_refused_for_good(now));
        let stranded = refused.map(|(queue, _)| self.runtime.leases.unsettled_of(queue)).sum();
        if is_unknown || self.runtime.leases.count() > stranded {
            self.quiet_since = None;
        } else if self.quiet_since.is_none() {
            self.quiet_since = Some(now);
        }
    }

    /// For a worker that stops when nothing is left: since when a queue must have been found empty.
    pub(super) fn last_look_since(&self) -> Option<Instant> {
        self.quiet_since
    }

    fn give_up_all(&mut self, now: Instant) {
        for key in self.runtime.leases.running() {
            self.give_up(key, now);
        }
    }

    /// Settles the job of a handler that does not stop, and reopens its slot.
    pub(super) fn give_up(&mut self, key: LeaseKey, now: Instant) {
        let Some((lease, queue, stop)) = self.runtime.leases.get(key) else { return };
        if self.runtime.leases.end([key]) != [true] {
            return;
        }
        self.runtime.report_stuck(&lease, stop);
        let handler = self.runtime.handlers.find(&lease.job.kind, lease.job.version);
        let backoff = handler.map(|handler| self.runtime.handlers.entry(handler).backoff);
        let next = abandon(&lease, stop, backoff.unwrap_or_default(), &self.runtime);
        let ended = Ended {
            key,
            lease,
            queue,
            handler,
            next,
            // It goes on.
            took: None,
            lease_lost: stop == Some(StopReason::LeaseLost),
        };
        self.over(ended, now);
    }
}
