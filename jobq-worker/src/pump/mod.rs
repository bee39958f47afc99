//! The one task that talks to the backend about jobs: it leases them, starts their attempts, and settles
//! them.
//!
//! It does not run handlers, renew leases, or promote and reclaim what nobody asks for.

mod answers;
mod calls;
mod drain;
mod feed;
mod grouping;
mod outage;
mod plan;
mod queue_order;
mod set_limits;
mod settlements;
mod waiting;

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use jobq_core::{Cancellation, Error, Kind, QueueName, Result};
use tokio::time::{Instant, Sleep, sleep_until};

use self::calls::{Answer, Calls};
use self::drain::Phase;
pub(crate) use self::feed::Away;
use self::feed::{Feed, Supply};
use self::grouping::Grouping;
use self::outage::{Link, is_answer};
use self::queue_order::QueueOrder;
use self::waiting::Waiting;
use crate::mailbox::{Ended, Note};
use crate::runtime::Runtime;
use crate::summary::Summary;

/// Leases, starts, settles.
pub(crate) struct Pump {
    runtime: Arc<Runtime>,
    feeds: Vec<Feed>,
    order: QueueOrder,
    grouping: Grouping,
    calls: Calls,
    waiting: Waiting,
    link: Link,
    phase: Phase,
    /// How many of the limits that the program gives are set.
    limits_set: usize,
    /// Why the backend did not take one of them.
    refused: Option<Error>,
    /// Requested when calls are no longer waited for as long.
    hurry: Cancellation,
    started_at: Instant,
    /// Handlers that run, in all queues.
    running: usize,
    /// Jobs whose attempts were started. Those put off do not count: they used nothing up.
    taken: u64,
    /// Since when there has been nothing to run, settle or ask; `None` while there is.
    quiet_since: Option<Instant>,
    /// When a job of an unknown kind was last reported, for each kind.
    unknown_reported_at: HashMap<Kind, Instant>,
    timer: Pin<Box<Sleep>>,
    ended: Vec<Ended>,
    answers: Vec<Answer>,
    woken: Option<Result<QueueName>>,
    summary: Summary,
}

impl Pump {
    pub(crate) fn new(runtime: Arc<Runtime>) -> Self {
        let config = &runtime.config;
        let order = if config.strict {
            QueueOrder::Strict
        } else {
            QueueOrder::weighted(config.queues.iter().map(|queue| queue.weight))
        };
        let now = Instant::now();
        Self {
            feeds: config.queues.iter().map(Feed::new).collect(),
            order,
            grouping: Grouping::new(config.concurrency),
            calls: Calls::default(),
            waiting: Waiting::default(),
            link: Link::default(),
            phase: Phase::Running,
            limits_set: 0,
            refused: None,
            hurry: Cancellation::new(),
            started_at: now,
            running: 0,
            taken: 0,
            quiet_since: None,
            unknown_reported_at: HashMap::new(),
            timer: Box::pin(sleep_until(now)),
            ended: Vec::new(),
            answers: Vec::new(),
            woken: None,
            summary: Summary::new(),
            runtime,
        }
    }

    /// Works until the worker has stopped.
    ///
    /// # Errors
    ///
    /// When the backend refuses the limits that the program gives.
    pub(crate) async fn run(mut self) -> Result<Summary> {
        loop {
            let now = Instant::now();
            self.read_mailbox(now);
            self.read_answers(now);
            self.advance(now);
            if self.is_over(now) {
                break;
            }
            self.make_calls(now);
            self.arrange_waiting(now);
            self.next_event().await;
        }
        match self.refused.take() {
            None => Ok(self.finish()),
            Some(error) => Err(error),
        }
    }

    fn read_mailbox(&mut self, now: Instant) {
        let mut ended = std::mem::take(&mut self.ended);
        let notes = self.runtime.mailbox.take(&mut ended);
        if !ended.is_empty() {
            self.grouping.note(now, ended.len());
            let news = self.runtime.leases.end(ended.iter().map(|ended| ended.key));
            for (ended, is_news) in ended.drain(..).zip(news) {
                // Otherwise it was given up before, and settled without it.
                if is_news {
                    self.over(ended, now);
                }
            }
            self.runtime.running.store(self.running, Ordering::Relaxed);
        }
        self.ended = ended;
        for note in notes {
            match note {
                Note::Stuck(key) => self.give_up(key, now),
                Note::Drain(reason) => self.drain(reason, now),
                Note::Force => self.force(now),
                // That is for who made the call to tell.
                Note::Unreachable(error) if is_answer(&error) => {}
                Note::Unreachable(error) => {
                    let draining = self.phase.is_draining();
                    self.link.heard_of_failure(now, &error, &self.runtime, draining);
                }
            }
        }
    }

