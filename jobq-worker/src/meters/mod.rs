//! What a worker counts and measures, and the handles through which it does.
//!
//! Each goes to the [facade](facade) of the crate `metrics`, if the program has installed a recorder, and to
//! the [ledger] of a health listener, if there is one. All are in the [inventory].
//!
//! The handles are made once, when the worker starts, because making one for every job would cost more
//! than an empty job does. A recorder must therefore be installed before.

mod facade;
mod handles;
pub(crate) mod inventory;
mod ledger;

use std::time::Duration;

use jobq_core::{FailureKind, Lease, Next};

pub(crate) use self::handles::{Counter, Gauge, Histogram};
use self::handles::{Shown, To};
use self::inventory::{
    BACKEND_ERRORS, CONCURRENCY, DURATION, HANDLERS_STUCK, LEASED, LEASES_EXTENDED, LEASES_LOST,
    RECLAIMED, RUNNING, SETTLED, WAIT,
};
pub(crate) use self::ledger::Ledger;
#[cfg(feature = "health")]
pub(crate) use self::ledger::{Labels, Reading};
use crate::config::Config;
use crate::registry::Handlers;

/// The handles of a worker's metrics.
#[derive(Debug)]
pub(crate) struct Meters {
    queues: Vec<QueueMeters>,
    pub(crate) leases_lost: Counter,
    pub(crate) leases_extended: Counter,
    pub(crate) handlers_stuck: Counter,
    pub(crate) backend_errors: Counter,
    pub(crate) jobs_running: Gauge,
    pub(crate) concurrency: Gauge,
}

#[derive(Debug)]
struct QueueMeters {
    leased: Counter,
    reclaimed: Counter,
    /// One for each handler, in their order, and a last one for jobs that have none.
    kinds: Vec<KindMeters>,
}

#[derive(Debug)]
struct KindMeters {
    outcomes: [Counter; OUTCOMES.len()],
    duration: Histogram,
    wait: Histogram,
}

const OUTCOMES: [&str; 6] = ["completed", "retried", "snoozed", "released", "dead", "cancelled"];

/// Those that alerts look at. A counter that is born at its first step shows no increase.
const ALARMING: [&str; 2] = ["retried", "dead"];

/// For how many kinds in queues other than their own these are shown from the start.
const MOST_GUESTS: usize = 500;

/// The kind under which jobs without a handler are counted: theirs could be anything.
const UNKNOWN: &str = "unknown";

impl Meters {
    pub(crate) fn new(config: &Config, handlers: &Handlers, ledger: Option<&Ledger>) -> Self {
        let to = To { ledger };
        let mut guests = 0..MOST_GUESTS;
        let mut guest = || match guests.next() {
            Some(_) => FirstShown { alarming: Shown::FromTheStart, others: Shown::OnceUsed },
            None => FirstShown { alarming: Shown::OnceUsed, others: Shown::OnceUsed },
        };
        let queues = config.queues.iter().map(|queue| {
            let queue = queue.name.as_str();
            let kinds = handlers.kinds_and_queues().map(|(kind, home)| {
                let shown = if home == queue { FirstShown::ALL } else { guest() };
                KindMeters::new(to, queue, kind, shown)
            });
            let mut kinds: Vec<_> = kinds.collect();
            kinds.push(KindMeters::new(to, queue, UNKNOWN, guest()));
            QueueMeters {
                leased: to.counter(&LEASED, &[("queue", queue)], Shown::FromTheStart),
                reclaimed: to.counter(&RECLAIMED, &[("queue", queue)], Shown::FromTheStart),
                kinds,
            }
        });
        let counter = |measure| to.counter(measure, &[], Shown::FromTheStart);
        let meters = Self {
            queues: queues.collect(),
            leases_lost: counter(&LEASES_LOST),
            leases_extended: counter(&LEASES_EXTENDED),
            handlers_stuck: counter(&HANDLERS_STUCK),
            backend_errors: counter(&BACKEND_ERRORS),
            jobs_running: to.gauge(&RUNNING),
            concurrency: to.gauge(&CONCURRENCY),
        };
        meters.concurrency.set(config.concurrency);
        meters
    }

    pub(crate) fn leased(&self, queue: usize, count: usize) {
        self.queues[queue].leased.add(count);
    }

    /// Notes what one lease tells of its job. Only the first wait of a job is one for a worker: those after
    /// it are backoffs, too.
    pub(crate) fn began(
        &self,
        queue: usize,
        handler: Option<usize>,
        lease: &Lease,
        wait: Duration,
    ) {
        let failures = lease.history.last();
        if lease.failed_attempts == 0 && lease.crashes == 0 {
            self.kind(queue, handler).wait.record(wait);
        } else if failures.is_some_and(|failure| failure.kind == FailureKind::Crash) {
            self.queues[queue].reclaimed.add(1);
        }
    }

    pub(crate) fn settled(
        &self,
        queue: usize,
        handler: Option<usize>,
        next: &Next,
        took: Option<Duration>,
    ) {
        let kind = self.kind(queue, handler);
        let outcome = match next {
            Next::Complete { .. } => 0,
            Next::Retry { .. } => 1,
            Next::Snooze { .. } => 2,
            Next::Dead { .. } => 4,
            Next::Cancel => 5,
            _ => 3,
        };
        kind.outcomes[outcome].add(1);
        if let Some(took) = took {
            kind.duration.record(took);
        }
    }

    /// What was running runs no more.
    pub(crate) fn ended(&self) {
        self.jobs_running.set(0);
        self.concurrency.set(0);
    }

    fn kind(&self, queue: usize, handler: Option<usize>) -> &KindMeters {
        let kinds = &self.queues[queue].kinds;
        &kinds[handler.unwrap_or(kinds.len() - 1)]
    }
}

/// From when on the metrics of a kind in a queue are shown.
#[derive(Clone, Copy)]
struct FirstShown {
    alarming: Shown,
    others: Shown,
}

impl FirstShown {
    const ALL: Self = Self { alarming: Shown::FromTheStart, others: Shown::FromTheStart };
}

impl KindMeters {
    fn new(to: To<'_>, queue: &str, kind: &str, shown: FirstShown) -> Self {
        let labels = [("queue", queue), ("kind", kind)];
        Self {
            outcomes: OUTCOMES.map(|outcome| {
                let [queue, kind] = labels;
                let shown = if ALARMING.contains(&outcome) { shown.alarming } else { shown.others };
                to.counter(&SETTLED, &[queue, kind, ("outcome", outcome)], shown)
            }),
            duration: to.histogram(&DURATION, &labels, shown.others),
            wait: to.histogram(&WAIT, &labels, shown.others),
        }
    }
}
