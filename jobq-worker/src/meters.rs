//! The inventory of a worker's metrics, and the handles through which they are written.
//!
//! | metric | sort | labels |
//! | --- | --- | --- |
//! | `jobq_jobs_leased_total` | counter | `queue` |
//! | `jobq_jobs_settled_total` | counter | `queue`, `kind`, `outcome` (completed, retried, snoozed, released, dead, cancelled) |
//! | `jobq_job_duration_seconds` | histogram | `queue`, `kind`: from the handler's start to its end |
//! | `jobq_job_wait_seconds` | histogram | `queue`, `kind`: from the enqueue to the lease |
//! | `jobq_leases_lost_total` | counter | |
//! | `jobq_leases_extended_total` | counter | |
//! | `jobq_handlers_stuck_total` | counter | |
//! | `jobq_backend_errors_total` | counter | |
//! | `jobq_jobs_running` | gauge | |
//!
//! The handles are made once, when the worker starts, because making one for every job would cost more
//! than an empty job does. A recorder must therefore be installed before.

use std::time::Duration;

use jobq_core::Next;

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
}

#[derive(Debug)]
struct QueueMeters {
    leased: Counter,
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

/// The kind under which jobs without a handler are counted: theirs could be anything.
const UNKNOWN: &str = "unknown";

impl Meters {
    pub(crate) fn new(config: &Config, handlers: &Handlers) -> Self {
        let queues = config.queues.iter().map(|queue| {
            let queue = queue.name.as_str();
            QueueMeters {
                leased: Counter::new("jobq_jobs_leased_total", &[("queue", queue)]),
                kinds: handlers
                    .kinds()
                    .chain([UNKNOWN])
                    .map(|kind| KindMeters::new(queue, kind))
                    .collect(),
            }
        });
        Self {
            queues: queues.collect(),
            leases_lost: Counter::new("jobq_leases_lost_total", &[]),
            leases_extended: Counter::new("jobq_leases_extended_total", &[]),
            handlers_stuck: Counter::new("jobq_handlers_stuck_total", &[]),
            backend_errors: Counter::new("jobq_backend_errors_total", &[]),
            jobs_running: Gauge::new("jobq_jobs_running"),
        }
    }

    pub(crate) fn leased(&self, queue: usize, count: usize) {
        self.queues[queue].leased.add(count);
    }

    pub(crate) fn waited(&self, queue: usize, handler: Option<usize>, wait: Duration) {
        self.kind(queue, handler).wait.record(wait);
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

    fn kind(&self, queue: usize, handler: Option<usize>) -> &KindMeters {
        let kinds = &self.queues[queue].kinds;
        &kinds[handler.unwrap_or(kinds.len() - 1)]
    }
}

impl KindMeters {
    fn new(queue: &str, kind: &str) -> Self {
        let labels = [("queue", queue), ("kind", kind)];
        Self {
            outcomes: OUTCOMES.map(|outcome| {
                let [queue, kind] = labels;
                Counter::new("jobq_jobs_settled_total", &[queue, kind, ("outcome", outcome)])
            }),
            duration: Histogram::new("jobq_job_duration_seconds", &labels),
            wait: Histogram::new("jobq_job_wait_seconds", &labels),
        }
    }
}

#[cfg(feature = "metrics")]
mod handles {
    use std::time::Duration;

    use metrics::Label;

    fn labels(labels: &[(&'static str, &str)]) -> Vec<Label> {
        labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect()
    }

    pub(crate) struct Counter(metrics::Counter);

    impl Counter {
        pub(super) fn new(name: &'static str, with: &[(&'static str, &str)]) -> Self {
            Self(metrics::counter!(name, labels(with)))
        }

        pub(crate) fn add(&self, count: usize) {
            self.0.increment(count as u64);
        }
    }

    pub(crate) struct Gauge(metrics::Gauge);

    impl Gauge {
        pub(super) fn new(name: &'static str) -> Self {
            Self(metrics::gauge!(name))
        }

        #[expect(clippy::cast_precision_loss, reason = "no worker runs 2^52 jobs at once")]
        pub(crate) fn set(&self, value: usize) {
            self.0.set(value as f64);
        }
    }

    pub(crate) struct Histogram(metrics::Histogram);

    impl Histogram {
        pub(super) fn new(name: &'static str, with: &[(&'static str, &str)]) -> Self {
            Self(metrics::histogram!(name, labels(with)))
        }

        pub(crate) fn record(&self, value: Duration) {
            self.0.record(value);
        }
    }
}

#[cfg(not(feature = "metrics"))]
mod handles {
    use std::time::Duration;

    pub(crate) struct Counter;

    impl Counter {
        pub(super) const fn new(_: &'static str, _: &[(&'static str, &str)]) -> Self {
            Self
        }

        pub(crate) const fn add(&self, _: usize) {}
    }

    pub(crate) struct Gauge;

    impl Gauge {
        pub(super) const fn new(_: &'static str) -> Self {
            Self
        }

        pub(crate) const fn set(&self, _: usize) {}
    }

    pub(crate) struct Histogram;

    impl Histogram {
        pub(super) const fn new(_: &'static str, _: &[(&'static str, &str)]) -> Self {
            Self
        }

        pub(crate) const fn record(&self, _: Duration) {}
    }
}

pub(crate) use handles::{Counter, Gauge, Histogram};

macro_rules! opaque {
    ($($handle:ident),*) => {
        $(impl std::fmt::Debug for $handle {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($handle))
            }
        })*
    };
}

opaque!(Counter, Gauge, Histogram);
