//! What the pump knows of one queue.

use std::time::Duration;

use jobq_core::QueueName;
use tokio::time::Instant;

use super::outage::Backoff;
use super::settlements::Settlements;
use crate::config::QueueConfig;

/// How soon a queue that had nothing is asked again while others keep the worker busy: the price, in
/// calls, of noticing a job of a more urgent queue.
const RECHECK: Duration = Duration::from_millis(5);

/// How long the backend must have refused a queue until nobody who waits for its jobs expects that this passes: a slip may
/// be put right, and rights be given back, within a few tries.
const REFUSED_FOR_GOOD: Duration = Duration::from_secs(5);

/// What is known of the jobs that wait in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Supply {
    /// There were fewer than could have been leased.
    Nothing,
    /// There may be some.
    Perhaps,
    /// There were at least as many as were asked for, so two calls at once are worth it.
    Plenty,
}

/// A queue about which calls fail: as a rule together with all others; by itself when the node of a cluster that has
/// it is down, or when something is wrong with what is stored of it.
#[derive(Debug)]
pub(crate) struct Away {
    pub(crate) began_at: Instant,
    /// Whether it was reported to be away by itself.
    pub(crate) is_reported: bool,
    /// What the backend answers, if that is an error. Then only what has failed can show that it is well again: a lease.
    pub(crate) refusal: Option<Refusal>,
}

/// The error by which the backend refuses to serve a queue.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What it says, for people.
    pub(crate) why: String,
    /// When it said so last.
    pub(crate) at: Instant,
    /// Whether time alone may change that, as when there is no room.
    pub(crate) may_pass: bool,
}

/// One queue, as the pump sees it.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) name: QueueName,
    limit: usize,
    /// Handlers that run.
    pub(crate) running: usize,
    /// Leases asked for by calls under way.
    pub(crate) reserved: usize,
    /// Calls under way, and how many of them lease.
    pub(crate) calls: usize,
    pub(crate) leasing: usize,
    /// What is to be settled, and since when the oldest waits.
    pub(crate) pending: Settlements,
    pub(crate) pending_since: Option<Instant>,
    /// How many settlements are sent each by itself, to find the one that the backend does not take.
    pub(crate) one_by_one: usize,
    pub(crate) supply: Supply,
    /// Whether somebody said there is a job since the newest call was sent.
    woken: bool,
    asked_at: Option<Instant>,
    /// When the newest call that found nothing was sent.
    pub(crate) empty_at: Option<Instant>,
    /// When a scheduled job is due or a lease expires.
    pub(crate) due_at: Option<Instant>,
    /// Whether leases may be held that the worker does not know of. It is away then.
    pub(crate) must_forfeit: bool,
    /// Since its newest call failed. It is only tried again then, so that the others are not held up.
    pub(crate) away: Option<Away>,
    /// When it is tried again.
    pub(crate) backoff: Backoff,
}

impl Feed {
    pub(crate) fn new(queue: &QueueConfig) -> Self {
        Self {
            name: queue.name.clone(),
            limit: queue.limit.unwrap_or(usize::MAX),
            running: 0,
            reserved: 0,
            calls: 0,
            leasing: 0,
            pending: Settlements::default(),
            pending_since: None,
            one_by_one: 0,
            supply: Supply::Perhaps,
            woken: false,
            asked_at: None,
            empty_at: None,
            due_at: None,
            must_forfeit: false,
            away: None,
            backoff: Backoff::default(),
        }
    }

