//! When things are done by themselves. Every process that serves or works runs these schedules; each tick is enqueued
//! once.
//!
//! What has been lost is put right by each process for itself, and not by a schedule: it may be the queue that has lost
//! it, and a process that starts must not wait for a tick.

use jobq_scheduler::{Schedule, Scheduler};

use crate::jobs::ForgetEnded;
use crate::queue::OpenQueue;

/// The group of the schedules: the name of this system among those that share a server.
pub const GROUP: &str = "bulk-leads";

/// The schedules, each under its name.
pub fn schedules() -> [(&'static str, Schedule); 1] {
    [("forget-ended", Schedule::hourly().without_overlapping().job(ForgetEnded::default()))]
}

/// A scheduler of these.
pub(crate) fn scheduler(queue: &OpenQueue) -> Scheduler {
    queue.schedules.scheduler().group(GROUP).schedules(schedules())
}
