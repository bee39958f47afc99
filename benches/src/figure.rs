//! What was measured, and the bar it is held to.

use comfy_table::Table;
use serde::Serialize;

/// What a figure must reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bar {
    AtLeast(f64),
    AtMost(f64),
    /// Measured for its own sake.
    None,
}

/// One measurement of one run.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) scenario: &'static str,
    pub(crate) metric: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) bar: Bar,
}

/// The figures of one scenario.
pub(crate) struct Figures {
    scenario: &'static str,
    figures: Vec<Figure>,
}

impl Figures {
    pub(crate) const fn of(scenario: &'static str) -> Self {
        Self { scenario, figures: Vec::new() }
    }

    pub(crate) fn add(&mut self, metric: &'static str, value: f64, unit: &'static str, bar: Bar) {
        self.figures.push(Figure { scenario: self.scenario, metric, value, unit, bar });
    }

    pub(crate) fn done(self) -> Vec<Figure> {
        self.figures
    }
}

/// A line of output.
#[derive(Debug, Serialize)]
struct Line {
    scenario: &'static str,
    metric: &'static str,
    value: f64,
    unit: &'static str,
    bar: Option<f64>,
    met: bool,
    min: f64,
    max: f64,
    runs: usize,
}

pub(crate) struct Report {
    json: bool,
    lines: Vec<Line>,
}

impl Report {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json, lines: Vec::new() }
    }

    /// Adds a scenario's runs, each with the same figures in the same order.
    pub(crate) fn add(&mut self, runs: &[Vec<Figure>]) {
        let Some(first) = runs.first() else { return };
        for (nth, figure) in first.iter().enumerate() {
            let mut values: Vec<f64> =
                runs.iter().filter_map(|run| run.get(nth)).map(|figure| figure.value).collect();
            values.sort_by(f64::total_cmp);
            let value = values[values.len() / 2];
            let (bar, met) = match figure.bar {
                Bar::AtLeast(bar) => (Some(bar), value >= bar),
                // What must never happen must not happen in any run.
                Bar::AtMost(0.0) => (Some(0.0), values[values.len() - 1] <= 0.0),
                Bar::AtMost(bar) => (Some(bar), value <= bar),
                Bar::None => (None, true),
            };
            let line = Line {
                scenario: figure.scenario,
                metric: figure.metric,
                value: round(value),
                unit: figure.unit,
                bar,
                met,
                min: round(values[0]),
                max: round(values[values.len() - 1]),
                runs: values.len(),
            };
            if self.json {
                print_json(&line);
            }
            self.lines.push(line);
        }
    }

    pub(crate) fn all_met(&self) -> bool {
        self.lines.iter().all(|line| line.met)
    }

    #[expect(clippy::print_stdout, reason = "the output of this program")]
    pub(crate) fn print(&self) {
        if self.json {
            return;
        }
        let mut table = Table::new();
        table.set_header(["scenario", "metric", "median", "min", "max", "unit", "bar", "met"]);
        for line in &self.lines {
            table.add_row([
                line.scenario.to_owned(),
                line.metric.to_owned(),
                line.value.to_string(),
                line.min.to_string(),
                line.max.to_string(),
                line.unit.to_owned(),
                line.bar.map_or_else(String::new, |bar| bar.to_string()),
                if line.bar.is_none() {
                    ""
                } else if line.met {
                    "yes"
                } else {
                    "NO"
                }
                .to_owned(),
            ]);
        }
        println!("{table}");
    }
}

#[expect(clippy::print_stdout, reason = "the output of this program")]
fn print_json(line: &Line) {
    if let Ok(json) = serde_json::to_string(line) {
        println!("{json}");
    }
}

/// Three digits behind the point, and none for large numbers.
fn round(value: f64) -> f64 {
    if value.abs() >= 1_000.0 { value.round() } else { (value * 1_000.0).round() / 1_000.0 }
}
