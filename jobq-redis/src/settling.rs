//! Settlements as arguments of scripts.

use std::collections::{HashMap, HashSet};

use jobq_core::{Failure, Held, LaneKey, Lease, Next, Settlement};
use redis::Cmd;

use crate::past::Facts;
use crate::reply;

/// Settlements with their places among all, by the script they need.
pub(crate) struct Split<'a> {
    /// Jobs that are done and leave nothing behind: nearly all. They may be settled after all others.
    pub(crate) completed: Vec<(usize, &'a Settlement)>,
    /// All others.
    pub(crate) other: Vec<(usize, &'a Settlement)>,
}

/// Sorts settlements by script. One lease settled twice in a call is lost the second time. A success
/// ends a lane's row of failures, so it is settled together with those of its lane that come after it.
pub(crate) fn split<'a>(
    settlements: &'a [Settlement],
    held: &mut [Held],
    has_flow: bool,
) -> Split<'a> {
    let mut split = Split { completed: Vec::with_capacity(settlements.len()), other: Vec::new() };
    let mut seen =
        HashSet::with_capacity(if settlements.len() > 1 { settlements.len() } else { 0 });
    let last_failures = last_failures(settlements);
    for (at, settlement) in settlements.iter().enumerate() {
        let lane = settlement.lease.job.lane.as_ref();
        let fails_later = lane.and_then(|lane| last_failures.get(lane)) > Some(&at);
        if settlements.len() > 1 && !seen.insert(settlement.lease.proof()) {
            held[at] = Held::Lost;
        } else if is_plain(settlement) && !fails_later && !(has_flow && has_result(settlement)) {
            split.completed.push((at, settlement));
        } else {
            split.other.push((at, settlement));
        }
    }
    split
}

/// The place of the last failure of each lane.
fn last_failures(settlements: &[Settlement]) -> HashMap<&LaneKey, usize> {
    let is_failure = |it: &Settlement| matches!(it.next, Next::Retry { .. } | Next::Dead { .. });
    let failures = settlements.iter().enumerate().filter(|(_, it)| is_failure(it));
    failures.filter_map(|(at, it)| Some((it.lease.job.lane.as_ref()?, at))).collect()
}

fn is_plain(settlement: &Settlement) -> bool {
    let job = &settlement.lease.job;
    matches!(settlement.next, Next::Complete { .. })
        && job.retention.is_none()
        && job.unique.is_none()
}

/// Whether a job leaves a result, which others may wait for where there is flow control.
pub(crate) fn has_result(settlement: &Settlement) -> bool {
    matches!(settlement.next, Next::Complete { result: Some(_) })
}

/// The four arguments of one settlement for `settle.lua`.
pub(crate) fn arguments(call: &mut Cmd, settlement: &Settlement) {
    let lease = &settlement.lease;
    call.arg(reply::member(lease.proof()).as_slice());
    match &settlement.next {
        Next::Complete { result } => {
            call.arg("complete").arg(0).arg(result.as_deref().unwrap_or_default())
        }
        Next::Retry { after, failure } => {
            let facts = facts_after(lease, failure);
            call.arg("retry").arg(after.as_millis().to_string()).arg(facts.encode())
        }
        Next::Snooze { after } => call.arg("snooze").arg(after.as_millis().to_string()).arg(""),
        Next::Dead { failure } => {
            let facts = facts_after(lease, failure);
            call.arg("dead").arg(0).arg(facts.encode())
        }
        Next::Cancel => call.arg("cancel").arg(0).arg(""),
        // `Release`, and whatever a later version of the contract adds: given back, nothing is lost.
        _ => call.arg("release").arg(0).arg(""),
    };
}

/// What is known of a job whose attempt has failed.
fn facts_after(lease: &Lease, failure: &Failure) -> Facts {
    let mut history = lease.history.clone();
    history.push(failure.clone());
    let failed_attempts = lease.failed_attempts.saturating_add(1);
    Facts { failed_attempts, crashes: lease.crashes, history }
}