    /// Notes that an attempt is over: its slot is free, and its job is to be settled.
    fn over(&mut self, ended: Ended, now: Instant) {
        self.running -= 1;
        let feed = &mut self.feeds[ended.queue];
        feed.running -= 1;
        feed.pending_since.get_or_insert(now);
        feed.pending.push(ended);
    }

    /// Waits until there is something to do.
    async fn next_event(&mut self) {
        let now = Instant::now();
        let deadline = self.next_deadline(now);
        let wake_at = self.wake_at(now);
        // Setting a timer costs a lock, so one that goes off too early is left as it is.
        if self.timer.is_elapsed() || deadline < self.timer.deadline() {
            self.timer.as_mut().reset(deadline);
        }
        tokio::task::coop::consume_budget().await;
        poll_fn(|cx| self.poll_event(cx, wake_at)).await;
    }

    fn poll_event(&mut self, cx: &mut Context<'_>, wake_at: usize) -> Poll<()> {
        let mut event = self.calls.poll(cx, &mut self.answers);
        if let Poll::Ready(answer) = self.waiting.poll(cx) {
            self.woken = Some(answer);
            event = Poll::Ready(());
        }
        if event.is_pending() {
            event = self.runtime.mailbox.poll(cx, wake_at);
        }
        if event.is_pending() {
            event = self.timer.as_mut().poll(cx);
        }
        event
    }

    /// How many attempts must have ended for the pump to be woken.
    fn wake_at(&self, now: Instant) -> usize {
        if !self.may_call(now) {
            // Nothing could be sent anyway. An answer, or the timer, comes first.
            return usize::MAX;
        }
        if self.grouping.holds_back(now) && !self.phase.is_draining() {
            let missing = self.grouping.threshold.saturating_sub(self.deliverable());
            missing.min(self.running).max(1)
        } else {
            1
        }
    }

    fn next_deadline(&self, now: Instant) -> Instant {
        let look_every = self.look_every();
        let mut deadline = now + look_every;
        let mut at_latest = |at: Option<Instant>| deadline = deadline.min(at.unwrap_or(deadline));
        at_latest(self.phase.deadline());
        at_latest(self.time_is_up_at());
        for feed in &self.feeds {
            // If its time has come, an answer that is waited for comes first.
            at_latest(feed.retry_at().filter(|retry_at| *retry_at > now));
        }
        at_latest(self.waiting.retry_at().filter(|retry_at| *retry_at > now));
        if !self.link.may_try(now) {
            at_latest(self.link.retry_at());
        } else if !self.may_call(now) {
            // An answer comes first.
        } else if self.grouping.holds_back(now) {
            at_latest(Some(self.grouping.stale_at()));
            at_latest(self.hold_until());
        } else if self.capacity() > 0 {
            let others_busy = self.is_busy();
            for feed in self.feeds.iter().filter(|feed| feed.may_be_asked()) {
                at_latest(feed.due_at);
                at_latest(feed.look_at(others_busy, look_every));
            }
        }
        deadline
    }

    /// How often a queue is looked at though nothing was heard of it. Less than a lease, so that the
    /// expiry of every lease in it becomes known before it comes.
    fn look_every(&self) -> Duration {
        self.runtime
            .config
            .lease
            .mul_f64(0.9)
            .clamp(Duration::from_secs(1), Duration::from_secs(30))
    }

    /// How many more jobs the worker may lease.
    fn capacity(&self) -> usize {
        if self.phase.is_draining() {
            return 0;
        }
        let reserved: usize = self.feeds.iter().map(|feed| feed.reserved).sum();
        let free = self.runtime.config.concurrency.saturating_sub(self.running + reserved);
        match self.runtime.config.run_limits.max_jobs {
            None => free,
            Some(most) => {
                let left = most.saturating_sub(self.taken).saturating_sub(reserved as u64);
                free.min(usize::try_from(left).unwrap_or(usize::MAX))
            }
        }
    }

    /// Settlements that are not on their way yet.
    fn pending(&self) -> usize {
        self.feeds.iter().map(|feed| feed.pending.len()).sum()
    }

    /// Those of them that are for queues that can be reached.
    fn deliverable(&self) -> usize {
        let reachable = self.feeds.iter().filter(|feed| feed.away.is_none());
        reachable.map(|feed| feed.pending.len()).sum()
    }

    /// Whether some queue has, or may have, jobs that could be leased.
    fn is_busy(&self) -> bool {
        self.feeds.iter().any(|feed| feed.supply != Supply::Nothing && feed.has_room())
    }

    fn hold_until(&self) -> Option<Instant> {
        let reachable = self.feeds.iter().filter(|feed| feed.away.is_none());
        let oldest = reachable.filter_map(|feed| feed.pending_since).min();
        oldest.map(|since| since + grouping::HOLD)
    }
}
