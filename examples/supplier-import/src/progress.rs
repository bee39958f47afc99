//! The progress bar: on a terminal, and nowhere else.

use std::fmt::Write;

use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use crate::db::Seen;

/// Shows how far an import has come. Cleared when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new() -> Self {
        // Drawn on stderr; indicatif draws nothing when that is no terminal.
        let bar = ProgressBar::new(0);
        bar.set_style(style("{spinner} {msg}"));
        bar.set_message("reading the file");
        Self { bar }
    }

    pub(crate) fn show(&self, seen: Seen) {
        if let Some(total) = seen.rows_total {
            if self.bar.length() != Some(total) {
                self.bar.set_length(total);
                self.bar.set_style(style(
                    "[{bar:40}] {human_pos} of {human_len}, {rate} rows/s, {eta} left",
                ));
            }
            self.bar.set_position(seen.rows_done);
        } else {
            self.bar.tick();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // A broken template shows as indicatif's own bar, which is no reason to fail an import.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
        .with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
            // Writes to a text in memory, which takes everything.
            let _ = write!(out, "{:.0}", state.per_sec());
        })
}
