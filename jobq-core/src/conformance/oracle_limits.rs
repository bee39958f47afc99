//! The oracle's limits: what was set, what was leased, and what follows.

use super::oracle::Oracle;
use crate::clock::Timestamp;
use crate::inspect::LaneView;
use crate::lane::LaneKey;
use crate::lease::Next;
use crate::limits::{Counting, LimitScope, LimitSetting, LimitSource, Limits, Rate};
use crate::name::LimitName;
use crate::state::JobState;

/// All that the oracle was told of limits, in the order in which it was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    settings: Vec<LimitSetting>,
    /// Every lease that a rate has counted, oldest first.
    leases: Vec<Counted>,
    paused: Vec<LaneKey>,
    rests: Vec<(LaneKey, Timestamp)>,
    failures: Vec<(LaneKey, u32)>,
}

/// Whose rate counts.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Whose {
    Queue,
    Shared(LimitName),
    Lane(LaneKey),
}

#[derive(Clone, Debug)]
struct Counted {
    whose: Whose,
    at: u64,
    cost: u64,
    rate: Rate,
}

impl Told {
    pub(super) fn set(&mut self, scope: &LimitScope, source: LimitSource, limits: &Limits) {
        self.settings.retain(|setting| (&setting.scope, setting.source) != (scope, source));
        if !limits.is_empty() {
            self.settings.push(LimitSetting::new(scope.clone(), source, limits.clone()));
        }
    }

    pub(super) fn of_queue<T>(&self, pick: impl Fn(&Limits) -> Option<T>) -> Option<T> {
        self.nearest(|scope| matches!(scope, LimitScope::Queue(_)), &pick)
    }

    pub(super) fn of_lane<T>(
        &self,
        lane: &LaneKey,
        pick: impl Fn(&Limits) -> Option<T>,
    ) -> Option<T> {
        let own = |scope: &LimitScope| matches!(scope, LimitScope::Lane(_, of) if of == lane);
        let each = |scope: &LimitScope| matches!(scope, LimitScope::Lanes(_));
        self.nearest(own, &pick).or_else(|| self.nearest(each, &pick))
    }

    fn of_shared<T>(&self, name: &LimitName, pick: impl Fn(&Limits) -> Option<T>) -> Option<T> {
        self.nearest(|scope| matches!(scope, LimitScope::Shared(of) if of == name), &pick)
    }

    fn nearest<T>(
        &self,
        is_of: impl Fn(&LimitScope) -> bool,
        pick: &impl Fn(&Limits) -> Option<T>,
    ) -> Option<T> {
        let by = |source: LimitSource| {
            let mut settings = self.settings.iter();
            let setting = settings.find(|s| s.source == source && is_of(&s.scope))?;
            pick(&setting.limits)
        };
        by(LimitSource::Operator).or_else(|| by(LimitSource::Code))
    }

    /// All that was set for the queue and its lanes, in the order in which it is listed.
    pub(super) fn settings(&self) -> Vec<LimitSetting> {
        let mut settings = self.settings.clone();
        settings.retain(|setting| !matches!(setting.scope, LimitScope::Shared(_)));
        settings.sort_by_key(|setting| (setting.scope.clone(), setting.source));
        settings
    }

    pub(super) fn pause(&mut self, lane: &LaneKey) {
        self.paused.push(lane.clone());
    }

    pub(super) fn resume(&mut self, lane: &LaneKey) {
        self.paused.retain(|paused| paused != lane);
        self.rests.retain(|(resting, _)| resting != lane);
        self.failures.retain(|(failing, _)| failing != lane);
    }

    pub(super) fn throttle(&mut self, lane: &LaneKey, until: Timestamp) {
        self.rests.push((lane.clone(), until));
    }

    fn failures(&self, lane: &LaneKey) -> u32 {
        self.failures.iter().find(|(of, _)| of == lane).map_or(0, |(_, count)| *count)
    }

    fn rest_until(&self, lane: &LaneKey, now: Timestamp) -> Option<Timestamp> {
        let rests = self.rests.iter().filter(|(of, until)| of == lane && now < *until);
        rests.map(|(_, until)| *until).max()
    }

    fn is_on_probation(&self, lane: &LaneKey) -> bool {
        let breaker = self.of_lane(lane, |limits| limits.breaker);
        breaker.is_some_and(|breaker| self.failures(lane) >= breaker.failures)
    }

