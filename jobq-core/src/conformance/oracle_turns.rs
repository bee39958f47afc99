//! The oracle's turns: a tag for each lane, and all lanes looked at to find the next.

use std::collections::BTreeMap;
use std::time::Duration;

use super::oracle::{Known, Oracle};
use crate::clock::Timestamp;
use crate::inspect::JobView;
use crate::lane::LaneKey;
use crate::priority::Priority;
use crate::state::JobState;

/// The lanes by their key; jobs without one are a lane too.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns {
    lanes: BTreeMap<Option<LaneKey>, Turn>,
    virtual_time: BTreeMap<Priority, u64>,
}

#[derive(Clone, Debug, Default)]
struct Turn {
    tag: u64,
    level: Priority,
    waits: bool,
    served_at: Option<Timestamp>,
}

/// Why no further job may be leased, and when there may be more, if that is a matter of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stop(pub(super) Option<Timestamp>);

/// What decides whose turn it is.
type Rank = (Priority, u64, Option<LaneKey>);

impl Oracle {
    /// Leases the job that is next, until then; who holds it is said later.
    pub(super) fn lease_next(&mut self, until: Timestamp, now: Timestamp) -> Result<JobView, Stop> {
        loop {
            if self.is_full() {
                return Err(Stop(None));
            }
            let job = self.next_job(now)?;
            let (id, cost, lane) = (job.record.id, job.record.cost, job.record.lane.clone());
            if let Some(at) = self.queue_has_room_at(cost, now) {
                return Err(Stop(Some(at)));
            }
            if self.is_held_back(id, now) {
                continue;
            }
            self.count_lease(lane.as_ref(), cost, now);
            self.serve(lane.as_ref(), now);
            self.start_key(id);
            self.put(id, JobState::Leased, Some(until), now);
            return Ok(job);
        }
    }

    /// The first job in line of a lane.
    pub(super) fn first_of(&self, lane: Option<&LaneKey>) -> Option<&Known> {
        let first = self.jobs(JobState::Ready).into_iter().map(|view| view.record.id);
        let mut in_line = first.filter_map(|id| self.jobs.iter().find(|j| j.view.record.id == id));
        in_line.find(|job| job.is_in_line() && job.lane() == lane)
    }

    /// Lets each lane come to wait, change its level or wait no more, as its jobs are now.
    pub(super) fn turn_lanes(&mut self, now: Timestamp) {
        let mut levels: BTreeMap<Option<LaneKey>, Priority> = BTreeMap::new();
        for job in self.jobs.iter().filter(|job| job.is_in_line()) {
            let level = levels.entry(job.lane().cloned()).or_default();
            *level = (*level).max(job.view.record.priority);
        }
        if levels.keys().all(Option::is_none) {
            levels.clear();
        }
        for (lane, turn) in &mut self.turns.lanes {
            turn.waits &= levels.contains_key(lane);
        }
        for (lane, level) in levels {
            self.come_to_wait(lane, level, now);
        }
    }

    fn come_to_wait(&mut self, lane: Option<LaneKey>, level: Priority, now: Timestamp) {
        let present = self.present(level);
        let length = self.turn_length(lane.as_ref());
        let turn = self.turns.lanes.entry(lane).or_default();
        let minute = Duration::from_secs(60);
        let is_new = !turn.waits && turn.served_at.is_none_or(|at| at + minute <= now);
        if is_new {
            turn.tag = present;
        } else if turn.level != level {
            turn.tag = present + length;
        } else if !turn.waits {
            turn.tag = turn.tag.max(present);
        }
        turn.waits = true;
        turn.level = level;
    }

    /// The job whose turn it is, of all lanes that may have one leased.
    fn next_job(&self, now: Timestamp) -> Result<JobView, Stop> {
        let is_waiting = self.turns.lanes.values().any(|turn| turn.waits);
        if !is_waiting {
            return self.first_of(None).map(|job| job.view.clone()).ok_or(Stop(None));
        }
        let mut best: Option<(Rank, &Known)> = None;
        let mut until: Option<Timestamp> = None;
        for (lane, turn) in self.turns.lanes.iter().filter(|(_, turn)| turn.waits) {
            let job = self.first_of(lane.as_ref()).expect("a lane that waits has a job");
            let cost = job.view.record.cost;
            let obstacle = lane.as_ref().map_or(Ok(()), |lane| self.lane_obstacle(lane, cost, now));
            if let Err(at) = obstacle {
                until = until.into_iter().chain(at).min();
                continue;
            }
            // A lane that could not be served meanwhile is not owed the turns it has missed.
            let tag = turn.tag.max(self.present(turn.level));
            let goes_before = |best: &(Priority, u64, Option<LaneKey>)| {
                turn.level > best.0 || (turn.level == best.0 && (tag, lane) < (best.1, &best.2))
            };
            if best.as_ref().is_none_or(|(rank, _)| goes_before(rank)) {
                best = Some(((turn.level, tag, lane.clone()), job));
            }
        }
        best.map(|(_, job)| job.view.clone()).ok_or(Stop(until))
    }

    fn serve(&mut self, lane: Option<&LaneKey>, now: Timestamp) {
        let lane = lane.cloned();
        let length = self.turn_length(lane.as_ref());
        let level = self.turns.lanes.get(&lane).map_or(Priority::DEFAULT, |turn| turn.level);
        let present = self.present(level);
        if let Some(turn) = self.turns.lanes.get_mut(&lane).filter(|turn| turn.waits) {
            let tag = turn.tag.max(present);
            turn.tag = tag + length;
            turn.served_at = Some(now);
            self.turns.virtual_time.insert(level, tag);
        }
    }

    fn present(&self, level: Priority) -> u64 {
        self.turns.virtual_time.get(&level).copied().unwrap_or(0)
    }

    fn turn_length(&self, lane: Option<&LaneKey>) -> u64 {
        let weight = lane.and_then(|lane| self.told.of_lane(lane, |limits| limits.weight));
        10_080 / u64::from(weight.unwrap_or(1))
    }
}
