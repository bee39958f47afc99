//! Limits that queues share. Pure: it is told how many leases each queue has, and the time.

use std::collections::BTreeMap;

use super::limits::Sourced;
use super::notes::News;
use super::queue_state::QueueState;
use super::rate::RateUse;
use crate::clock::Timestamp;
use crate::limits::{LimitScope, LimitSetting, LimitSource, Limits};
use crate::name::{LimitName, QueueName};

/// All shared limits.
#[derive(Debug, Default)]
pub(super) struct SharedLimits(BTreeMap<LimitName, SharedLimit>);

#[derive(Debug, Default)]
struct SharedLimit {
    set: Sourced,
    rate: RateUse,
    /// How many leases each queue has that takes part.
    leased: BTreeMap<QueueName, usize>,
}

impl SharedLimits {
    /// Sets limits, and says which queues they are for.
    pub(super) fn set(
        &mut self,
        name: &LimitName,
        source: LimitSource,
        limits: &Limits,
    ) -> Vec<QueueName> {
        let shared = self.0.entry(name.clone()).or_default();
        shared.set.set(source, limits);
        let members = shared.leased.keys().cloned().collect();
        self.drop_if_unused(name);
        members
    }

    /// What was set, by name.
    pub(super) fn settings(&self) -> Vec<LimitSetting> {
        let each = self.0.iter();
        each.flat_map(|(name, shared)| shared.set.settings(LimitScope::Shared(name.clone())))
            .collect()
    }

    /// A queue with so many leases takes part, or has as many by now.
    pub(super) fn note(&mut self, name: &LimitName, queue: &QueueName, leased: usize) {
        let shared = self.0.entry(name.clone()).or_default();
        shared.leased.insert(queue.clone(), leased);
    }

    /// A queue takes part no more.
    pub(super) fn leave(&mut self, name: &LimitName, queue: &QueueName) {
        if let Some(shared) = self.0.get_mut(name) {
            shared.leased.remove(queue);
        }
        self.drop_if_unused(name);
    }

    /// The queues that take part.
    pub(super) fn members(&self, name: &LimitName) -> Vec<QueueName> {
        let shared = self.0.get(name);
        shared.map_or_else(Vec::new, |shared| shared.leased.keys().cloned().collect())
    }

    /// Whether as many jobs are leased as may be.
    pub(super) fn is_full(&self, name: &LimitName) -> bool {
        self.0.get(name).is_some_and(|shared| {
            let limit = shared.set.pick(|limits| limits.concurrency);
            let leased: usize = shared.leased.values().sum();
            limit.is_some_and(|limit| leased >= usize::try_from(limit).unwrap_or(usize::MAX))
        })
    }

    /// When there is room for the cost; `None` if there is now.
    pub(super) fn full_until(
        &self,
        name: &LimitName,
        cost: u32,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let shared = self.0.get(name)?;
        shared.rate.full_until(shared.set.pick(|limits| limits.rate)?, cost, now)
    }

    /// Counts a lease of a queue.
    pub(super) fn take(&mut self, name: &LimitName, queue: &QueueName, cost: u32, now: Timestamp) {
        if let Some(shared) = self.0.get_mut(name) {
            if let Some(leased) = shared.leased.get_mut(queue) {
                *leased += 1;
            }
            if let Some(rate) = shared.set.pick(|limits| limits.rate) {
                shared.rate.take(rate, cost, now);
            }
        }
    }

    fn drop_if_unused(&mut self, name: &LimitName) {
        let is_unused = |shared: &SharedLimit| shared.set.is_empty() && shared.leased.is_empty();
        if self.0.get(name).is_some_and(is_unused) {
            self.0.remove(name);
        }
    }
}

impl QueueState {
    /// Takes part in the shared limit that the queue is to take part in now, and in no other.
    pub(super) fn take_part(&mut self, now: Timestamp) {
        let name = self.limits.pick(|limits| limits.shared.clone());
        if name == self.shared {
            return;
        }
        let before = std::mem::replace(&mut self.shared, name);
        if let Some(before) = before {
            self.commons.shared().leave(&before, self.notes.owner());
            self.tell_members(&before, now);
        }
        self.note_leases();
        self.told_leases = self.places.leased.len();
    }

    /// Has those who share the limit know how many leases this queue has.
    pub(super) fn note_leases(&self) {
        if let Some(name) = &self.shared {
            let leased = self.places.leased.len();
            self.commons.shared().note(name, self.notes.owner(), leased);
        }
    }

    /// Wakes those who share the limit, if this queue has fewer leases than when they last were told.
    pub(super) fn share_slots(&mut self, now: Timestamp) {
        let Some(name) = self.shared.clone() else {
            return;
        };
        self.note_leases();
        let leased = self.places.leased.len();
        if std::mem::replace(&mut self.told_leases, leased) > leased {
            self.tell_members(&name, now);
        }
    }

    fn tell_members(&mut self, name: &LimitName, now: Timestamp) {
        let members = self.commons.shared().members(name);
        for member in members {
            self.tell(&member, now, News::SlotFreed);
        }
    }
}