    /// How much is used up of a rate at an instant, in parts of which a cost of one has `period`.
    fn used(&self, whose: &Whose, rate: Rate, at: u64) -> u128 {
        let period = period(rate);
        let mut counted: Vec<&Counted> = Vec::new();
        for lease in self.leases.iter().filter(|lease| lease.whose == *whose) {
            // Another way of counting in between: all before it is forgotten.
            if !counts_alike(lease.rate, rate) {
                counted.clear();
                continue;
            }
            counted.push(lease);
        }
        let parts = |lease: &&Counted| u128::from(lease.cost) * u128::from(period);
        match rate.counting {
            Counting::Fixed => {
                let now = counted.iter().filter(|lease| lease.at / period == at / period);
                now.map(parts).sum()
            }
            Counting::Sliding => {
                counted.iter().filter(|lease| lease.at + period > at).map(parts).sum()
            }
            Counting::Bucket { .. } => {
                let mut missing = 0_u128;
                let mut since = 0;
                let fill = |missing: u128, time: u64, count: u32| {
                    missing.saturating_sub(u128::from(time) * u128::from(count))
                };
                for lease in counted {
                    missing = fill(missing, lease.at - since, lease.rate.count) + parts(&lease);
                    since = lease.at;
                }
                fill(missing, at - since, rate.count)
            }
        }
    }

    fn has_room(&self, whose: &Whose, rate: Rate, cost: u32, at: u64) -> bool {
        let period = u128::from(period(rate));
        self.used(whose, rate, at) + u128::from(counted_cost(rate, cost)) * period
            <= u128::from(most(rate)) * period
    }

    /// The first millisecond at which there is room, if that is not now.
    fn room_at(&self, whose: &Whose, rate: Rate, cost: u32, now: Timestamp) -> Option<Timestamp> {
        let has_room = |at| self.has_room(whose, rate, cost, at);
        if has_room(now.as_millis()) {
            return None;
        }
        // Room only grows as long as nothing is leased: double the wait, then search by halves.
        let mut before = now.as_millis();
        let mut wait = 1;
        while !has_room(before + wait) {
            before += wait;
            wait *= 2;
        }
        let mut after = before + wait;
        while after - before > 1 {
            let middle = u64::midpoint(before, after);
            if has_room(middle) { after = middle } else { before = middle }
        }
        Some(Timestamp::from_millis(after))
    }
}

impl Oracle {
    /// What the end of an attempt means for its lane.
    pub(super) fn note_end(
        &mut self,
        lane: Option<&LaneKey>,
        next: &Next,
        is_asked_to_end: bool,
        now: Timestamp,
    ) {
        let Some(lane) = lane else {
            return;
        };
        let failures = self.told.failures(lane);
        let breaker = self.told.of_lane(lane, |limits| limits.breaker);
        match (next, breaker) {
            (Next::Complete { .. }, _) => self.told.failures.retain(|(of, _)| of != lane),
            (Next::Retry { .. } | Next::Dead { .. }, Some(breaker)) if !is_asked_to_end => {
                self.told.failures.retain(|(of, _)| of != lane);
                self.told.failures.push((lane.clone(), failures + 1));
                if failures + 1 >= breaker.failures {
                    self.told.throttle(lane, now + breaker.rest);
                }
            }
            _ => {}
        }
    }

    /// Whether as many jobs are leased as the queue, or what it shares, may have.
    pub(super) fn is_full(&self) -> bool {
        let leased = self.count(|job| job.view.state == JobState::Leased);
        let of_queue = self.told.of_queue(|limits| limits.concurrency);
        let shared = self.told.of_queue(|limits| limits.shared.clone());
        let of_shared = shared.and_then(|name| self.told.of_shared(&name, |l| l.concurrency));
        [of_queue, of_shared].into_iter().flatten().any(|limit| leased >= limit.into())
    }

    /// When the queue, and what it shares, has room for a job, if that is not now.
    pub(super) fn queue_has_room_at(&self, cost: u32, now: Timestamp) -> Option<Timestamp> {
        let mut rates = self.rates_of_queue().into_iter();
        rates.find_map(|(whose, rate)| self.told.room_at(&whose, rate, cost, now))
    }

    /// Whether a lane may have a job leased now, and if not when, if that is a matter of time.
    pub(super) fn lane_obstacle(
        &self,
        lane: &LaneKey,
        cost: u32,
        now: Timestamp,
    ) -> Result<(), Option<Timestamp>> {
        if self.told.paused.contains(lane) {
            return Err(None);
        }
        if let Some(until) = self.told.rest_until(lane, now) {
            return Err(Some(until));
        }
        if self.most_leased(lane).is_some_and(|limit| self.leased(lane) >= limit.into()) {
            return Err(None);
        }
        match self.lane_has_room_at(lane, cost, now) {
            Some(at) => Err(Some(at)),
            None => Ok(()),
        }
    }

