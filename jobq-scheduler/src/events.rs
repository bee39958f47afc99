//! What a scheduler logs. `docs/health.md` lists it for people, and is tested against this.

use jobq_core::schedules::ScheduleRef;
use jobq_core::{Error, GroupName, JobId, QueueName, ScheduleName, Timestamp};
use tracing::{debug, error, info, warn};

const TARGET: &str = "jobq";

pub(crate) fn group_out_of_reach(group: &GroupName, error: &Error) {
    warn!(target: TARGET, %group, %error, "scheduler cannot read its group");
}

pub(crate) fn group_reached_again(group: &GroupName) {
    info!(target: TARGET, %group, "scheduler can read its group again");
}

pub(crate) fn group_not_left(group: &GroupName, error: &Error) {
    debug!(target: TARGET, %group, %error, "scheduler could not leave its group");
}

/// `schedule` is no [`ScheduleName`] where a newer version has written what only it can read.
pub(crate) fn not_run_as_declared(schedule: &str, group: &GroupName, why: &str) {
    warn!(target: TARGET, schedule, %group, why, "schedule not run as declared");
}

pub(crate) fn cannot_be_run(schedule: &ScheduleName, group: &GroupName, error: &Error) {
    error!(target: TARGET, %schedule, %group, %error, "schedule cannot be run");
}

pub(crate) fn not_shown(entry: &str, group: &GroupName) {
    warn!(target: TARGET, entry, %group, "schedule not shown: a newer jobq has written it");
}

pub(crate) fn enqueued(schedule: &ScheduleRef, tick: Timestamp, job: JobId, is_new: bool) {
    debug!(target: TARGET, %schedule, %tick, %job, is_new, "tick enqueued");
}

pub(crate) fn left_out(schedule: &ScheduleRef, tick: Timestamp) {
    info!(target: TARGET, %schedule, %tick, "tick left out: a job of the schedule is still live");
}

/// Claims are held back, because of an error of the store or for a reason of their own.
pub(crate) fn claims_wait(
    schedule: &ScheduleName,
    group: &GroupName,
    queue: &QueueName,
    why: &str,
    error: Option<&Error>,
) {
    warn!(
        target: TARGET,
        %schedule,
        %group,
        %queue,
        why,
        error = error.map(tracing::field::display),
        "claims wait, and are tried again now and then"
    );
}

pub(crate) fn claims_go_on(schedule: &ScheduleName, queue: &QueueName) {
    info!(target: TARGET, %schedule, %queue, "claims go on");
}
