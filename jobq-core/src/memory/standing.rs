//! Why a job is not running, told from the same facts by which jobs are leased.

use super::lane::Obstacle;
use super::leasing::LOOKED_AT_ONCE;
use super::places::Place;
use super::queue_state::QueueState;
use crate::clock::Timestamp;
use crate::explain::{Block, Standing};
use crate::id::JobId;
use crate::record::JobRecord;

/// How many of the jobs are named that have the slots of a lane.
const HOLDERS: usize = 10;

impl QueueState {
    pub(super) fn standing(&mut self, id: JobId, now: Timestamp) -> Option<Standing> {
        let job = self.jobs.get(&id)?;
        let (place, view) = (job.place, job.view());
        let record = view.record.clone();
        let mut standing = Standing::new(view);
        standing.lane.clone_from(&record.lane);
        standing.rate = self.pace.per_second(now);
        match place {
            Place::Waiting { .. } => {
                standing.blocks.push(Block::Parents(self.unmet_parents(id)));
                standing.blocks.extend(self.lasting(&record));
            }
            Place::Scheduled { due } if now < due => {
                standing.blocks.push(Block::NotDue { at: due });
                standing.blocks.extend(self.lasting(&record));
            }
            // What is due is promoted by whoever leases next.
            Place::Ready { .. } | Place::HeldBack | Place::Scheduled { .. } => {
                standing.blocks = self.blocks(&record, now);
                let lane = record.lane.as_ref();
                let line = self.places.ready.line(lane);
                let ahead = match (place, line) {
                    (Place::Ready { position }, Some(line)) => line.ahead_of(position),
                    (Place::Scheduled { .. }, Some(line)) => line.len(),
                    _ => 0,
                };
                standing.ahead = count(ahead);
                let is_own_waiting = line.is_some_and(|line| line.len() > 0);
                standing.lanes = count(self.places.ready.waiting() - usize::from(is_own_waiting));
            }
            Place::Leased { .. }
            | Place::Completed { .. }
            | Place::Cancelled { .. }
            | Place::Dead { .. } => {}
        }
        Some(standing)
    }

    /// What keeps a ready job from being leased now.
    fn blocks(&mut self, record: &JobRecord, now: Timestamp) -> Vec<Block> {
        let mut blocks = Vec::new();
        if self.paused {
            blocks.push(Block::QueuePaused);
        }
        blocks.extend(self.blocks_of_queue(record.cost, now));
        blocks.extend(self.blocks_of_lane(record, now));
        blocks.extend(self.called_off(record));
        if let Some(unique) = record.unique
            && let Some(holder) = self.key_blocker(&unique, record.id)
        {
            blocks.push(Block::UniqueKey { holder });
        }
        blocks
    }

    /// What holds up the queue: as nobody overtakes, its next job does if there is no room for that.
    fn blocks_of_queue(&mut self, cost: u32, now: Timestamp) -> Vec<Block> {
        self.places.ready.take_back_due(LOOKED_AT_ONCE, now);
        let next = self.find_next(&mut 0, now).ok();
        let costs = [Some(cost), next.map(|(_, cost)| cost)];
        let costs = || costs.into_iter().flatten();
        let limits = self.limits.merged();
        let mut blocks = Vec::new();
        if let Some(limit) = limits.concurrency.filter(|limit| self.is_full(Some(*limit))) {
            blocks.push(Block::QueueConcurrency { limit });
        }
        if let Some(rate) = limits.rate
            && let Some(until) = costs().filter_map(|c| self.full_until(Some(rate), c, now)).max()
        {
            blocks.push(Block::QueueRate { rate, until });
        }
        if let Some(name) = limits.shared {
            let shared = self.commons.shared();
            let until = costs().filter_map(|cost| shared.full_until(&name, cost, now)).max();
            if until.is_some() || shared.is_full(&name) {
                blocks.push(Block::Shared { name, until });
            }
        }
        blocks
    }

    fn blocks_of_lane(&self, record: &JobRecord, now: Timestamp) -> Vec<Block> {
        let lanes = &self.places.ready;
        let Some(lane) = record.lane.as_ref().and_then(|key| lanes.lane(key)) else {
            return Vec::new();
        };
        let limits = lanes.limits(record.lane.as_ref());
        let block = |obstacle| match obstacle {
            Obstacle::Paused => Block::LanePaused,
            Obstacle::Rests { until, failures } => Block::LaneRests { until, failures },
            Obstacle::Concurrency { limit } => Block::LaneConcurrency {
                limit,
                holders: lane.leased.values().take(HOLDERS).copied().collect(),
            },
            Obstacle::Rate { rate, until } => Block::LaneRate { rate, until },
        };
        lane.obstacles(&limits, record.cost, now).map(block).collect()
    }

    /// What will keep a job from being leased also when its time has come.
    fn lasting(&self, record: &JobRecord) -> impl Iterator<Item = Block> {
        let lane = record.lane.as_ref().and_then(|key| self.places.ready.lane(key));
        let is_lane_paused = lane.is_some_and(|lane| lane.is_paused);
        let queue = self.paused.then_some(Block::QueuePaused);
        let pauses = queue.into_iter().chain(is_lane_paused.then_some(Block::LanePaused));
        pauses.chain(self.called_off(record))
    }

    fn called_off(&self, record: &JobRecord) -> Option<Block> {
        let batch = record.batch.as_ref().filter(|_| self.is_called_off(record.id))?;
        Some(Block::CalledOff { batch: batch.clone() })
    }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}
