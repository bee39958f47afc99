//! How far a long command has come: a bar, where a terminal is there to see it.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;

/// A bar of so many steps on standard error, gone when it is dropped. There is none without a terminal, or
/// when quiet.
#[derive(Debug)]
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn of(steps: u64) -> Self {
        if output::is_quiet() || !io::stderr().is_terminal() {
            return Self::none();
        }
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len}  {eta} left");
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }

    /// A bar for what may also be few, which need none.
    pub(super) fn of_many(steps: u64) -> Self {
        const FEW: u64 = 20;
        if steps > FEW { Self::of(steps) } else { Self::none() }
    }

    pub(super) fn none() -> Self {
        Self(ProgressBar::hidden())
    }

    pub(super) fn step(&self, steps: u64) {
        self.0.inc(steps);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
