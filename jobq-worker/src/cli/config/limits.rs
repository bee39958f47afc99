//! `[queues]` and `[limits]` of `jobq.toml`: what limits queues, lanes and several queues together.

use std::collections::BTreeMap;

use jobq_core::{LaneKey, LimitName, LimitScope, Limits, QueueName, Rate};
use serde::Deserialize;
use toml::Spanned;

use super::complaint::place_of;
use super::values::{Failures, Text, Whole};

/// What holds for a queue or a lane, at most.
const MOST_JOBS: u64 = 1_000_000_000;
const MOST_WAITING: u64 = 1_000_000_000_000;
const MOST_WEIGHT: u64 = 100;

/// `[queues]`: each under its name.
pub(super) type QueueTables = BTreeMap<Spanned<QueueName>, QueueTable>;

/// `[limits]`: each that several queues share, under its name.
pub(super) type SharedTables = BTreeMap<Spanned<LimitName>, SharedTable>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QueueTable {
    concurrency: Option<Whole<1, MOST_JOBS>>,
    rate: Option<Text<Rate>>,
    max_size: Option<Whole<1, MOST_WAITING>>,
    shared: Option<LimitName>,
    lanes: Option<LaneTable>,
    #[serde(default)]
    lane: BTreeMap<Spanned<LaneKey>, LaneTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LaneTable {
    concurrency: Option<Whole<1, MOST_JOBS>>,
    rate: Option<Text<Rate>>,
    max_size: Option<Whole<1, MOST_WAITING>>,
    weight: Option<Whole<1, MOST_WEIGHT>>,
    breaker: Option<Failures>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SharedTable {
    concurrency: Option<Whole<1, MOST_JOBS>>,
    rate: Option<Text<Rate>>,
}

/// Limits with what they are for, and where in the text the file says so.
type Placed = (usize, LimitScope, Limits);

/// All that the file limits. What is wrong with limits as a whole is told with the place of their name.
pub(super) fn read(
    queues: QueueTables,
    shared: SharedTables,
    text: &str,
    faults: &mut Vec<String>,
) -> Vec<(LimitScope, Limits)> {
    let mut given = Vec::new();
    for (name, queue) in queues {
        let at = name.span().start;
        queue.limits(at, name.get_ref(), &mut given);
    }
    for (name, limit) in shared {
        let at = name.span().start;
        given.push((at, LimitScope::Shared(name.into_inner()), limit.limits()));
    }
    for (at, scope, limits) in &given {
        if let Err(fault) = limits.check(scope) {
            faults.push(format!("{}: the limits of {scope}: {fault}", place_of(text, *at)));
        }
    }
    given.into_iter().map(|(_, scope, limits)| (scope, limits)).collect()
}

impl QueueTable {
    /// A queue that the file names has just the limits that the file says, so what it does not say is
    /// set to none.
    fn limits(self, at: usize, queue: &QueueName, given: &mut Vec<Placed>) {
        let mut limits = Limits::new();
        limits.concurrency = self.concurrency.map(Whole::number);
        limits.rate = self.rate.map(|Text(rate)| rate);
        limits.max_size = self.max_size.map(|Whole(jobs)| jobs);
        limits.shared = self.shared;
        given.push((at, LimitScope::Queue(queue.clone()), limits));
        let lanes = self.lanes.map_or_else(Limits::new, LaneTable::limits);
        given.push((at, LimitScope::Lanes(queue.clone()), lanes));
        for (key, lane) in self.lane {
            let at = key.span().start;
            given.push((at, LimitScope::Lane(queue.clone(), key.into_inner()), lane.limits()));
        }
    }
}

impl LaneTable {
    fn limits(self) -> Limits {
        let mut limits = Limits::new();
        limits.concurrency = self.concurrency.map(Whole::number);
        limits.rate = self.rate.map(|Text(rate)| rate);
        limits.max_size = self.max_size.map(|Whole(jobs)| jobs);
        limits.weight = self.weight.map(Whole::number);
        limits.breaker = self.breaker.map(|Failures(breaker)| breaker);
        limits
    }
}

impl SharedTable {
    fn limits(self) -> Limits {
        let mut limits = Limits::new();
        limits.concurrency = self.concurrency.map(Whole::number);
        limits.rate = self.rate.map(|Text(rate)| rate);
        limits
    }
}
