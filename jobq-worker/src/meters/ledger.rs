//! What has been counted so far, for whoever asks: shared by all workers of a process that report to one
//! listener. Without the feature `health`, nothing.

pub(crate) use entries::{Counter, Gauge, Histogram, Ledger};
#[cfg(feature = "health")]
pub(crate) use entries::{Labels, Reading};

#[cfg(feature = "health")]
mod entries {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
    use std::time::Duration;

    use jobq_core::vitals::Measure;

    use crate::meters::handles::Shown;

    /// The upper bounds of a histogram's buckets, in microseconds: from what a handler without work takes
    /// to what is a batch job, in steps of two to five.
    const BOUNDS: [u64; 16] = [
        1_000,
        5_000,
        10_000,
        25_000,
        50_000,
        100_000,
        250_000,
        500_000,
        1_000_000,
        2_500_000,
        5_000_000,
        10_000_000,
        30_000_000,
        60_000_000,
        300_000_000,
        3_600_000_000,
    ];

    pub(crate) type Labels = Vec<(&'static str, String)>;

    /// All entries, by metric and labels. Workers that count the same share an entry.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct Ledger {
        entries: Arc<Mutex<BTreeMap<Key, Entry>>>,
    }

    type Key = (&'static str, Labels);

    #[derive(Debug)]
    struct Entry {
        help: &'static str,
        shown: Shown,
        value: Value,
    }

    #[derive(Clone, Debug)]
    enum Value {
        Counter(Arc<AtomicU64>),
        Gauge(Arc<AtomicI64>),
        Histogram(Arc<Buckets>),
    }

    /// What an entry says.
    #[derive(Clone, Debug, PartialEq)]
    pub(crate) enum Reading {
        Counter(u64),
        Gauge(f64),
        /// The sum, and how many fell into each bucket up to its upper bound, none of them counted twice.
        Histogram {
            sum: f64,
            buckets: Vec<(f64, u64)>,
        },
    }

    impl Ledger {
        pub(in crate::meters) fn counter(
            &self,
            measure: &Measure,
            labels: &[(&'static str, &str)],
            shown: Shown,
        ) -> Counter {
            match self.entry(measure, labels, shown, || Value::Counter(Arc::default())) {
                Value::Counter(count) => Counter(count),
                _ => Counter(Arc::default()),
            }
        }

        pub(in crate::meters) fn gauge(&self, measure: &Measure) -> Gauge {
            let all = match self
                .entry(measure, &[], Shown::FromTheStart, || Value::Gauge(Arc::default()))
            {
                Value::Gauge(all) => all,
                _ => Arc::default(),
            };
            Gauge { all, own: AtomicI64::new(0) }
        }

        pub(in crate::meters) fn histogram(
            &self,
            measure: &Measure,
            labels: &[(&'static str, &str)],
            shown: Shown,
        ) -> Histogram {
            match self.entry(measure, labels, shown, || Value::Histogram(Arc::default())) {
                Value::Histogram(buckets) => Histogram(buckets),
                _ => Histogram(Arc::default()),
            }
        }

        fn entry(
            &self,
            measure: &Measure,
            labels: &[(&'static str, &str)],
            shown: Shown,
            new: impl FnOnce() -> Value,
        ) -> Value {
            let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            let mut entries = self.lock();
            let fresh = || Entry { help: measure.help, shown, value: new() };
            entries.entry((measure.name, labels)).or_insert_with(fresh).value.clone()
        }

        /// What there is to show, metric by metric: name, help, labels, and what it says.
        pub(crate) fn readings(&self) -> Vec<(&'static str, &'static str, Labels, Reading)> {
            let entries = self.lock();
            let shown = entries.iter().filter_map(|((name, labels), entry)| {
                let reading = entry.value.read();
                let is_shown = entry.shown == Shown::FromTheStart || !reading.is_zero();
                is_shown.then(|| (*name, entry.help, labels.clone(), reading))
            });
            shown.collect()
        }

        fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
            // No code of others runs under the lock.
            self.entries.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    impl Value {
        #[expect(clippy::cast_precision_loss, reason = "no process runs 2^52 jobs at once")]
        fn read(&self) -> Reading {
            match self {
                Self::Counter(count) => Reading::Counter(count.load(Ordering::Relaxed)),
                Self::Gauge(all) => Reading::Gauge(all.load(Ordering::Relaxed) as f64),
                Self::Histogram(buckets) => buckets.read(),
            }
        }
    }

    impl Reading {
        fn is_zero(&self) -> bool {
            match self {
                Self::Counter(count) => *count == 0,
                Self::Gauge(value) => *value == 0.0,
                Self::Histogram { buckets, .. } => buckets.iter().all(|(_, count)| *count == 0),
            }
        }
    }

    pub(crate) struct Counter(Arc<AtomicU64>);

    impl Counter {
        pub(crate) fn add(&self, count: usize) {
            self.0.fetch_add(count as u64, Ordering::Relaxed);
        }
    }

    /// One worker's part in a sum over all workers.
    pub(crate) struct Gauge {
        all: Arc<AtomicI64>,
        own: AtomicI64,
    }

    impl Gauge {
        pub(crate) fn set(&self, value: usize) {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            let before = self.own.swap(value, Ordering::Relaxed);
            self.all.fetch_add(value.wrapping_sub(before), Ordering::Relaxed);
        }
    }

    impl Drop for Gauge {
        fn drop(&mut self) {
            self.set(0);
        }
    }

    #[derive(Debug, Default)]
    struct Buckets {
        /// How many fell into each, and a last one for what is over all bounds.
        counts: [AtomicU64; BOUNDS.len() + 1],
        sum_us: AtomicU64,
    }

    impl Buckets {
        #[expect(clippy::cast_precision_loss, reason = "seconds for people")]
        fn read(&self) -> Reading {
            let bounds = BOUNDS.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
            let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
            let sum = self.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
            Reading::Histogram { sum, buckets: bounds.zip(counts).collect() }
        }
    }

    pub(crate) struct Histogram(Arc<Buckets>);

    impl Histogram {
        pub(crate) fn record(&self, value: Duration) {
            let us = u64::try_from(value.as_micros()).unwrap_or(u64::MAX);
            let bucket = BOUNDS.partition_point(|bound| *bound < us);
            self.0.counts[bucket].fetch_add(1, Ordering::Relaxed);
            self.0.sum_us.fetch_add(us, Ordering::Relaxed);
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::meters::inventory::{DURATION, RUNNING, SETTLED};

        #[test]
        fn a_value_falls_into_the_bucket_that_ends_with_it() {
            let ledger = Ledger::default();
            let histogram = ledger.histogram(&DURATION, &[], Shown::FromTheStart);

            for us in [0, 1_000, 1_001, 3_600_000_000, 3_600_000_001] {
                histogram.record(Duration::from_micros(us));
            }

            let (.., Reading::Histogram { sum, buckets }) = ledger.readings().remove(0) else {
                panic!("no histogram")
            };
            assert_eq!((buckets[0], buckets[1]), ((0.001, 2), (0.005, 1)));
            assert_eq!((buckets[15], buckets[16]), ((3_600.0, 1), (f64::INFINITY, 1)));
            assert!((sum - 7_200.002_002).abs() < 1e-9, "{sum}");
        }

        #[test]
        fn workers_that_count_the_same_share_an_entry() {
            let ledger = Ledger::default();
            let labels = [("queue", "crm")];
            ledger.counter(&SETTLED, &labels, Shown::OnceUsed).add(2);
            ledger.counter(&SETTLED, &labels, Shown::OnceUsed).add(3);
            let (one, other) = (ledger.gauge(&RUNNING), ledger.gauge(&RUNNING));
            one.set(4);
            other.set(5);
            one.set(1);

            let readings: Vec<_> =
                ledger.readings().into_iter().map(|(.., reading)| reading).collect();
            assert_eq!(readings, [Reading::Gauge(6.0), Reading::Counter(5)]);

            drop((one, other));
            let (.., running) = ledger.readings().remove(0);
            assert_eq!(running, Reading::Gauge(0.0));
        }

        #[test]
        fn what_is_unused_is_shown_only_if_it_is_to_be_from_the_start() {
            let ledger = Ledger::default();
            let _hidden = ledger.counter(&SETTLED, &[("queue", "a")], Shown::OnceUsed);
            let _shown = ledger.counter(&SETTLED, &[("queue", "b")], Shown::FromTheStart);

            let readings = ledger.readings();

            assert_eq!(readings.len(), 1);
            assert_eq!(readings[0].2, [("queue", "b".to_owned())]);
        }
    }
}

#[cfg(not(feature = "health"))]
mod entries {
    use std::convert::Infallible;
    use std::time::Duration;

    use jobq_core::vitals::Measure;

    use crate::meters::handles::Shown;

    /// There is none.
    pub(crate) struct Ledger(Infallible);

    impl Ledger {
        pub(in crate::meters) const fn counter(
            &self,
            _: &Measure,
            _: &[(&'static str, &str)],
            _: Shown,
        ) -> Counter {
            match self.0 {}
        }

        pub(in crate::meters) const fn gauge(&self, _: &Measure) -> Gauge {
            match self.0 {}
        }

        pub(in crate::meters) const fn histogram(
            &self,
            _: &Measure,
            _: &[(&'static str, &str)],
            _: Shown,
        ) -> Histogram {
            match self.0 {}
        }
    }

    pub(crate) struct Counter(Infallible);

    impl Counter {
        pub(crate) const fn add(&self, _: usize) {
            match self.0 {}
        }
    }

    pub(crate) struct Gauge(Infallible);

    impl Gauge {
        pub(crate) const fn set(&self, _: usize) {
            match self.0 {}
        }
    }

    pub(crate) struct Histogram(Infallible);

    impl Histogram {
        pub(crate) const fn record(&self, _: Duration) {
            match self.0 {}
        }
    }
}
