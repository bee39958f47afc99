//! Reads the text of `/metrics`, and refuses whatever Prometheus would.

use std::collections::BTreeMap;

/// A page that was read.
#[derive(Debug)]
pub(crate) struct Page {
    /// What each family is: `counter`, `gauge` or `histogram`.
    pub(crate) types: BTreeMap<String, String>,
    /// Values by name and labels, just as they stand: `jobq_store_up`, `jobq_queue_dead{queue="crm"}`.
    pub(crate) values: BTreeMap<String, f64>,
}

impl Page {
    /// Reads a page.
    ///
    /// # Panics
    ///
    /// When it breaks a rule of the format, with the line that does.
    pub(crate) fn read(text: &str) -> Self {
        let mut page = Self { types: BTreeMap::new(), values: BTreeMap::new() };
        let mut helped = Vec::new();
        let mut family = String::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if line == "# EOF" {
                assert!(lines.peek().is_none(), "something comes after the end");
                page.check_histograms();
                return page;
            }
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, told) = help.split_once(' ').unwrap();
                assert!(!told.is_empty(), "{line:?}");
                helped.push(name.to_owned());
            } else if let Some(sort) = line.strip_prefix("# TYPE ") {
                let (name, sort) = sort.split_once(' ').unwrap();
                assert!(["counter", "gauge", "histogram"].contains(&sort), "{line:?}");
                assert_eq!(helped.last().map(String::as_str), Some(name), "{line:?} has no help");
                let before = page.types.insert(name.to_owned(), sort.to_owned());
                assert_eq!(before, None, "{name} stands in two places");
                family = name.to_owned();
            } else {
                page.sample(&family, line);
            }
        }
        panic!("the text does not end with # EOF");
    }

    fn sample(&mut self, family: &str, line: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line:?}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => (name, rest.strip_suffix('}').unwrap()),
            None => (series, ""),
        };
        assert!(!series.ends_with("{}"), "{line:?}");
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(name.chars().all(is_name), "{line:?}");
        let ending =
            name.strip_prefix(family).unwrap_or_else(|| panic!("{line:?} is not of {family}"));
        let endings: &[&str] = match self.types[family].as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            _ => &["_bucket", "_sum", "_count"],
        };
        assert!(endings.contains(&ending), "{line:?}");
        for label in labels.split(',').filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once('=').unwrap_or_else(|| panic!("{line:?}"));
            assert!(name.chars().all(is_name), "{line:?}");
            assert!(value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{line:?}");
        }
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line:?}"));
        assert!(value.is_finite() && value >= 0.0, "{line:?}");
        let before = self.values.insert(series.to_owned(), value);
        assert_eq!(before, None, "{series} stands there twice");
    }

    /// Buckets grow, end with all, and agree with the count.
    fn check_histograms(&self) {
        for (family, _) in self.types.iter().filter(|(_, sort)| *sort == "histogram") {
            let prefix = format!("{family}_count");
            for (series, count) in self.values.iter().filter(|(name, _)| name.starts_with(&prefix))
            {
                let labels = series[prefix.len()..].trim_start_matches('{').trim_end_matches('}');
                let buckets = self.buckets(family, labels);
                assert!(buckets.len() > 5, "{series} has {} buckets", buckets.len());
                assert!(
                    buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
                    "{series}: {buckets:?}"
                );
                assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{series}");
                assert!(
                    self.values.contains_key(&series.replacen("_count", "_sum", 1)),
                    "{series}"
                );
            }
        }
    }

    /// The buckets of a histogram in order: upper bound, and how many are up to it.
    pub(crate) fn buckets(&self, family: &str, labels: &str) -> Vec<(f64, f64)> {
        let prefix = format!("{family}_bucket{{");
        let mut buckets: Vec<(f64, f64)> = Vec::new();
        for (series, value) in &self.values {
            let Some(inside) = series.strip_prefix(&prefix) else { continue };
            let (mut bound, mut others) = (None, Vec::new());
            for label in inside.trim_end_matches('}').split(',') {
                match label.strip_prefix("le=\"") {
                    Some(le) => {
                        bound = le.trim_end_matches('"').replace("+Inf", "inf").parse().ok()
                    }
                    None => others.push(label),
                }
            }
            if others.join(",") == labels {
                buckets.push((bound.unwrap(), *value));
            }
        }
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets
    }

    /// The value of a series.
    ///
    /// # Panics
    ///
    /// When it is not there, with the whole page.
    pub(crate) fn value(&self, series: &str) -> f64 {
        *self.values.get(series).unwrap_or_else(|| panic!("no {series} in {:#?}", self.values))
    }

    /// Whether any series of a metric is there.
    pub(crate) fn has(&self, metric: &str) -> bool {
        self.values.keys().any(|series| series.split('{').next() == Some(metric))
    }
}
