//! The progress of a job: a bar on a terminal, and lines elsewhere.

use std::io::{IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far a job has come, on stderr. A bar is cleared when this is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    total: u64,
    bar: Option<ProgressBar>,
}

impl Progress {
    pub(crate) fn new(total: u64) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(total));
        if let Some(bar) = &bar {
            let template = "[{bar:40}] {human_pos} of {human_len} leads, {eta} left";
            // A broken template shows as indicatif's own bar, which is no reason to fail.
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("=> "));
        }
        Self { total, bar }
    }

    pub(crate) fn show(&self, done: u64) {
        match &self.bar {
            Some(bar) => bar.set_position(done),
            None => {
                // Nobody is left to tell when stderr is closed.
                let _ = writeln!(std::io::stderr(), "{done} of {} leads", self.total);
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
