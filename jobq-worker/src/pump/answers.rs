//! What the pump does with the answers of the backend.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use jobq_core::{Error, ErrorKind, Exchanged, Held, Lease, Next, Result};
use tokio::time::Instant;

use super::Pump;
use super::calls::Answer;
use super::feed::{Feed, Refusal, Supply};
use super::outage::is_answer;
use super::settlements::Settlements;
use crate::events;
use crate::executor::Attempt;
use crate::leases::{HeldLease, LeaseKey};
use crate::mailbox::Ended;

/// How often a kind without a handler is reported.
const REPORT_UNKNOWN_EVERY: Duration = Duration::from_secs(60);

/// How many such kinds are remembered: the reports must not become a leak.
const UNKNOWN_REMEMBERED: usize = 100;

/// Whether a call fails in the same way whenever it is made. No backend should answer an exchange so.
const fn is_final(kind: ErrorKind) -> bool {
    use ErrorKind::{Conflict, InvalidInput, Limited, NotFound};
    matches!(kind, InvalidInput | Limited | NotFound | Conflict)
}

impl Pump {
    pub(super) fn read_answers(&mut self, now: Instant) {
        if let Some(woken) = self.woken.take() {
            self.woken_by(woken, now);
        }
        let mut answers = std::mem::take(&mut self.answers);
        for answer in answers.drain(..) {
            match answer {
                Answer::Exchanged { queue, settlements, asked, sent_at, result } => {
                    self.feeds[queue].answered(asked);
                    match result {
                        Ok(exchanged) => {
                            self.exchanged(queue, settlements, asked, sent_at, exchanged)
                        }
                        Err(error) => self.not_exchanged(queue, settlements, asked, now, &error),
                    }
                }
                Answer::Forfeited { queue, result } => {
                    let feed = &mut self.feeds[queue];
                    feed.answered(0);
                    feed.must_forfeit = result.is_err();
                    self.note_reach(queue, 0, result.map(|_| ()), now);
                }
                Answer::Pinged(Err(error)) if is_answer(&error) => self.note_answer(now),
                Answer::Pinged(result) => self.note_link(result, now),
                Answer::LimitsSet(result) => self.limits_answered(result, now),
            }
        }
        self.answers = answers;
    }

    fn woken_by(&mut self, woken: Result<jobq_core::QueueName>, now: Instant) {
        match woken {
            Ok(name) => {
                if let Some(feed) = self.feeds.iter_mut().find(|feed| feed.name == name) {
                    feed.wake();
                }
            }
            Err(error) if is_answer(&error) => {
                self.runtime.meters.backend_errors.add(1);
                if self.waiting.failed(now) {
                    events::wait_refused(&error);
                }
                self.look_again();
            }
            Err(error) => {
                self.waiting.failed(now);
                self.note_link(Err(error), now);
            }
        }
    }

    /// Whatever was known of the queues may have changed unheard.
    fn look_again(&mut self) {
        for feed in &mut self.feeds {
            if feed.supply == Supply::Nothing {
                feed.supply = Supply::Perhaps;
            }
        }
    }

    /// Notes that the backend can be reached, whatever it has answered.
    fn note_answer(&mut self, now: Instant) {
        if self.link.is_down() {
            // What is back for one queue is so for all, as a rule.
            self.feeds.iter_mut().for_each(|feed| feed.hope(now));
        }
        self.link.answered(now);
    }

    pub(super) fn note_link(&mut self, result: Result<()>, now: Instant) {
        let draining = self.phase.is_draining();
        match result {
            Ok(()) => {
                self.note_answer(now);
                self.link.succeeded(now, &self.runtime, draining);
            }
            Err(error) => {
                self.link.failed(now, &error, &self.runtime, draining);
                self.look_again();
            }
        }
    }

