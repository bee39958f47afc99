//! Limits as they are set: for one scope, from both sources.

use super::queue_state::QueueState;
use crate::clock::Timestamp;
use crate::limits::{LimitScope, LimitSetting, LimitSource, Limits};
use crate::name::QueueName;

/// The limits of one scope. What an operator has set wins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sourced {
    code: Limits,
    operator: Limits,
}

impl Sourced {
    pub(super) fn set(&mut self, source: LimitSource, limits: &Limits) {
        let place = match source {
            LimitSource::Code => &mut self.code,
            LimitSource::Operator => &mut self.operator,
        };
        place.clone_from(limits);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.code.is_empty() && self.operator.is_empty()
    }

    /// What holds, whoever has set it.
    pub(super) fn merged(&self) -> Limits {
        self.operator.or(&self.code)
    }

    /// One of them, whoever has set it.
    pub(super) fn pick<T>(&self, limit: impl Fn(&Limits) -> Option<T>) -> Option<T> {
        limit(&self.operator).or_else(|| limit(&self.code))
    }

    /// What each source has set, code first; nothing of one that has set none.
    pub(super) fn settings(&self, scope: LimitScope) -> impl Iterator<Item = LimitSetting> {
        let sources = [(LimitSource::Code, &self.code), (LimitSource::Operator, &self.operator)];
        let set = sources.into_iter().filter(|(_, limits)| !limits.is_empty());
        set.map(move |(source, limits)| LimitSetting::new(scope.clone(), source, limits.clone()))
    }
}

impl QueueState {
    /// Sets limits of the queue or its lanes. They hold from now on.
    pub(super) fn set_limits(
        &mut self,
        scope: &LimitScope,
        source: LimitSource,
        limits: &Limits,
        now: Timestamp,
    ) {
        match scope {
            LimitScope::Queue(_) => {
                self.limits.set(source, limits);
                self.take_part(now);
            }
            LimitScope::Lanes(_) => self.places.ready.limit_each(source, limits, now),
            LimitScope::Lane(_, lane) => self.places.ready.limit(lane, source, limits, now),
            LimitScope::Shared(_) => {}
        }
        self.stirred += 1;
    }

    /// What was set for the queue and its lanes, and at most so much of that for single lanes.
    pub(super) fn limit_settings(&self, queue: &QueueName, limit: usize) -> Vec<LimitSetting> {
        let (each, own) = self.places.ready.settings();
        let of_queue = self.limits.settings(LimitScope::Queue(queue.clone()));
        let of_each = each.settings(LimitScope::Lanes(queue.clone()));
        let of_lanes = own.flat_map(|(lane, limits)| {
            limits.settings(LimitScope::Lane(queue.clone(), lane.clone()))
        });
        of_queue.chain(of_each).chain(of_lanes.take(limit)).collect()
    }
}
