//! The ready jobs of a queue: those without a lane, and those of each lane.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use super::lane::{Lane, Obstacle};
use super::limits::Sourced;
use super::ready::{Line, Position};
use super::ring::{Key, NO_TIME, REMEMBERED, Ring, Spot, Turn};
use crate::clock::Timestamp;
use crate::id::{JobId, Token};
use crate::inspect::LaneView;
use crate::lane::LaneKey;
use crate::limits::{LimitSource, Limits};
use crate::priority::Priority;

/// Lanes, and the order in which they take turns.
///
/// Jobs without a lane take part in it only as long as a lane has jobs too: a queue without lanes pays
/// nothing for them.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// The ready jobs without a lane.
    pub(super) plain: Line,
    plain_turn: Turn,
    /// How many jobs without a lane are held back.
    plain_held_back: usize,
    lanes: BTreeMap<LaneKey, Lane>,
    ring: Ring,
    /// How many lanes have a job in line.
    waiting: usize,
    /// How many jobs of lanes are ready, and how many of these have their turn coming.
    ready: usize,
    in_order: usize,
    /// What holds for each lane.
    each: Sourced,
    /// Lanes that have nothing to do, by when they may be forgotten.
    idle: BTreeSet<(Timestamp, LaneKey)>,
}

/// The job that comes next, unless something is in its way.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) lane: Key,
    pub(super) position: Position,
    pub(super) id: JobId,
}

impl Lanes {
    pub(super) fn push_back(
        &mut self,
        lane: Option<&LaneKey>,
        priority: Priority,
        id: JobId,
        now: Timestamp,
    ) -> Position {
        self.change_line(lane, now, |line| line.push_back(priority, id))
    }

    pub(super) fn push_front(
        &mut self,
        lane: Option<&LaneKey>,
        priority: Priority,
        id: JobId,
        now: Timestamp,
    ) -> Position {
        self.change_line(lane, now, |line| line.push_front(priority, id))
    }

    pub(super) fn remove(&mut self, lane: Option<&LaneKey>, position: Position, now: Timestamp) {
        self.change_line(lane, now, |line| line.remove(position));
    }

    /// The job whose turn it is.
    pub(super) fn first(&self) -> Option<First> {
        let lane = if self.waiting == 0 { None } else { self.ring.first()?.clone() };
        let line = match &lane {
            None => &self.plain,
            Some(key) => &self.lanes.get(key)?.line,
        };
        let (position, id) = line.first()?;
        Some(First { lane, position, id })
    }

    /// Takes out the job whose turn it is, and counts the turn.
    pub(super) fn serve(&mut self, first: &First, cost: u32, now: Timestamp) {
        match &first.lane {
            None => {
                if self.waiting > 0 {
                    self.ring.serve(&None, &mut self.plain_turn, 1, now);
                }
                self.remove(None, first.position, now);
            }
            Some(key) => {
                if let Some(lane) = self.lanes.get_mut(key) {
                    let own = lane.own.as_deref().and_then(|own| own.pick(|l| l.rate));
                    if let Some(rate) = own.or_else(|| self.each.pick(|l| l.rate)) {
                        lane.rate.take(rate, cost, now);
                    }
                    let weight = weight(&self.each, lane);
                    self.ring.serve(&first.lane, &mut lane.turn, weight, now);
                }
                self.remove(Some(key), first.position, now);
            }
        }
    }

    /// What keeps the job whose turn it is from being leased, if it is something about its lane.
    pub(super) fn obstacle(&self, key: &Key, cost: u32, now: Timestamp) -> Option<Obstacle> {
        let lane = self.lanes.get(key.as_ref()?)?;
        lane.obstacles(&self.limits(key.as_ref()), cost, now).next()
    }

    /// Takes the lane whose turn it is out of the order until then.
    pub(super) fn hold_up(&mut self, key: &Key, until: Timestamp) {
        if let Some(lane) = key.as_ref().and_then(|key| self.lanes.get_mut(key)) {
            self.in_order -= lane.in_order();
            self.ring.hold_up(key, &mut lane.turn, until);
        }
    }

    /// Takes back lanes whose time has come: at most so many.
    pub(super) fn take_back_due(&mut self, limit: usize, now: Timestamp) {
        for _ in 0..limit {
            let Some((until, Some(key))) = self.ring.first_held_up() else {
                return;
            };
            if now < *until {
                return;
            }
            let key = key.clone();
            self.change(&key, now, |lane| lane.is_stirred = true);
        }
    }

    /// When the next lane comes back, if that is a matter of time.
    pub(super) fn next_back(&self) -> Option<Timestamp> {
        let until = self.ring.first_held_up().map(|(until, _)| *until);
        until.filter(|until| *until != NO_TIME)
    }

