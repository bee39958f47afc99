//! Live output: a board that is drawn anew on a terminal, and some lines now and then elsewhere.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How often a terminal is drawn anew, and how often lines are written elsewhere.
const DRAW_EVERY: Duration = Duration::from_millis(250);
const WRITE_EVERY: Duration = Duration::from_secs(5);

/// One line for each name.
pub(crate) struct Board {
    names: Vec<&'static str>,
    /// On a terminal.
    lines: Option<Vec<ProgressBar>>,
    width: usize,
}

impl Board {
    pub(crate) fn new(names: Vec<&'static str>) -> Self {
        let width = names.iter().map(|name| name.len()).max().unwrap_or_default();
        // It is drawn on stderr, as progress is.
        let lines = std::io::stderr().is_terminal().then(|| {
            let together = MultiProgress::new();
            let style = ProgressStyle::with_template("  {prefix:.bold}  {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            names
                .iter()
                .map(|name| {
                    let line = together.add(ProgressBar::new_spinner().with_style(style.clone()));
                    line.set_prefix(format!("{name:width$}"));
                    line
                })
                .collect()
        });
        Self { names, lines, width }
    }

    /// How often it wants to be shown something.
    pub(crate) const fn every(&self) -> Duration {
        if self.lines.is_some() { DRAW_EVERY } else { WRITE_EVERY }
    }

    /// Shows a message for each name, in their order.
    pub(crate) fn show(&self, messages: &[String]) {
        if let Some(lines) = &self.lines {
            for (line, message) in lines.iter().zip(messages) {
                line.set_message(message.clone());
                line.tick();
            }
            return;
        }
        let mut text = String::new();
        for (name, message) in self.names.iter().zip(messages) {
            // Writing to a text in memory cannot fail.
            let _ = writeln!(text, "  {name:width$}  {message}", width = self.width);
        }
        // A closed stderr is no reason to stop.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// Leaves the last messages where they are.
    pub(crate) fn end(&self) {
        for line in self.lines.iter().flatten() {
            line.abandon();
        }
    }
}