    /// How many jobs of a lane may be leased.
    pub(super) fn most_leased(&self, lane: &LaneKey) -> Option<u32> {
        if self.told.is_on_probation(lane) {
            return Some(1);
        }
        self.told.of_lane(lane, |limits| limits.concurrency)
    }

    pub(super) fn leased(&self, lane: &LaneKey) -> u64 {
        self.count(|job| job.view.state == JobState::Leased && job.lane() == Some(lane))
    }

    /// Counts a lease under all rates that it falls under.
    pub(super) fn count_lease(&mut self, lane: Option<&LaneKey>, cost: u32, now: Timestamp) {
        let mut rates = self.rates_of_queue();
        let of_lane = lane.and_then(|lane| {
            let rate = self.told.of_lane(lane, |limits| limits.rate)?;
            Some((Whose::Lane(lane.clone()), rate))
        });
        rates.extend(of_lane);
        for (whose, rate) in rates {
            let (at, cost) = (now.as_millis(), counted_cost(rate, cost));
            self.told.leases.push(Counted { whose, at, cost, rate });
        }
    }

    /// What people see of a lane.
    pub(super) fn lane_view(&self, lane: &LaneKey, now: Timestamp) -> LaneView {
        let first = self.first_of(Some(lane));
        let cost = first.map_or(1, |job| job.view.record.cost);
        let rest = self.told.rest_until(lane, now);
        let of_lane = |job: &super::oracle::Known| job.lane() == Some(lane);
        let limits = Limits {
            concurrency: self.told.of_lane(lane, |limits| limits.concurrency),
            rate: self.told.of_lane(lane, |limits| limits.rate),
            max_size: self.told.of_lane(lane, |limits| limits.max_size),
            weight: self.told.of_lane(lane, |limits| limits.weight),
            breaker: self.told.of_lane(lane, |limits| limits.breaker),
            shared: None,
        };
        LaneView {
            paused: self.told.paused.contains(lane),
            ready: self.count(|job| of_lane(job) && job.view.state == JobState::Ready),
            leased: self.leased(lane),
            until: rest.max(self.lane_has_room_at(lane, cost, now)),
            failures: self.told.failures(lane),
            ..LaneView::new(lane.clone(), limits)
        }
    }

    /// Whether a lane is listed.
    pub(super) fn is_listed(&self, lane: &LaneKey) -> bool {
        let shown = [JobState::Ready, JobState::Leased];
        let is_own = |scope: &LimitScope| matches!(scope, LimitScope::Lane(_, of) if of == lane);
        self.count(|job| job.lane() == Some(lane) && shown.contains(&job.view.state)) > 0
            || self.told.paused.contains(lane)
            || self.told.settings.iter().any(|setting| is_own(&setting.scope))
    }

    fn lane_has_room_at(&self, lane: &LaneKey, cost: u32, now: Timestamp) -> Option<Timestamp> {
        let rate = self.told.of_lane(lane, |limits| limits.rate)?;
        self.told.room_at(&Whose::Lane(lane.clone()), rate, cost, now)
    }

    /// The rates that all jobs of the queue fall under, in the order in which they are looked at.
    fn rates_of_queue(&self) -> Vec<(Whose, Rate)> {
        let shared = self.told.of_queue(|limits| limits.shared.clone());
        let of_shared = shared.and_then(|name| {
            let rate = self.told.of_shared(&name, |limits| limits.rate)?;
            Some((Whose::Shared(name), rate))
        });
        let of_queue = self.told.of_queue(|limits| limits.rate).map(|rate| (Whose::Queue, rate));
        of_shared.into_iter().chain(of_queue).collect()
    }
}

fn period(rate: Rate) -> u64 {
    u64::try_from(rate.per.as_millis()).unwrap_or(u64::MAX)
}

fn most(rate: Rate) -> u32 {
    match rate.counting {
        Counting::Bucket { burst } => burst,
        Counting::Fixed | Counting::Sliding => rate.count,
    }
}

fn counted_cost(rate: Rate, cost: u32) -> u64 {
    cost.min(most(rate)).into()
}

fn counts_alike(a: Rate, b: Rate) -> bool {
    std::mem::discriminant(&a.counting) == std::mem::discriminant(&b.counting) && a.per == b.per
}