    pub(super) fn leased(&mut self, lane: Option<&LaneKey>, token: Token, id: JobId) {
        if let Some(lane) = lane.and_then(|key| self.lanes.get_mut(key)) {
            lane.leased.insert(token, id);
        }
    }

    pub(super) fn lease_ended(&mut self, lane: Option<&LaneKey>, token: Token, now: Timestamp) {
        if let Some(key) = lane {
            self.change(key, now, |lane| {
                lane.leased.remove(&token);
                lane.is_stirred = true;
            });
        }
    }

    /// Counts a job that is ready but not in line.
    pub(super) fn hold_back(&mut self, lane: Option<&LaneKey>, now: Timestamp) {
        match lane {
            None => self.plain_held_back += 1,
            Some(key) => self.change(key, now, |lane| lane.held_back += 1),
        }
    }

    /// Counts one less.
    pub(super) fn let_go(&mut self, lane: Option<&LaneKey>, now: Timestamp) {
        match lane {
            None => self.plain_held_back -= 1,
            Some(key) => self.change(key, now, |lane| lane.held_back -= 1),
        }
    }

    /// Counts an attempt of a lane's job that failed.
    pub(super) fn failed(&mut self, lane: Option<&LaneKey>, now: Timestamp) {
        if let Some(key) = lane {
            let limits = self.limits(lane);
            self.change(key, now, |lane| lane.failed(&limits, now));
        }
    }

    /// Ends the row of failures.
    pub(super) fn succeeded(&mut self, lane: Option<&LaneKey>) {
        if let Some(lane) = lane.and_then(|key| self.lanes.get_mut(key)) {
            lane.failures = 0;
        }
    }

    pub(super) fn throttle(&mut self, key: &LaneKey, rest: Duration, now: Timestamp) {
        self.change(key, now, |lane| lane.throttle(rest, now));
    }

    pub(super) fn pause(&mut self, key: &LaneKey, now: Timestamp) {
        self.change(key, now, |lane| lane.set_paused(true));
    }

    pub(super) fn resume(&mut self, key: &LaneKey, now: Timestamp) {
        self.change(key, now, Lane::resume);
    }

    /// Sets what holds for each lane.
    pub(super) fn limit_each(&mut self, source: LimitSource, limits: &Limits, now: Timestamp) {
        self.each.set(source, limits);
        let held_up = self.lanes.iter().filter(|(_, l)| matches!(l.turn.spot(), Spot::HeldUp(_)));
        let held_up: Vec<LaneKey> = held_up.map(|(key, _)| key.clone()).collect();
        for key in held_up {
            self.change(&key, now, |lane| lane.is_stirred = true);
        }
    }

    /// Sets what holds for one lane.
    pub(super) fn limit(
        &mut self,
        key: &LaneKey,
        source: LimitSource,
        limits: &Limits,
        now: Timestamp,
    ) {
        self.change(key, now, |lane| {
            let mut own = lane.own.take().unwrap_or_default();
            own.set(source, limits);
            lane.own = (!own.is_empty()).then_some(own);
            lane.is_stirred = true;
        });
    }

    /// What limits a lane. Jobs without one have no limits of their own.
    pub(super) fn limits(&self, lane: Option<&LaneKey>) -> Limits {
        let Some(key) = lane else {
            return Limits::default();
        };
        let own = self.lanes.get(key).and_then(|lane| lane.own.as_deref());
        match own {
            None => self.each.merged(),
            Some(own) => own.merged().or(&self.each.merged()),
        }
    }

    /// What was set for each lane, and for each of those with limits of their own.
    pub(super) fn settings(&self) -> (&Sourced, impl Iterator<Item = (&LaneKey, &Sourced)>) {
        let own = self.lanes.iter().filter_map(|(key, lane)| Some((key, lane.own.as_deref()?)));
        (&self.each, own)
    }

    /// Forgets lanes that nobody would miss: looks at so many at most, and says at how many.
    pub(super) fn forget(&mut self, limit: usize, now: Timestamp) -> usize {
        let due = self.idle.iter().take_while(|(at, _)| *at <= now).take(limit);
        let due: Vec<(Timestamp, LaneKey)> = due.cloned().collect();
        for (at, key) in &due {
            self.idle.remove(&(*at, key.clone()));
            let limits = self.limits(Some(key));
            let Some(lane) = self.lanes.get_mut(key) else {
                continue;
            };
            if !lane.is_forgettable(&limits, now) {
                let again = now + REMEMBERED;
                lane.idle_until = Some(again);
                self.idle.insert((again, key.clone()));
            } else if !lane.forget() {
                self.lanes.remove(key);
            }
        }
        due.len()
    }

    pub(super) fn lane(&self, key: &LaneKey) -> Option<&Lane> {
        self.lanes.get(key)
    }

