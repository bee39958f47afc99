//! The text of `/metrics`.

use std::collections::BTreeMap;
use std::fmt;

use jobq_core::inspect::LaneView;
use jobq_core::vitals::{Condition, Measure};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::store::{QueueSeen, QueuesSeen, Seen};
use super::{Health, gauges};
use crate::meters::{Labels, Reading};

/// Of what sort the text is: OpenMetrics, which Prometheus reads since its version 2.5.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All that a scrape shows, metric by metric.
#[derive(Debug, Default)]
struct Page {
    metrics: BTreeMap<&'static str, Metric>,
}

/// What a part counts: by name, and labels.
type Counted = (&'static str, &'static [(&'static str, &'static str)]);

#[derive(Debug)]
struct Metric {
    help: &'static str,
    lines: Vec<(Labels, Reading)>,
}

impl Health {
    /// What there is to scrape.
    pub(super) async fn metrics(&self) -> String {
        let store = self.shared.store.look().await;
        let mut page = Page::default();
        for (name, help, labels, reading) in self.shared.ledger.readings() {
            page.add(name, help, labels, reading);
        }
        page.parts(self);
        page.store(&store);
        page.text()
    }
}

impl Page {
    fn add(&mut self, name: &'static str, help: &'static str, labels: Labels, reading: Reading) {
        let metric = self.metrics.entry(name).or_insert_with(|| Metric { help, lines: Vec::new() });
        metric.lines.push((labels, reading));
    }

    fn gauge(&mut self, measure: &Measure, labels: Labels, value: f64) {
        self.add(measure.name, measure.help, labels, Reading::Gauge(value));
    }

    fn parts(&mut self, health: &Health) {
        // Parts of one name are one: the least ready and the most silent of them is shown.
        let mut parts: BTreeMap<&'static str, (bool, f64)> = BTreeMap::new();
        let mut counts: BTreeMap<Counted, (Measure, u64)> = BTreeMap::new();
        for part in health.parts() {
            let condition = part.condition();
            let is_over = condition == Condition::Stopped;
            let silent = part.since_beat().filter(|_| !is_over).unwrap_or_default();
            let shown = parts.entry(part.part()).or_insert((true, 0.0));
            shown.0 &= condition == Condition::Ready;
            shown.1 = shown.1.max(silent.as_secs_f64());
            for (measure, count) in part.counts() {
                counts.entry((measure.name, measure.labels)).or_insert((measure, 0)).1 += count;
            }
        }
        for (part, (is_ready, silent)) in parts {
            let labels = vec![("part", part.to_owned())];
            self.gauge(&gauges::PART_UP, labels.clone(), f64::from(u8::from(is_ready)));
            self.gauge(&gauges::PART_SILENT, labels, silent);
        }
        for (measure, count) in counts.into_values() {
            let labels = measure.labels.iter().map(|(name, value)| (*name, (*value).to_owned()));
            self.add(measure.name, measure.help, labels.collect(), Reading::Counter(count));
        }
    }

    fn store(&mut self, seen: &Seen<QueuesSeen>) {
        let is_up = matches!(seen, Seen::Up(_));
        self.gauge(&gauges::STORE_UP, Vec::new(), f64::from(u8::from(is_up)));
        let Seen::Up(queues) = seen else { return };
        self.gauge(&gauges::UNCOUNTED, Vec::new(), number(queues.uncounted as u64));
        for queue in &queues.counted {
            self.queue(queue);
        }
    }

    fn queue(&mut self, queue: &QueueSeen) {
        let stats = &queue.stats;
        let labels = || vec![("queue", stats.queue.to_string())];
        let mut show = |measure, value: f64| self.gauge(measure, labels(), value);
        show(&gauges::WORKERS, number(queue.workers as u64));
        show(&gauges::READY, number(stats.ready));
        let oldest = stats.oldest_ready_at.map_or(0.0, |at| queue.seen_at.since(at).as_secs_f64());
        show(&gauges::OLDEST_READY, oldest);
        show(&gauges::SCHEDULED, number(stats.scheduled));
        show(&gauges::WAITING, number(stats.waiting));
        show(&gauges::LEASED, number(stats.leased));
        show(&gauges::DEAD, number(stats.dead));
        show(&gauges::KEPT, number(stats.completed + stats.cancelled));
        show(&gauges::PAUSED, f64::from(u8::from(stats.paused)));
        if let Some(limit) = queue.limit {
            show(&gauges::LEASED_LIMIT, f64::from(limit));
        }
        if let Some(limit) = queue.lane_limit {
            show(&gauges::LANE_LIMIT, f64::from(limit));
        }
        if !queue.lanes.is_empty() {
            let limit_of = |lane: &LaneView| u64::from(lane.limits.concurrency.unwrap_or_default());
            let full = queue.lanes.iter().filter(|lane| lane.leased >= limit_of(lane)).count();
            show(&gauges::LIMITED_LANES, number(queue.lanes.len() as u64));
            show(&gauges::LIMITED_FULL, number(full as u64));
            show(&gauges::LIMITED_LEASED, number(queue.lanes.iter().map(|lane| lane.leased).sum()));
            show(&gauges::LIMITED_LIMIT, number(queue.lanes.iter().map(limit_of).sum()));
        }
    }

    fn text(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // A string takes whatever is written to it.
        let _ = text::encode(&mut text, &registry);
        text
    }
}

#[expect(clippy::cast_precision_loss, reason = "no queue has 2^52 jobs")]
const fn number(count: u64) -> f64 {
    count as f64
}

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for (name, metric) in &self.metrics {
            let Some((_, first)) = metric.lines.first() else { continue };
            let sort = match first {
                Reading::Counter(_) => MetricType::Counter,
                Reading::Gauge(_) => MetricType::Gauge,
                Reading::Histogram { .. } => MetricType::Histogram,
            };
            // It adds the ending of a counter by itself.
            let name = name.strip_suffix("_total").unwrap_or(name);
            let mut family = encoder.encode_descriptor(name, metric.help, None, sort)?;
            for (labels, reading) in &metric.lines {
                // An empty set of labels would be written, too.
                if labels.is_empty() {
                    write(&mut family, reading)?;
                } else {
                    write(&mut family.encode_family(labels)?, reading)?;
                }
            }
        }
        Ok(())
    }
}

fn write(line: &mut MetricEncoder<'_>, reading: &Reading) -> fmt::Result {
    match reading {
        Reading::Counter(count) => line.encode_counter::<NoLabelSet, _, u64>(count, None),
        Reading::Gauge(value) => line.encode_gauge(value),
        Reading::Histogram { sum, buckets } => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            line.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
    }
}
