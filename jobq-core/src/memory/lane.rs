//! One lane: its jobs, what is leased of it, and what holds it up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::limits::Sourced;
use super::rate::RateUse;
use super::ready::Line;
use super::ring::{NO_TIME, Spot, Turn};
use crate::clock::Timestamp;
use crate::id::{JobId, Token};
use crate::limits::{Limits, Rate};

#[derive(Debug, Default)]
pub(super) struct Lane {
    /// Its ready jobs but those held back.
    pub(super) line: Line,
    /// Its ready jobs that are not in line, because another one runs with their unique key.
    pub(super) held_back: usize,
    /// Its leases: the lane's slots are those that are not here.
    pub(super) leased: BTreeMap<Token, JobId>,
    pub(super) turn: Turn,
    pub(super) rate: RateUse,
    /// The limits of this lane alone.
    pub(super) own: Option<Box<Sourced>>,
    pub(super) is_paused: bool,
    pub(super) failures: u32,
    rest: Option<Rest>,
    /// Whether something has changed that may hold it up or hold it up no more.
    pub(super) is_stirred: bool,
    /// When the maintenance will look whether it can be forgotten.
    pub(super) idle_until: Option<Timestamp>,
}

/// No job may be leased before then.
#[derive(Clone, Copy, Debug)]
struct Rest {
    until: Timestamp,
    /// How many failures in a row led to it; 0 if somebody asked for it.
    failures: u32,
}

/// Why a lane may not have its first job leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    Paused,
    Rests { until: Timestamp, failures: u32 },
    Concurrency { limit: u32 },
    Rate { rate: Rate, until: Timestamp },
}

impl Obstacle {
    /// When it is gone, if that is a matter of time.
    pub(super) const fn until(self) -> Timestamp {
        match self {
            Self::Paused | Self::Concurrency { .. } => NO_TIME,
            Self::Rests { until, .. } | Self::Rate { until, .. } => until,
        }
    }
}

/// What may keep a job of some cost from being leased at some time.
type Look = fn(&Lane, &Limits, u32, Timestamp) -> Option<Obstacle>;

impl Lane {
    /// What keeps a job of this cost from being leased, in the order in which it is looked at.
    pub(super) fn obstacles(
        &self,
        limits: &Limits,
        cost: u32,
        now: Timestamp,
    ) -> impl Iterator<Item = Obstacle> {
        let looks: [Look; 4] = [Self::pause, Self::rest, Self::full, Self::used_up];
        looks.into_iter().filter_map(move |look| look(self, limits, cost, now))
    }

    fn pause(&self, _: &Limits, _: u32, _: Timestamp) -> Option<Obstacle> {
        self.is_paused.then_some(Obstacle::Paused)
    }

    fn rest(&self, _: &Limits, _: u32, now: Timestamp) -> Option<Obstacle> {
        let Rest { until, failures } = self.rest.filter(|rest| now < rest.until)?;
        Some(Obstacle::Rests { until, failures })
    }

    fn full(&self, limits: &Limits, _: u32, _: Timestamp) -> Option<Obstacle> {
        let is_on_probation = limits.breaker.is_some_and(|b| self.failures >= b.failures);
        let limit = if is_on_probation { Some(1) } else { limits.concurrency }?;
        let is_full = self.leased.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        is_full.then_some(Obstacle::Concurrency { limit })
    }

    fn used_up(&self, limits: &Limits, cost: u32, now: Timestamp) -> Option<Obstacle> {
        let rate = limits.rate?;
        let until = self.rate.full_until(rate, cost, now)?;
        Some(Obstacle::Rate { rate, until })
    }

    pub(super) fn set_paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
        self.is_stirred = true;
    }

    /// Ends what somebody or a breaker has stopped.
    pub(super) fn resume(&mut self) {
        self.set_paused(false);
        self.rest = None;
        self.failures = 0;
    }

    /// Rests for so long, if it does not for longer already.
    pub(super) fn throttle(&mut self, rest: Duration, now: Timestamp) {
        self.rest_until(Rest { until: now + rest, failures: 0 });
    }

    /// Counts an attempt that failed.
    pub(super) fn failed(&mut self, limits: &Limits, now: Timestamp) {
        if let Some(breaker) = limits.breaker {
            self.failures = self.failures.saturating_add(1);
            if self.failures >= breaker.failures {
                let until = now + breaker.rest;
                self.rest_until(Rest { until, failures: self.failures });
            }
        }
    }

    fn rest_until(&mut self, rest: Rest) {
        if self.rest.is_none_or(|before| before.until < rest.until) {
            self.rest = Some(rest);
            self.is_stirred = true;
        }
    }

    /// How many of its jobs are ready.
    pub(super) fn ready(&self) -> usize {
        self.line.len() + self.held_back
    }

    /// Whether it has nothing to do, and nothing that is being done.
    pub(super) fn is_idle(&self) -> bool {
        self.ready() == 0 && self.leased.is_empty()
    }

    /// How many of its jobs have their turn coming.
    pub(super) fn in_order(&self) -> usize {
        if self.turn.spot() == Spot::InOrder { self.line.len() } else { 0 }
    }

    /// When it next may have a job leased, if that is a matter of time.
    pub(super) fn until(&self, limits: &Limits, cost: u32, now: Timestamp) -> Option<Timestamp> {
        let times = self.obstacles(limits, cost, now).map(Obstacle::until);
        times.filter(|until| *until != NO_TIME).max()
    }

    /// Whether nothing of it would be missed.
    pub(super) fn is_forgettable(&self, limits: &Limits, now: Timestamp) -> bool {
        self.is_idle()
            && self.failures == 0
            && self.rest.is_none_or(|rest| rest.until <= now)
            && !self.rate.is_in_use(limits.rate, now)
    }

    /// Forgets all but what was set by somebody; `false` if that leaves nothing.
    pub(super) fn forget(&mut self) -> bool {
        let Self { own, is_paused, .. } = std::mem::take(self);
        *self = Self { own, is_paused, ..Self::default() };
        self.is_paused || self.own.is_some()
    }
}