    /// Notes whether a call about a queue that asked for `asked` jobs was answered. While others are, one that is away
    /// by itself is no outage.
    fn note_reach(&mut self, queue: usize, asked: usize, result: Result<()>, now: Instant) {
        let feed = &mut self.feeds[queue];
        let Err(error) = &result else {
            if let Some(away) = feed.reached(now, asked).filter(|away| away.is_reported) {
                events::queue_back(&feed.name, &away, now);
            }
            if feed.is_refused() {
                // That something else can be done about it does not mean that it can be served.
                self.note_answer(now);
            } else {
                self.note_link(result, now);
            }
            return;
        };
        if is_answer(error) {
            self.queue_refused(queue, now, error);
            return;
        }
        let was_away = feed.away.is_some();
        feed.failed(now).refusal = None;
        if !was_away || self.link.is_down() {
            self.note_link(result, now);
            return;
        }
        self.runtime.meters.backend_errors.add(1);
        if feed.may_report(now) {
            events::queue_unreachable(&feed.name, error);
        }
    }

    /// The backend is there, and answers with an error: something is wrong with this queue. The others go on.
    fn queue_refused(&mut self, queue: usize, now: Instant, error: &Error) {
        self.runtime.meters.backend_errors.add(1);
        self.note_answer(now);
        let feed = &mut self.feeds[queue];
        if feed.supply == Supply::Nothing {
            feed.supply = Supply::Perhaps;
        }
        let why = events::Chain(error).to_string();
        feed.failed(now).refusal = Some(Refusal { why, at: now, may_pass: error.is_transient() });
        if feed.may_report(now) {
            events::queue_refused(&feed.name, error);
        }
        if self.feeds.iter().all(Feed::is_refused) {
            self.link.serves_nothing(error, &self.runtime, self.phase.is_draining());
        }
    }

    fn not_exchanged(
        &mut self,
        queue: usize,
        settlements: Settlements,
        asked: usize,
        now: Instant,
        error: &Error,
    ) {
        let feed = &mut self.feeds[queue];
        feed.must_forfeit |= asked > 0;
        if is_final(error.kind()) && !settlements.is_empty() {
            if asked > 0 {
                // Only queues that are away are tried again, and with that told of leases that they may have given.
                feed.failed(now);
            }
            self.refused_settlements(queue, settlements, now, error);
            return;
        }
        if !settlements.is_empty() {
            feed.pending_since.get_or_insert(now);
            feed.pending.put_back(settlements);
        }
        let copy = Error::new(error.kind(), events::Chain(error).to_string());
        self.note_reach(queue, asked, Err(copy), now);
    }

    /// Finds the settlement that the backend will never take, and gives it up: its job runs again when
    /// its lease has expired.
    fn refused_settlements(
        &mut self,
        queue: usize,
        settlements: Settlements,
        now: Instant,
        error: &Error,
    ) {
        self.note_reach(queue, 0, Ok(()), now);
        if let ([settlement], [tag]) = (&*settlements.list, &*settlements.tags) {
            let lease = &settlement.lease;
            self.runtime.leases.remove([tag.key]);
            events::settlement_refused(lease, error);
            self.runtime.report_lost(lease.job.id, lease.token, events::HowLost::Settlement);
            return;
        }
        let feed = &mut self.feeds[queue];
        feed.one_by_one = settlements.len();
        feed.pending_since.get_or_insert(now);
        feed.pending.put_back(settlements);
    }

    fn exchanged(
        &mut self,
        queue: usize,
        settlements: Settlements,
        asked: usize,
        sent_at: Instant,
        exchanged: Exchanged,
    ) {
        let now = Instant::now();
        self.note_reach(queue, asked, Ok(()), now);
        self.settled(queue, &settlements, &exchanged.held);
        self.feeds[queue].brought(sent_at, asked, exchanged.leases.len(), exchanged.next_in);
        if !exchanged.leases.is_empty() {
            self.start(queue, exchanged.leases, sent_at, now);
        }
    }

    /// Counts settlements, and forgets their leases.
    fn settled(&mut self, queue: usize, settlements: &Settlements, held: &[Held]) {
        if settlements.is_empty() {
            return;
        }
        self.runtime.leases.remove(settlements.tags.iter().map(|tag| tag.key));
        for ((settlement, tag), held) in settlements.list.iter().zip(&settlements.tags).zip(held) {
            if *held == Held::Yes {
                self.runtime.meters.settled(queue, tag.handler, &settlement.next, tag.took);
                self.count(&settlement.next);
            } else if tag.loss_is_known {
                // Counted when it was noticed.
            } else if tag.sent_before {
                self.summary.uncertain += 1;
            } else {
                let lease = &settlement.lease;
                self.runtime.report_lost(lease.job.id, lease.token, events::HowLost::Settlement);
            }
        }
    }