    /// How many more jobs of it may be leased.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_sub(self.running + self.reserved)
    }

    /// Whether it could take a job if there was one.
    pub(crate) fn has_room(&self) -> bool {
        self.running < self.limit && self.away.is_none()
    }

    /// Whether a call may ask it for jobs: one at a time, two if it is known to have plenty.
    pub(crate) fn may_be_asked(&self) -> bool {
        let most = if self.supply == Supply::Plenty { 2 } else { 1 };
        self.room() > 0 && self.away.is_none() && self.leasing < most
    }

    /// Whether it should be asked for jobs now, since it may have some.
    pub(crate) fn wants(&self, now: Instant) -> bool {
        self.may_be_asked()
            && (self.supply != Supply::Nothing || self.due_at.is_some_and(|due_at| now >= due_at))
    }

    /// Whether it may be asked for jobs now, in case that it has some. While `others_busy`, more often.
    pub(crate) fn may_be_looked_at(
        &self,
        now: Instant,
        others_busy: bool,
        look_every: Duration,
    ) -> bool {
        self.may_be_asked() && now >= self.look_at(others_busy, look_every).unwrap_or(now)
    }

    /// Whether it was asked before another one was, or never.
    pub(crate) fn was_asked_before(&self, other: &Self) -> bool {
        self.asked_at < other.asked_at
    }

    /// When it is asked again though nothing was heard of it.
    pub(crate) fn look_at(&self, others_busy: bool, look_every: Duration) -> Option<Instant> {
        let after = if others_busy { RECHECK } else { look_every };
        self.asked_at.map(|asked_at| asked_at + after)
    }

    /// Notes that somebody said there is a job.
    pub(crate) fn wake(&mut self) {
        self.woken = true;
        if self.supply == Supply::Nothing {
            self.supply = Supply::Perhaps;
        }
    }

    /// Notes that a call is sent that asks for `asked` jobs.
    pub(crate) fn sent(&mut self, now: Instant, asked: usize) {
        self.calls += 1;
        if asked > 0 {
            self.leasing += 1;
            self.reserved += asked;
            self.asked_at = Some(now);
            self.woken = false;
            self.due_at = None;
        }
    }

    /// Notes that a call is over that asked for `asked` jobs.
    pub(crate) fn answered(&mut self, asked: usize) {
        self.calls -= 1;
        if asked > 0 {
            self.leasing -= 1;
            self.reserved -= asked;
        }
    }

    /// Notes that a call about it failed, and gives how it is away: as before, if it was.
    pub(crate) fn failed(&mut self, now: Instant) -> &mut Away {
        self.backoff.failed(now);
        self.away.get_or_insert(Away { began_at: now, is_reported: false, refusal: None })
    }

    /// Whether it is to be reported that it is away, which counts as done then.
    pub(crate) fn may_report(&mut self, now: Instant) -> bool {
        let Some(away) = &mut self.away else { return false };
        let may = self.backoff.may_warn(now);
        away.is_reported |= may;
        may
    }

    /// Notes that a call about it was answered that asked for `asked` jobs, and says how it was away if it is so
    /// no more.
    pub(crate) fn reached(&mut self, now: Instant, asked: usize) -> Option<Away> {
        if self.must_forfeit || (asked == 0 && self.is_refused()) {
            self.hope(now);
            return None;
        }
        self.away.take()
    }

    /// What the backend says, if it is away by that.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        self.away.as_ref().and_then(|away| away.refusal.as_ref())
    }

    /// Whether it is away, and the backend says why.
    pub(crate) fn is_refused(&self) -> bool {
        self.refusal().is_some()
    }

    /// Whether the backend has refused it for so long, and in such a way, that it is not to be expected to pass.
    pub(crate) fn is_refused_for_good(&self, now: Instant) -> bool {
        let lasts = self.away.as_ref().is_some_and(|away| now >= away.began_at + REFUSED_FOR_GOOD);
        lasts && self.refusal().is_some_and(|refusal| !refusal.may_pass)
    }

    /// Whether it was found empty since then, or the backend has refused it in a way that does not pass: no job of it is
    /// to be had.
    pub(crate) fn is_exhausted_since(&self, since: Instant, now: Instant) -> bool {
        let is_refused = self.refusal().is_some_and(|refusal| refusal.at >= since);
        self.empty_at.is_some_and(|at| at >= since) || (is_refused && self.is_refused_for_good(now))
    }

    /// Notes that it may be there again.
    pub(crate) const fn hope(&mut self, now: Instant) {
        if self.away.is_some() {
            self.backoff.hope(now);
        }
    }

    /// When it is tried again.
    pub(crate) fn retry_at(&self) -> Option<Instant> {
        self.away.as_ref().and_then(|_| self.backoff.retry_at())
    }

    /// Notes how many jobs a call sent at `sent_at` brought.
    pub(crate) fn brought(
        &mut self,
        sent_at: Instant,
        asked: usize,
        got: usize,
        next_in: Option<Duration>,
    ) {
        if asked == 0 {
            return;
        }
        if got >= asked {
            self.supply = Supply::Plenty;
            return;
        }
        self.supply = if self.woken { Supply::Perhaps } else { Supply::Nothing };
        // What is due at once was only not reached by this call: that is not empty.
        if next_in != Some(Duration::ZERO) {
            self.empty_at = Some(sent_at);
        }
        // A due time of zero would be asked for again and again.
        self.due_at = next_in.and_then(|after| Instant::now().checked_add(after.max(RECHECK)));
    }
}