    /// The lanes that people should see, by key, after this one.
    pub(super) fn shown(&self, after: Option<&LaneKey>) -> impl Iterator<Item = &LaneKey> {
        let is_shown = |lane: &Lane| !lane.is_idle() || lane.own.is_some() || lane.is_paused;
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.lanes
            .range::<LaneKey, _>((from, Bound::Unbounded))
            .filter(move |(_, lane)| is_shown(lane))
            .map(|(key, _)| key)
    }

    /// What people see of a lane; `cost` is that of its first job.
    pub(super) fn view(&self, key: &LaneKey, cost: u32, now: Timestamp) -> LaneView {
        let limits = self.limits(Some(key));
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        match self.lanes.get(key) {
            None => LaneView::new(key.clone(), limits),
            Some(lane) => LaneView {
                paused: lane.is_paused,
                ready: count(lane.ready()),
                leased: count(lane.leased.len()),
                until: lane.until(&limits, cost, now),
                failures: lane.failures,
                ..LaneView::new(key.clone(), limits)
            },
        }
    }

    /// How many lanes have a job in line. Jobs without a lane are one.
    pub(super) fn waiting(&self) -> usize {
        self.waiting + usize::from(self.plain.len() > 0)
    }

    /// The jobs in line of a lane.
    pub(super) fn line(&self, lane: Option<&LaneKey>) -> Option<&Line> {
        match lane {
            None => Some(&self.plain),
            Some(key) => self.lanes.get(key).map(|lane| &lane.line),
        }
    }

    /// How many jobs are ready.
    pub(super) fn len(&self) -> usize {
        self.plain.len() + self.plain_held_back + self.ready
    }

    /// How many jobs have their turn coming: neither held back nor in a lane that is held up.
    pub(super) fn in_order(&self) -> usize {
        self.plain.len() + self.in_order
    }

    /// The jobs in line: those without a lane first, then lane by lane.
    pub(super) fn iter(&self) -> impl Iterator<Item = JobId> {
        self.plain.iter().chain(self.lanes.values().flat_map(|lane| lane.line.iter()))
    }

    /// The first job of each priority of each lane.
    pub(super) fn heads(&self) -> impl Iterator<Item = JobId> {
        self.plain.heads().chain(self.lanes.values().flat_map(|lane| lane.line.heads()))
    }

    fn change_line<R>(
        &mut self,
        lane: Option<&LaneKey>,
        now: Timestamp,
        act: impl FnOnce(&mut Line) -> R,
    ) -> R {
        match lane {
            Some(key) => self.change(key, now, |lane| act(&mut lane.line)),
            None => {
                let answer = act(&mut self.plain);
                if self.waiting > 0 {
                    self.place_plain(now);
                }
                answer
            }
        }
    }

    /// Does something to a lane, and puts it where it then belongs in the ring.
    fn change<R>(&mut self, key: &LaneKey, now: Timestamp, act: impl FnOnce(&mut Lane) -> R) -> R {
        let lane = self.lanes.entry(key.clone()).or_default();
        let first_before = lane.line.first();
        self.ready -= lane.ready();
        self.in_order -= lane.in_order();
        let answer = act(lane);

        let weight = weight(&self.each, lane);
        let ring_key = Some(key.clone());
        let (turn, level) = (&mut lane.turn, lane.line.level());
        let waited = turn.spot() != Spot::Out;
        self.ring.place(&ring_key, turn, level, weight, now);
        if std::mem::take(&mut lane.is_stirred) || lane.line.first() != first_before {
            self.ring.take_back(&ring_key, turn);
        }
        let waits = turn.spot() != Spot::Out;

        self.ready += lane.ready();
        self.in_order += lane.in_order();
        let is_idle = lane.is_idle();
        if let Some(until) = lane.idle_until.take_if(|_| !is_idle) {
            self.idle.remove(&(until, key.clone()));
        } else if is_idle && lane.idle_until.is_none() {
            let until = lane.turn.served_at().unwrap_or(now) + REMEMBERED;
            lane.idle_until = Some(until);
            self.idle.insert((until, key.clone()));
        }
        self.waiting = self.waiting + usize::from(waits) - usize::from(waited);
        if waits != waited {
            self.place_plain(now);
        }
        answer
    }

    /// Jobs without a lane take turns with lanes, if there are any.
    fn place_plain(&mut self, now: Timestamp) {
        let level = self.plain.level().filter(|_| self.waiting > 0);
        self.ring.place(&None, &mut self.plain_turn, level, 1, now);
    }
}

fn weight(each: &Sourced, lane: &Lane) -> u16 {
    let own = lane.own.as_deref().and_then(|own| own.pick(|limits| limits.weight));
    own.or_else(|| each.pick(|limits| limits.weight)).unwrap_or(1)
}