    fn count(&mut self, next: &Next) {
        let summary = &mut self.summary;
        let count = match next {
            Next::Complete { .. } => &mut summary.completed,
            Next::Retry { .. } => &mut summary.retried,
            Next::Dead { .. } => &mut summary.dead,
            Next::Snooze { .. } => &mut summary.snoozed,
            Next::Cancel => &mut summary.cancelled,
            _ => &mut summary.released,
        };
        *count += 1;
    }

    /// Starts the attempts of jobs that were leased by a call sent at `sent_at`.
    ///
    /// None is started once the worker is told to stop: what a call brings then that was under way is given
    /// back. Nor when the answer was read so late, by a process that was stopped or blocked, that its leases
    /// have run out or are about to: others may have the jobs by now.
    fn start(&mut self, queue: usize, leases: Vec<Arc<Lease>>, sent_at: Instant, now: Instant) {
        let runtime = Arc::clone(&self.runtime);
        let deadline = sent_at + runtime.config.lease;
        let over_at = runtime.leases.over_at(deadline);
        let too_late = self.phase.is_draining() || now >= over_at;
        runtime.leased.fetch_add(leases.len() as u64, Ordering::Relaxed);
        runtime.meters.leased(queue, leases.len());
        let leased_at = runtime.backend.clock().now();

        let mut starts = Vec::with_capacity(leases.len());
        let leases = leases.into_iter().map(|lease| runtime.config.defaults.fill(lease));
        let keys = runtime.leases.insert(leases.map(|lease| {
            let mut held = HeldLease::new(Arc::clone(&lease), queue, deadline);
            let handler = runtime.handlers.find(&lease.job.kind, lease.job.version);
            held.ended = too_late || handler.is_none();
            starts.push((lease, handler, held.cancellation.clone()));
            held
        }));
        for ((lease, handler, cancellation), key) in starts.into_iter().zip(keys) {
            let wait = leased_at.since(lease.job.enqueued_at);
            runtime.meters.began(queue, handler, &lease, wait);
            if too_late {
                self.settle_unrun(queue, key, lease, Next::Release, now);
                continue;
            }
            let Some(handler) = handler else {
                self.put_off(queue, key, lease, now);
                continue;
            };
            self.taken += 1;
            self.running += 1;
            self.feeds[queue].running += 1;
            let attempt = Attempt::new(
                Arc::clone(&runtime),
                key,
                lease,
                queue,
                handler,
                cancellation,
                over_at,
            );
            tokio::spawn(attempt.run());
        }
        runtime.running.store(self.running, Ordering::Relaxed);
    }

    /// Gives back a job that this program has no handler for, or only an older one: another worker may.
    fn put_off(&mut self, queue: usize, key: LeaseKey, lease: Arc<Lease>, now: Instant) {
        let reported_at = self.unknown_reported_at.get(&lease.job.kind);
        if reported_at.is_none_or(|at| now >= *at + REPORT_UNKNOWN_EVERY) {
            events::no_handler(&lease);
            if self.unknown_reported_at.len() >= UNKNOWN_REMEMBERED {
                self.unknown_reported_at.clear();
            }
            self.unknown_reported_at.insert(lease.job.kind.clone(), now);
        }
        let after = self.runtime.config.unknown_delay;
        self.settle_unrun(queue, key, lease, Next::Snooze { after }, now);
    }

    /// Settles a job of which no attempt was begun.
    fn settle_unrun(
        &mut self,
        queue: usize,
        key: LeaseKey,
        lease: Arc<Lease>,
        next: Next,
        now: Instant,
    ) {
        let feed = &mut self.feeds[queue];
        feed.pending_since.get_or_insert(now);
        let (handler, took) = (None, None);
        feed.pending.push(Ended { key, lease, queue, handler, next, took, lease_lost: false });
    }
}
