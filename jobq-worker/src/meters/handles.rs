//! Handles that write to the facade and to the ledger.

use std::fmt;
use std::time::Duration;

use jobq_core::vitals::Measure;

use super::ledger::Ledger;
use super::{facade, ledger};

/// From when on the ledger shows a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// At zero, so that its first step is seen as one.
    FromTheStart,
    /// When something has been written to it: of all kinds in all queues, few ever occur.
    OnceUsed,
}

/// Where to write.
#[derive(Clone, Copy)]
pub(super) struct To<'a> {
    pub(super) ledger: Option<&'a Ledger>,
}

type With<'a> = &'a [(&'static str, &'a str)];

impl To<'_> {
    pub(super) fn counter(self, measure: &Measure, labels: With<'_>, shown: Shown) -> Counter {
        Counter {
            facade: facade::Counter::new(measure.name, labels),
            ledger: self.ledger.map(|ledger| ledger.counter(measure, labels, shown)),
        }
    }

    pub(super) fn gauge(self, measure: &Measure) -> Gauge {
        Gauge {
            facade: facade::Gauge::new(measure.name),
            ledger: self.ledger.map(|ledger| ledger.gauge(measure)),
        }
    }

    pub(super) fn histogram(self, measure: &Measure, labels: With<'_>, shown: Shown) -> Histogram {
        Histogram {
            facade: facade::Histogram::new(measure.name, labels),
            ledger: self.ledger.map(|ledger| ledger.histogram(measure, labels, shown)),
        }
    }
}

/// A number that only grows.
pub(crate) struct Counter {
    facade: facade::Counter,
    ledger: Option<ledger::Counter>,
}

impl Counter {
    pub(crate) fn add(&self, count: usize) {
        self.facade.add(count);
        if let Some(ledger) = &self.ledger {
            ledger.add(count);
        }
    }
}

/// A number that goes up and down.
pub(crate) struct Gauge {
    facade: facade::Gauge,
    ledger: Option<ledger::Gauge>,
}

impl Gauge {
    pub(crate) fn set(&self, value: usize) {
        self.facade.set(value);
        if let Some(ledger) = &self.ledger {
            ledger.set(value);
        }
    }
}

/// How often something took how long.
pub(crate) struct Histogram {
    facade: facade::Histogram,
    ledger: Option<ledger::Histogram>,
}

impl Histogram {
    pub(crate) fn record(&self, value: Duration) {
        self.facade.record(value);
        if let Some(ledger) = &self.ledger {
            ledger.record(value);
        }
    }
}

macro_rules! opaque {
    ($($handle:ident),*) => {
        $(impl fmt::Debug for $handle {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($handle))
            }
        })*
    };
}

opaque!(Counter, Gauge, Histogram);
