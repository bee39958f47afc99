//! What is printed, and nowhere else.

use std::io::{self, Write};
use std::time::Duration;

pub(crate) use program::report::{json, line};
use serde::Serialize;

use crate::producer::FullSync;

/// Says something beside the result, which alone is on stdout.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// What a worker did, in one line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct RunSummary {
    /// Jobs that ended, well or for good.
    processed: u64,
    /// Attempts that failed.
    errors: u64,
    seconds: f64,
    /// Jobs that ended.
    per_minute: f64,
}

impl RunSummary {
    pub(crate) fn new(processed: u64, errors: u64, elapsed: Duration) -> Self {
        let seconds = elapsed.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let per_minute = processed as f64 * 60.0 / seconds.max(0.001);
        Self { processed, errors, seconds: tenths(seconds), per_minute: tenths(per_minute) }
    }

    pub(crate) fn of(summary: &jobq_worker::Summary) -> Self {
        Self::new(summary.completed + summary.dead, summary.failed, summary.elapsed)
    }

    pub(crate) fn text(&self) -> String {
        let Self { processed, errors, seconds, per_minute } = self;
        format!("processed {processed}, errors {errors} in {seconds:.1} s ({per_minute:.1}/min)")
    }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

pub(crate) fn full_sync(done: &FullSync) -> String {
    let FullSync { store, entity, enqueued, already_waiting, rate, estimated_minutes, .. } = done;
    let waiting = match already_waiting {
        0 => String::new(),
        n => format!(" ({n} more were waiting already)"),
    };
    format!(
        "store {store}: {enqueued} {entity} records enqueued{waiting}, about {estimated_minutes} min \
         at {rate}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_summed_up_in_one_line() {
        let summary = RunSummary::new(300, 3, Duration::from_millis(60_040));

        assert_eq!(summary.text(), "processed 300, errors 3 in 60.0 s (299.8/min)");
    }
}
