//! The handles of the crate `metrics`; without the feature `metrics`, nothing.

pub(super) use handles::{Counter, Gauge, Histogram};

#[cfg(feature = "metrics")]
mod handles {
    use std::time::Duration;

    use metrics::Label;

    fn labels(labels: &[(&'static str, &str)]) -> Vec<Label> {
        labels.iter().map(|(name, value)| Label::new(*name, (*value).to_owned())).collect()
    }

    pub(crate) struct Counter(metrics::Counter);

    impl Counter {
        pub(crate) fn new(name: &'static str, with: &[(&'static str, &str)]) -> Self {
            Self(metrics::counter!(name, labels(with)))
        }

        pub(crate) fn add(&self, count: usize) {
            self.0.increment(count as u64);
        }
    }

    pub(crate) struct Gauge(metrics::Gauge);

    impl Gauge {
        pub(crate) fn new(name: &'static str) -> Self {
            Self(metrics::gauge!(name))
        }

        #[expect(clippy::cast_precision_loss, reason = "no worker runs 2^52 jobs at once")]
        pub(crate) fn set(&self, value: usize) {
            self.0.set(value as f64);
        }
    }

    pub(crate) struct Histogram(metrics::Histogram);

    impl Histogram {
        pub(crate) fn new(name: &'static str, with: &[(&'static str, &str)]) -> Self {
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
        pub(crate) const fn new(_: &'static str, _: &[(&'static str, &str)]) -> Self {
            Self
        }

        pub(crate) const fn add(&self, _: usize) {}
    }

    pub(crate) struct Gauge;

    impl Gauge {
        pub(crate) const fn new(_: &'static str) -> Self {
            Self
        }

        pub(crate) const fn set(&self, _: usize) {}
    }

    pub(crate) struct Histogram;

    impl Histogram {
        pub(crate) const fn new(_: &'static str, _: &[(&'static str, &str)]) -> Self {
            Self
        }

        pub(crate) const fn record(&self, _: Duration) {}
    }
}
