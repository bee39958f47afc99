//! What a scheduler counts of itself, for those who ask how it is.

use std::time::Duration;

use jobq_core::Vitals;
use jobq_core::vitals::{Count, Measure};

/// After how long a tick counts as late. A scheduler that lives claims one within milliseconds; what is made
/// up for after an outage is later.
pub(crate) const LATE_AFTER: Duration = Duration::from_secs(10);

const TICKS: Measure = Measure::new(
    "jobq_scheduler_ticks_total",
    "Ticks claimed by this scheduler, and what became of them",
);
const LATE: Measure = Measure::new(
    "jobq_scheduler_ticks_late_total",
    "Ticks claimed more than ten seconds after their time",
);
const FAILED: Measure =
    Measure::new("jobq_scheduler_claims_failed_total", "Claims that failed and were tried again");

/// The counts of a scheduler.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) enqueued: Count,
    pub(crate) left_out: Count,
    pub(crate) late: Count,
    pub(crate) failed: Count,
}

impl Counts {
    pub(crate) fn in_vitals(vitals: &Vitals) -> Self {
        Self {
            enqueued: vitals.count(TICKS.labels(&[("outcome", "enqueued")])),
            left_out: vitals.count(TICKS.labels(&[("outcome", "left_out")])),
            late: vitals.count(LATE),
            failed: vitals.count(FAILED),
        }
    }
}
